"""Counting calls: which fault strikes one depends on how many of its kind came before."""


class CallCounter:
    """How often each operation was asked for since the controls were last changed: faults are drawn by it."""

    def __init__(self) -> None:
        self._revision = 0
        self._counts: dict[str, int] = {}

    def next(self, operation: str, revision: int) -> int:
        """The number of this call, from 1."""
        if revision != self._revision:
            self._revision, self._counts = revision, {}
        self._counts[operation] = self._counts.get(operation, 0) + 1
        return self._counts[operation]
