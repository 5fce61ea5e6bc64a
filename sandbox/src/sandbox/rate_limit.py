"""The provider's limit: so many requests of one key in each fixed second, and a tally of what really came."""

from bisect import bisect_right
from dataclasses import dataclass, field

MEMORY_SECONDS = 10


@dataclass
class SecondTally:
    """What one key asked within one second of the wall clock."""

    requests: int = 0
    refused: int = 0


@dataclass
class _Key:
    passed: dict[int, int] = field(default_factory=dict)
    recent: list[float] = field(default_factory=list)
    tallies: dict[int, SecondTally] = field(default_factory=dict)
    most_in_a_second: int = 0

    def note(self, at: float) -> None:
        """Keep the instants of the last seconds, in order, and the most that any second of them held."""
        position = bisect_right(self.recent, at)
        self.recent.insert(position, at)
        for end in range(position, len(self.recent)):
            if self.recent[end] >= at + 1:
                break
            begin = bisect_right(self.recent, self.recent[end] - 1)
            self.most_in_a_second = max(self.most_in_a_second, end + 1 - begin)
        del self.recent[: bisect_right(self.recent, self.recent[-1] - MEMORY_SECONDS)]
        if len(self.passed) > MEMORY_SECONDS:
            oldest = max(self.passed) - MEMORY_SECONDS
            self.passed = {second: count for second, count in self.passed.items() if second > oldest}


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    limit: int
    remaining: int

    def headers(self) -> dict[str, str]:
        """The headers seen on live answers, refused ones included. There is no Retry-After."""
        if self.limit == 0:
            return {}
        return {
            "ratelimit": f'"per-second"; r={self.remaining}; t=1',
            "ratelimit-policy": f'"per-second"; q={self.limit}; w=1',
        }


UNLIMITED = Verdict(allowed=True, limit=0, remaining=0)


class RateLimiter:
    """A fixed window per key. A limit of None is no limit; requests are counted all the same."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def take(self, key: str, at: float, limit: int | None) -> Verdict:
        """Count a request of `key` that arrived at `at` (Unix seconds) and say whether it fits into its second.

        Requests may be taken in another order than they arrived in, by a few seconds.
        """
        state, second = self._keys.setdefault(key, _Key()), int(at)
        tally = state.tallies.setdefault(second, SecondTally())
        tally.requests += 1
        state.note(at)
        if limit is None:
            return UNLIMITED
        passed = state.passed.get(second, 0)
        if passed >= limit:
            tally.refused += 1
            return Verdict(allowed=False, limit=limit, remaining=0)
        state.passed[second] = passed + 1
        return Verdict(allowed=True, limit=limit, remaining=limit - passed - 1)

    def take_tallies(self) -> list[tuple[str, int, SecondTally, int]]:
        """(key, second, tally, most requests within any sliding second) since the last call; forgets them."""
        taken = []
        for key, state in self._keys.items():
            taken += [(key, second, tally, state.most_in_a_second) for second, tally in state.tallies.items()]
            state.tallies, state.most_in_a_second = {}, 0
        return taken
