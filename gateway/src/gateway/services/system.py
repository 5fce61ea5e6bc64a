"""The system as a whole: how it is, what could not be consumed, and its clock in sandbox mode."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from shared.clock import rfc3339
from shared.errors import ServiceUnavailable
from shared.settings import Mode, ServiceSettings

from gateway.errors import ClockCannotMove


@dataclass(frozen=True)
class Addresses:
    apis: dict[str, str]
    workers: dict[str, str]
    sandbox: str


class Services(Protocol):
    """The internal side of the other services; clients/services.py asks them over HTTP."""

    addresses: Addresses

    async def readiness(self, url: str) -> str: ...
    async def backlog(self, url: str) -> dict[str, Any] | None: ...
    async def clock(self, service: str) -> str | None: ...
    async def move_clock(self, service: str, at: str) -> str: ...
    async def dead_letters(self, service: str) -> list[dict[str, Any]]: ...
    async def replay(self, service: str, letter_id: UUID, key: str | None) -> tuple[dict[str, Any], bool]: ...


class SystemService:
    def __init__(self, services: Services, settings: ServiceSettings) -> None:
        self._services = services
        self._mode = settings.mode

    async def health(self) -> dict[str, Any]:
        """Each process as it answers now. What does not answer is `unknown`, never guessed."""
        addresses = self._services.addresses
        apis = {name: self._services.readiness(url) for name, url in addresses.apis.items()}
        workers = {name: self._services.readiness(url) for name, url in addresses.workers.items()}
        backlogs = {name: self._services.backlog(url) for name, url in addresses.workers.items()}
        answers = await gather_by_name(
            {"apis": gather_by_name(apis), "workers": gather_by_name(workers), "backlogs": gather_by_name(backlogs)}
        )
        names = sorted({*addresses.apis, *addresses.workers})
        services = {
            name: {
                "api": answers["apis"].get(name, "ready" if name == "gateway" else "unknown"),
                "worker": answers["workers"].get(name, "unknown"),
                "backlog": answers["backlogs"].get(name),
            }
            for name in names
        }
        sandbox = await self._sandbox()
        return {
            "mode": self._mode.value,
            "is_idle": _is_idle(services, sandbox),
            "services": services,
            "sandbox": sandbox,
        }

    async def clock(self) -> dict[str, Any]:
        """Domain time as each part reads it."""
        times = await gather_by_name({name: self._services.clock(name) for name in self._clocks()})
        known = [instant for instant in times.values() if instant]
        return {"mode": self._mode.value, "now": max(known) if known else None, "services": times}

    async def move_clock(self, *, at: datetime | None, advance_seconds: float | None) -> dict[str, Any]:
        """Move every part to the same instant before answering; parts that are already later stay where they are.

        Raises ClockCannotMove outside sandbox mode and for an instant that has passed, and ServiceUnavailable, naming
        the parts, where some cannot be reached: nothing is moved unless all can be read first.
        """
        if self._mode is not Mode.SANDBOX:
            raise ClockCannotMove("The clock moves only in sandbox mode.")
        before = await self.clock()
        silent = sorted(name for name, instant in before["services"].items() if instant is None)
        if silent:
            raise ServiceUnavailable(f"The clock was not moved, because these do not answer: {', '.join(silent)}.")
        latest = max(datetime.fromisoformat(instant) for instant in before["services"].values())
        target = at or latest + timedelta(seconds=advance_seconds or 0)
        if target < latest:
            raise ClockCannotMove(f"The clock moves forward only, and it is {rfc3339(latest)} already.")
        moved = await gather_by_name(
            {name: self._services.move_clock(name, rfc3339(target)) for name in self._clocks()}
        )
        return {"mode": self._mode.value, "now": max(moved.values()), "services": moved}

    async def dead_letters(self, service: str | None) -> list[dict[str, Any]]:
        """The open dead letters, newest first. Raises ServiceUnavailable where a service cannot be asked."""
        asked = [service] if service else list(self._services.addresses.apis)
        found = await gather_by_name({name: self._services.dead_letters(name) for name in asked})
        letters = [{**letter, "service": name} for name, of_service in found.items() for letter in of_service]
        return sorted(letters, key=lambda letter: str(letter.get("created_at")), reverse=True)

    async def replay(self, service: str, letter_id: UUID, *, key: str | None = None) -> tuple[dict[str, Any], bool]:
        """The letter, and whether this only repeats the answer of an earlier request with the same key."""
        letter, is_repeat = await self._services.replay(service, letter_id, key)
        return {**letter, "service": service}, is_repeat

    def _clocks(self) -> list[str]:
        return [*self._services.addresses.apis, *(["sandbox"] if self._services.addresses.sandbox else [])]

    async def _sandbox(self) -> dict[str, Any] | None:
        if not self._services.addresses.sandbox:
            return None
        url = self._services.addresses.sandbox
        return {"api": await self._services.readiness(url), "backlog": await self._services.backlog(url)}


def _is_idle(services: dict[str, Any], sandbox: dict[str, Any] | None) -> bool:
    parts = [*services.values(), *([sandbox] if sandbox else [])]
    return all(part["backlog"] is not None and part["backlog"].get("idle") is True for part in parts)


async def gather_by_name(questions: Mapping[str, Awaitable[Any]]) -> dict[str, Any]:
    """The answers to questions that are asked at the same time."""
    answers = await asyncio.gather(*questions.values())
    return dict(zip(questions, answers, strict=True))
