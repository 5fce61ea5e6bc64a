"""Periodic and woken work of a worker: one line per job in a service's jobs.py."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol


class Process(Protocol):
    """Work in steps. A process opens its own transactions and calls the network only between them."""

    async def run_once(self) -> int:
        """Do a step; returns the units of work done. More than 0 means: call again at once."""


@dataclass(frozen=True)
class Job:
    """Run `process` (resolved from the registry) every `every`, and whenever `wake_on` is notified."""

    name: str
    process: type[Any]
    every: timedelta
    wake_on: str | None = None
    when_idle: bool = True
    """Whether run_until_idle() of tests runs it; False for polls that always find something to ask."""


class Backlog:
    """What a service still has to do, for /internal/v1/idle. A service registers its own subclass."""

    async def counts(self) -> dict[str, int]:
        """Work that is due now and not done, by kind; all zero means idle."""
        return {}

    async def next_due_at(self) -> Any:
        """The next instant of domain time at which there will be something to do; None where nothing is planned."""
        return None
