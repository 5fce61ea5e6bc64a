"""How many calls an app may make in a company's books within a second and within a minute."""

from collections import deque
from dataclasses import dataclass, field

from sandbox.quickbooks.controls import Limits

MINUTE = 60.0


@dataclass
class _Calls:
    recent: deque[float] = field(default_factory=deque)
    batches: deque[float] = field(default_factory=deque)
    most_in_a_second: int = 0
    most_in_a_minute: int = 0
    refused: int = 0


class CompanyLimiter:
    """Counts in windows that slide; a call that is refused does not count."""

    def __init__(self) -> None:
        self._companies: dict[str, _Calls] = {}

    def take(self, realm_id: str, at: float, limits: Limits, *, is_batch: bool = False) -> bool:
        """Whether a call at `at` (Unix seconds) fits; it is counted where it does."""
        calls = self._companies.setdefault(realm_id, _Calls())
        for instants in (calls.recent, calls.batches):
            while instants and instants[0] <= at - MINUTE:
                instants.popleft()
        in_second = sum(1 for instant in calls.recent if instant > at - 1)
        is_full = _is_full(in_second, limits.per_second) or _is_full(len(calls.recent), limits.per_minute)
        if is_full or (is_batch and _is_full(len(calls.batches), limits.batch_per_minute)):
            calls.refused += 1
            return False
        calls.recent.append(at)
        if is_batch:
            calls.batches.append(at)
        calls.most_in_a_second = max(calls.most_in_a_second, in_second + 1)
        calls.most_in_a_minute = max(calls.most_in_a_minute, len(calls.recent))
        return True

    def tally(self, realm_id: str) -> dict[str, int]:
        calls = self._companies.get(realm_id, _Calls())
        return {
            "most_in_a_second": calls.most_in_a_second,
            "most_in_a_minute": calls.most_in_a_minute,
            "refused": calls.refused,
        }


def _is_full(taken: int, limit: int | None) -> bool:
    return limit is not None and taken >= limit
