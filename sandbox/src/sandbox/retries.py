"""When a webhook that was not answered with 2xx is sent again."""

from datetime import timedelta

DELAYS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""Published for the dated surface (27 h 35 min in all); legacy retries are undocumented and take the same."""


def delay_after(attempts: int) -> timedelta | None:
    """How long after the last of `attempts` failed ones the next is due; None when they are used up."""
    return DELAYS[attempts] if attempts < len(DELAYS) else None
