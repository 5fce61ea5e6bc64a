"""The internal side of the other services: health, backlog, clock, dead letters."""

from typing import Any
from uuid import UUID

import httpx
from shared.auth import ServiceAuth, ServiceTokens
from shared.errors import AppError, Conflict, NotFound, ServiceUnavailable
from shared.http.idempotency import HEADER as IDEMPOTENCY_KEY
from shared.http.idempotency import REPLAYED

from gateway.services.system import Addresses

_TIMEOUT = httpx.Timeout(5.0)


class HttpServices:
    """Asks the services under the gateway's own token."""

    def __init__(self, addresses: Addresses, tokens: ServiceTokens, http: httpx.AsyncClient | None = None) -> None:
        self.addresses = addresses
        self._tokens = tokens
        self._http = http or httpx.AsyncClient(timeout=_TIMEOUT)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def readiness(self, url: str) -> str:
        """`ready`, `not_ready`, or `unknown` where nobody answers."""
        try:
            answer = await self._http.get(f"{url}/readyz")
        except httpx.HTTPError:
            return "unknown"
        return "ready" if answer.status_code == 200 else "not_ready"

    async def backlog(self, url: str) -> dict[str, Any] | None:
        """What the worker at `url` still has to do; None where it does not say."""
        try:
            answer = await self._http.get(f"{url}/internal/v1/idle")
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError):
            return None

    async def clock(self, service: str) -> str | None:
        """The service's domain time, or None where it does not say."""
        try:
            return str((await self._ask(service, "GET", "/internal/v1/clock"))["now"])
        except (AppError, KeyError):
            return None

    async def move_clock(self, service: str, at: str) -> str:
        return str((await self._ask(service, "PUT", "/internal/v1/clock", json={"at": at}))["now"])

    async def dead_letters(self, service: str) -> list[dict[str, Any]]:
        return list((await self._ask(service, "GET", "/internal/v1/dead-letters"))["items"])

    async def replay(self, service: str, letter_id: UUID, key: str | None) -> tuple[dict[str, Any], bool]:
        headers = {IDEMPOTENCY_KEY: key} if key else {}
        answer = await self._answer(service, "POST", f"/internal/v1/dead-letters/{letter_id}/replay", headers=headers)
        return dict(answer.json()), REPLAYED in answer.headers

    async def _ask(self, service: str, method: str, path: str, **request: Any) -> Any:
        return (await self._answer(service, method, path, **request)).json()

    async def _answer(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Raises NotFound, Conflict with the service's sentence, or ServiceUnavailable."""
        url = self.addresses.apis.get(service) or (self.addresses.sandbox if service == "sandbox" else "")
        if not url:
            raise NotFound("There is no such service.")
        try:
            auth = ServiceAuth(self._tokens, service)
            answer = await self._http.request(method, url + path, auth=auth, **request)
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailable(f"{service} does not answer.") from error
        if answer.is_success:
            return answer
        sentence = str(content.get("detail") or f"{service} answered {answer.status_code}.")
        refusals: dict[int, type[AppError]] = {404: NotFound, 409: Conflict}
        raise refusals.get(answer.status_code, ServiceUnavailable)(sentence)
