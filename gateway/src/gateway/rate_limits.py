"""Token buckets in this process's memory. Replicas each count for themselves."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.errors import TooManyRequests

MAX_BUCKETS = 50_000


@dataclass
class Limiter:
    """One bucket for each key: `burst` at once, refilled by `per_second`."""

    per_second: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[object, tuple[float, float]] = field(default_factory=dict)

    def wait_for(self, key: object, cost: float = 1.0) -> float:
        """Take `cost`; returns 0, or the seconds until it can be had (and takes nothing)."""
        now = self.clock()
        level, seen = self._buckets.get(key, (self.burst, now))
        level = min(self.burst, level + (now - seen) * self.per_second)
        if level < cost:
            self._buckets[key] = (level, now)
            return (cost - level) / self.per_second
        if len(self._buckets) >= MAX_BUCKETS and key not in self._buckets:
            self._forget_full(now)
        self._buckets[key] = (level - cost, now)
        return 0.0

    def take(self, key: object, sentence: str, cost: float = 1.0) -> None:
        """As `wait_for`, raising TooManyRequests."""
        if wait := self.wait_for(key, cost):
            raise TooManyRequests(sentence, retry_after=wait)

    def _forget_full(self, now: float) -> None:
        """Drop what has refilled; if an attacker fills the table with fresh keys, drop the oldest half."""
        refill = self.burst / self.per_second
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if now - bucket[1] < refill}
        if len(self._buckets) >= MAX_BUCKETS:
            kept = sorted(self._buckets.items(), key=lambda item: item[1][1])[MAX_BUCKETS // 2 :]
            self._buckets = dict(kept)


def per_minute(count: int) -> Limiter:
    return Limiter(per_second=count / 60, burst=count)
