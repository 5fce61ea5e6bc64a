"""Token buckets."""

import pytest
from gateway.rate_limits import MAX_BUCKETS, Limiter, per_minute
from shared.errors import TooManyRequests


class Hand:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_taken_then_the_rate_holds() -> None:
    clock = Hand()
    limiter = Limiter(per_second=2, burst=3, clock=clock)
    assert [limiter.wait_for("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert limiter.wait_for("a") == 0
    assert limiter.wait_for("a") == 0.5


def test_one_caller_does_not_use_up_anothers() -> None:
    limiter = per_minute(1)
    assert limiter.wait_for("a") == 0
    assert limiter.wait_for("b") == 0
    assert limiter.wait_for("a") > 0


def test_the_refusal_says_when_to_come_back() -> None:
    clock = Hand()
    limiter = Limiter(per_second=0.1, burst=1, clock=clock)
    limiter.take("a", "Slow down.")
    with pytest.raises(TooManyRequests, match="Slow down") as refused:
        limiter.take("a", "Slow down.")
    assert refused.value.retry_after == pytest.approx(10)


def test_a_flood_of_keys_does_not_fill_the_memory() -> None:
    limiter = Limiter(per_second=0.001, burst=2, clock=Hand())
    for key in range(MAX_BUCKETS + 10):
        limiter.wait_for(key)
    assert len(limiter._buckets) <= MAX_BUCKETS
