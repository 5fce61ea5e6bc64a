"""What the messaging service knows of phones."""

from collections.abc import Sequence

import httpx
from pydantic import BaseModel, ValidationError
from shared.errors import ProviderRejected, ProviderUnavailable

from campaigns.enrolment import PhoneState

_OPERATION = "phone states"


class _States(BaseModel):
    items: list[PhoneState]


class MessagingClient:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def phone_states(self, phones: Sequence[str]) -> dict[str, PhoneState]:
        """The states of those phones that messaging knows."""
        if not phones:
            return {}
        try:
            answer = await self._http.post("/internal/v1/phone-states", json={"phones": list(phones)})
            if answer.status_code != 200:
                raise ProviderUnavailable(
                    f"Messaging answered {answer.status_code}.", provider="messaging", operation=_OPERATION
                )
            return {state.phone: state for state in _States.model_validate_json(answer.content).items}
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                "Messaging does not answer.", provider="messaging", operation=_OPERATION
            ) from error
        except ValidationError as error:
            raise ProviderRejected(
                "Messaging sent states that can't be read.", provider="messaging", operation=_OPERATION
            ) from error
