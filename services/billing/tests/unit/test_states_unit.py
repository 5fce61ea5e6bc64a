"""Every move between states: legal, or refused."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from billing.models import Connection, Estimate, Job
from billing.states import (
    CONNECTION_MOVES,
    ESTIMATE_MOVES,
    JOB_MOVES,
    ConnectionStatus,
    EstimateStatus,
    JobStatus,
    check_move,
)
from shared.errors import InvalidTransition

NOW = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
ESTIMATE = {
    "draft": "open deleted",
    "open": "accepted declined expired closed deleted",
    "accepted": "open declined closed deleted",
    "declined": "open accepted closed deleted",
    "expired": "open accepted declined closed deleted",
    "closed": "open accepted declined deleted",
    "deleted": "",
}
CONNECTION = {
    "connected": "needs_reconnect suspended disconnected",
    "needs_reconnect": "connected disconnected",
    "suspended": "connected needs_reconnect disconnected",
    "disconnected": "connected",
}
JOB = {
    "open": "scheduled completed cancelled",
    "scheduled": "open completed cancelled",
    "completed": "open scheduled",
    "cancelled": "open scheduled",
}
MACHINES: list[tuple[type[StrEnum], Mapping[Any, frozenset[Any]], dict[str, str], type[Any]]] = [
    (EstimateStatus, ESTIMATE_MOVES, ESTIMATE, Estimate),
    (ConnectionStatus, CONNECTION_MOVES, CONNECTION, Connection),
    (JobStatus, JOB_MOVES, JOB, Job),
]
PAIRS = [
    (machine, before, after) for machine in MACHINES for before in machine[0] for after in machine[0]
]  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "before", "after"), PAIRS, ids=[f"{m[3].__name__}-{b.value}-{a.value}" for m, b, a in PAIRS]
)
def test_each_pair_is_legal_or_refused(machine: Any, before: Any, after: Any) -> None:
    _, moves, table, model = machine
    row = model(status=before, version=1)
    if after.value in table[before.value].split():
        check_move(moves, before, after, what="thing")
        row.move(after, now=NOW)
        assert (row.status, row.status_at) == (after, NOW)
    elif model is Connection and before is after:
        assert row.move(after, now=NOW) is False
        assert row.status_at is None
    else:
        with pytest.raises(InvalidTransition) as refused:
            row.move(after, now=NOW)
        assert row.status is before
        assert refused.value.details == {"current": before, "target": after}
        assert f"that is {before.value} cannot become {after.value}" in refused.value.message


@pytest.mark.parametrize("machine", MACHINES, ids=[machine[3].__name__ for machine in MACHINES])
def test_each_state_has_its_row(machine: Any) -> None:
    states, moves, _, _ = machine
    assert set(moves) == set(states)


def test_a_connection_that_moved_is_a_newer_one() -> None:
    row = Connection(status=ConnectionStatus.CONNECTED, version=1)
    assert row.move(ConnectionStatus.SUSPENDED, now=NOW)
    assert row.version == 2
    assert not row.move(ConnectionStatus.SUSPENDED, now=NOW)
    assert row.version == 2
