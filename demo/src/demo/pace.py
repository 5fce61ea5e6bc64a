"""Moving the clock: settle, step to the next moment at which something is due, settle, and so on."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.connection import Connection
from demo.errors import DemoError

POLL_SECONDS = 0.4
PATIENCE_SECONDS = 120
"""How long a busy system may look exactly the same before that is called stuck."""
STRIDE = timedelta(minutes=30)
"""What only people outside do (answer) is taken in strides; what the product plans ends a stride."""
LUMP = timedelta(minutes=1)
"""What is due within a minute of each other is done in one step: looks for texts in doubt come a second apart."""


@dataclass(frozen=True)
class Rest:
    """The system at rest: nothing is to do at `now`, and when there will be."""

    now: datetime
    services_due_at: datetime | None
    sandbox_due_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.services_due_at is None and self.sandbox_due_at is None

    def next_step(self) -> datetime:
        """The next instant to move to; nothing that a service has planned lies more than a minute before it."""
        due = [instant for instant in (self.services_due_at, self.sandbox_due_at) if instant is not None]
        target = min(due, default=self.now + STRIDE)
        if self.sandbox_due_at is not None and target == self.sandbox_due_at:
            target = max(target, min(self.services_due_at or self.now + STRIDE, self.now + STRIDE))
        return max(target, self.now) + LUMP


def read_rest(health: dict[str, Any]) -> Rest | None:
    """The rest that a health report shows; None while there is something to do."""
    if not health["is_idle"]:
        return None
    backlogs = [part["backlog"] for part in health["services"].values() if part["backlog"]]
    sandbox = health["sandbox"]["backlog"]
    due = [instant for backlog in backlogs if (instant := _instant(backlog.get("next_due_at"))) is not None]
    now = max(moment for part in (*backlogs, sandbox) if (moment := _instant(part["now"])) is not None)
    return Rest(now, min(due, default=None), _instant(sandbox.get("next_due_at")))


class Pace:
    """`watch` is called while waiting, to show how things go."""

    def __init__(self, api: Connection, watch: Callable[[], None]) -> None:
        self._api = api
        self._watch = watch
        self.steps = 0
        self.now = self.read_clock()

    def read_clock(self) -> datetime:
        return datetime.fromisoformat(self._api.get("/api/v1/system/clock")["now"])

    def settle(self) -> Rest:
        """Wait until two reports in a row show the system at rest, the second one unchanged."""
        before: Rest | None = None
        work, changed_at = "", time.monotonic()
        while time.monotonic() < changed_at + PATIENCE_SECONDS:
            health = self._api.get("/api/v1/system/health")
            rest = read_rest(health)
            if rest is not None and before is not None and _same(rest, before):
                self.now = rest.now
                return rest
            before = rest
            if (left := _work_left(health)) != work:
                work, changed_at = left, time.monotonic()
            self._watch()
            time.sleep(POLL_SECONDS)
        raise DemoError(f"Nothing has moved for {PATIENCE_SECONDS} s: {work}.")

    def move_to(self, instant: datetime) -> None:
        """Never backwards: the clock runs on by itself, and may be past the instant already."""
        ahead = max(0.0, (instant - self.read_clock()).total_seconds())
        moved = self._api.put("/api/v1/system/clock", {"advance_seconds": ahead})
        self.now = datetime.fromisoformat(moved["now"])
        self.steps += 1

    def advance(self) -> Rest:
        """Settle, and step to what is due next; returns the rest before the step."""
        rest = self.settle()
        self.move_to(rest.next_step())
        return rest


def _same(rest: Rest, before: Rest) -> bool:
    return (rest.services_due_at, rest.sandbox_due_at) == (before.services_due_at, before.sandbox_due_at)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _work_left(health: dict[str, Any]) -> str:
    parts = {**health["services"], "sandbox": health["sandbox"]}
    words = []
    for name, part in parts.items():
        backlog = part["backlog"]
        if backlog is None:
            words.append(f"{name} does not answer")
        elif not backlog.get("idle"):
            busy = {what: count for what, count in backlog.get("busy", {}).items() if count}
            streams = {stream: sum(left.values()) for stream, left in backlog.get("consumers", {}).items()}
            busy |= {f"events of {stream}": left for stream, left in streams.items() if left}
            words.append(f"{name} is busy with {busy or 'its outbox: ' + str(backlog.get('outbox'))}")
    return "; ".join(words) or "it was never the same twice"
