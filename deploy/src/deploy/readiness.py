"""Waiting until processes serve, and noticing at once when one keeps dying instead."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from shared.embedded.process import last_lines

from deploy.supervision import ProcessState

DEATHS_BEFORE_GIVING_UP = 3
POLL_SECONDS = 0.1


class NotReady(Exception):
    """A process does not get ready; the sentence says what to do and shows the end of its log."""


def answers(url: str, *, below: int = 300) -> bool:
    """Whether the address answers with a status under `below`."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code < below
    except httpx.HTTPError:
        return False


def wait_until_ready(
    checks: Mapping[str, Callable[[], bool]],
    processes: Callable[[], Mapping[str, ProcessState]],
    log_of: Callable[[str], Path],
    *,
    within: float,
) -> None:
    """Return when every check has succeeded while its process ran."""
    waiting = dict(checks)
    lives: defaultdict[str, set[int]] = defaultdict(set)
    deadline = time.monotonic() + within
    while waiting:
        states = processes()
        for name in list(waiting):
            state = states.get(name)
            if state is None:
                raise NotReady(f"{name} was taken away while it started; run `make up` again.")
            if state.pid:
                lives[name].add(state.pid)
            if not state.is_alive or len(lives[name]) > DEATHS_BEFORE_GIVING_UP:
                raise NotReady(_dead(state, log_of(name)))
            if state.is_running and waiting[name]():
                del waiting[name]
        if waiting and time.monotonic() > deadline:
            raise NotReady(_slow(list(waiting), within, log_of))
        if waiting:
            time.sleep(POLL_SECONDS)


def _dead(state: ProcessState, log: Path) -> str:
    how = f" (exit status {state.exit_status})" if state.exit_status else ""
    return (
        f"{state.name} ends right after its start{how}."
        f" Put right what the end of its log says, then run `make up` again.\n\n{log}:\n{last_lines(log)}"
    )


def _slow(names: list[str], within: float, log_of: Callable[[str], Path]) -> str:
    logs = "\n\n".join(f"{log_of(name)}:\n{last_lines(log_of(name), 5)}" for name in names)
    return (
        f"Not ready within {within:g} s: {', '.join(names)}."
        f" See what their logs say, then run `make up` again.\n\n{logs}"
    )
