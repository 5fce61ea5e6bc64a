"""The contacts service's audience snapshot, streamed."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import httpx
from pydantic import ValidationError
from shared.errors import ProviderRejected, ProviderUnavailable

from campaigns.enrolment import Member

_OPERATION = "audience snapshot"


class ContactsClient:
    """Reads one consistent snapshot; a stream that breaks off raises, so that half of one never looks like all."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def members(self, lists: Sequence[UUID], exclude_lists: Sequence[UUID]) -> AsyncIterator[Member]:
        """The members of `lists` without those of `exclude_lists`, each person once, in any number."""
        params = {"lists": [str(id) for id in lists], "exclude_lists": [str(id) for id in exclude_lists]}
        try:
            async with self._http.stream("GET", "/internal/v1/audience", params=params) as answer:
                await _check(answer)
                async for line in _lines(answer):
                    yield Member.model_validate_json(line)
        except httpx.HTTPError as error:
            raise ProviderUnavailable("Contacts does not answer.", provider="contacts", operation=_OPERATION) from error
        except ValidationError as error:
            raise ProviderRejected(
                "Contacts sent a person that can't be read.", provider="contacts", operation=_OPERATION
            ) from error


async def _check(answer: httpx.Response) -> None:
    if answer.status_code == 200:
        return
    await answer.aread()
    if answer.status_code in (400, 404, 409, 422):
        detail = answer.json().get("detail", "") if "json" in answer.headers.get("content-type", "") else ""
        raise ProviderRejected(detail or "Contacts refused these lists.", provider="contacts", operation=_OPERATION)
    raise ProviderUnavailable(f"Contacts answered {answer.status_code}.", provider="contacts", operation=_OPERATION)


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    # Split at line feeds only: httpx's own line reader also splits at U+2028, which may stand in a name.
    rest = b""
    async for chunk in answer.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line
    if rest.strip():
        yield rest
