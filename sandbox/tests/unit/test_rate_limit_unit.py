"""Ten requests in each fixed second of a key, and a tally that tells the truth about any second."""

from hypothesis import given
from hypothesis import strategies as st
from sandbox.rate_limit import RateLimiter


def test_the_window_is_a_fixed_second() -> None:
    limiter = RateLimiter()
    first = [limiter.take("k", 100.9, 3) for _ in range(4)]
    second = [limiter.take("k", 101.0, 3) for _ in range(4)]
    for verdicts in (first, second):
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]


def test_keys_do_not_share_a_window() -> None:
    limiter = RateLimiter()
    assert limiter.take("a", 1, 1).allowed
    assert limiter.take("b", 1, 1).allowed
    assert not limiter.take("a", 1, 1).allowed


def test_headers_tell_limit_and_rest() -> None:
    verdict = RateLimiter().take("k", 1, 10)
    assert verdict.headers() == {"ratelimit": '"per-second"; r=9; t=1', "ratelimit-policy": '"per-second"; q=10; w=1'}


def test_a_lifted_limit_still_counts() -> None:
    limiter = RateLimiter()
    assert all(limiter.take("k", 5.5, None).allowed for _ in range(50))
    ((key, second, tally, most),) = limiter.take_tallies()
    assert (key, second, tally.requests, tally.refused, most) == ("k", 5, 50, 0, 50)
    assert limiter.take_tallies() == []


def test_a_request_that_is_taken_late_counts_where_it_arrived() -> None:
    limiter = RateLimiter()
    limiter.take("k", 10.1, 1)
    assert limiter.take("k", 11.2, 1).allowed
    assert not limiter.take("k", 10.9, 1).allowed


@given(st.lists(st.floats(min_value=1000, max_value=1009, allow_nan=False), min_size=1, max_size=60))
def test_the_most_in_any_second_is_that_of_a_plain_count(instants: list[float]) -> None:
    limiter = RateLimiter()
    for at in instants:
        limiter.take("k", at, None)
    most = max(most for _, _, _, most in limiter.take_tallies())
    assert most == max(sum(end - 1 < at <= end for at in instants) for end in instants)
