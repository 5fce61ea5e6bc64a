"""The system's clock and health, with services that answer as they are told."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from gateway.errors import ClockCannotMove
from gateway.services.system import Addresses, SystemService
from gateway.settings import GatewaySettings
from shared.errors import ServiceUnavailable

NOON = "2026-03-02T12:00:00.000Z"


class ToldServices:
    """Two services and the sandbox; what is not in `times` does not answer."""

    def __init__(self, times: dict[str, str]) -> None:
        self.addresses = Addresses({"contacts": "c", "campaigns": "p"}, {"contacts": "cw", "campaigns": "pw"}, "s")
        self.times = times
        self.backlogs: dict[str, dict[str, Any]] = {}

    async def readiness(self, url: str) -> str:
        return "ready"

    async def backlog(self, url: str) -> dict[str, Any] | None:
        return self.backlogs.get(url)

    async def clock(self, service: str) -> str | None:
        return self.times.get(service)

    async def move_clock(self, service: str, at: str) -> str:
        self.times[service] = max(at, self.times[service])
        return self.times[service]

    async def dead_letters(self, service: str) -> list[dict[str, Any]]:
        return [{"id": str(uuid4()), "type": "a", "error": "b", "created_at": self.times[service]}]

    async def replay(self, service: str, letter_id: UUID, key: str | None) -> tuple[dict[str, Any], bool]:
        return {"id": str(letter_id)}, key == "used"


def system(times: dict[str, str], mode: str = "sandbox") -> tuple[SystemService, ToldServices]:
    services = ToldServices(times)
    settings = GatewaySettings(database_url="postgresql://none", sealing_key="00" * 32, mode=mode)  # type: ignore[arg-type]
    return SystemService(services, settings), services


async def test_a_repeated_replay_is_known_by_its_key() -> None:
    letter_id = uuid4()
    for key, is_repeat in (("used", True), (None, False)):
        assert await system(ALL)[0].replay("contacts", letter_id, key=key) == (
            {"id": str(letter_id), "service": "contacts"},
            is_repeat,
        )


ALL = {"contacts": NOON, "campaigns": "2026-03-02T12:00:00.005Z", "sandbox": NOON}


async def test_all_parts_move_to_the_same_instant() -> None:
    told, services = system(dict(ALL))
    moved = await told.move_clock(at=None, advance_seconds=3600)
    assert set(services.times.values()) == {"2026-03-02T13:00:00.005Z"}
    assert moved["now"] == "2026-03-02T13:00:00.005Z"


async def test_nothing_moves_while_a_part_is_silent() -> None:
    told, services = system({"contacts": NOON, "campaigns": NOON})
    with pytest.raises(ServiceUnavailable, match="sandbox"):
        await told.move_clock(at=None, advance_seconds=60)
    assert set(services.times.values()) == {NOON}


async def test_the_clock_moves_forward_only_and_in_sandbox_mode_only() -> None:
    told, _ = system(dict(ALL))
    with pytest.raises(ClockCannotMove, match="forward"):
        await told.move_clock(at=datetime(2026, 3, 1, tzinfo=UTC), advance_seconds=None)
    live, _ = system(dict(ALL), mode="live")
    with pytest.raises(ClockCannotMove, match="sandbox mode"):
        await live.move_clock(at=None, advance_seconds=60)


async def test_an_unknown_backlog_is_not_idle() -> None:
    told, services = system(dict(ALL))
    services.backlogs = {url: {"idle": True} for url in ("cw", "pw", "s")}
    assert (await told.health())["is_idle"] is True
    del services.backlogs["pw"]
    health = await told.health()
    assert health["is_idle"] is False
    assert health["services"]["campaigns"]["backlog"] is None


async def test_dead_letters_of_all_services_come_newest_first() -> None:
    told, _ = system(dict(ALL))
    assert [letter["service"] for letter in await told.dead_letters(None)] == ["campaigns", "contacts"]
