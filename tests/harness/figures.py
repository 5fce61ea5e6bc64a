"""What the crash tests measured: trials, violations and times of each row, and what they were measured on."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.counts import IS_FULL, SEED


@dataclass
class Figures:
    """Those of one test. One that fails stops at its first violation."""

    test: str
    trials: int = 0
    violations: int = 0
    seconds: float = 0.0
    times: dict[str, list[float]] = field(default_factory=dict)

    def trial(self, count: int = 1) -> None:
        self.trials += count

    def note(self, what: str, *seconds: float) -> None:
        """Times of one kind; the summary shows the middle and the longest."""
        self.times.setdefault(what, []).extend(seconds)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.note(what, time.monotonic() - started)

    def line(self) -> str:
        times = "; ".join(f"{what} {_spread(found)}" for what, found in self.times.items())
        return (
            f"{self.test}: {self.trials} trials, {self.violations} violations{_bound(self)}"
            f" in {self.seconds:.1f} s{f'; {times}' if times else ''}"
        )


def _bound(figures: Figures) -> str:
    """No failure in n trials says, at 95 %, that fewer than 3/n fail."""
    if figures.violations or figures.trials < 3:
        return ""
    return f" (fewer than {3 / figures.trials:.2g} at 95 %)"


def _spread(found: list[float]) -> str:
    if not found:
        return "none"
    middle = sorted(found)[len(found) // 2]
    return f"{max(found):.3f} s" if len(found) == 1 else f"{middle:.3f} s median, {max(found):.3f} s longest"


def report(all_figures: list[Figures], write: Callable[[str], None]) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    write(f"{'full' if IS_FULL else 'short'} counts, CRM_CHAOS_SEED={SEED}")
    write(f"{versions()}; {os.cpu_count()} cores, load at the end {load}")
    for figures in all_figures:
        write(figures.line())


def versions() -> str:
    from shared.embedded.nats import _binary
    from shared.embedded.postgres import binaries

    servers = ([str(binaries(None) / "postgres"), "--version"], [_binary(), "--version"])
    found = [subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() for command in servers]
    return ", ".join([f"Python {platform.python_version()} on {sys.platform}", *found])
