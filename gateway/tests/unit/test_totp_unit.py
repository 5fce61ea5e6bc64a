"""One-time codes: RFC 6238's own examples, and each code good once."""

import pytest

from gateway import totp

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("instant", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(instant: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, instant // 30) == code


def test_neighbouring_steps_are_taken_and_others_are_not() -> None:
    now = 1_000_000.0
    step = int(now) // 30
    for offset in (-1, 0, 1):
        code = totp.code_at(RFC_SECRET, step + offset)
        assert totp.accepted_step(RFC_SECRET, code, now=now, last_step=None) == step + offset
    late = totp.code_at(RFC_SECRET, step - 2)
    assert totp.accepted_step(RFC_SECRET, late, now=now, last_step=None) is None


def test_a_code_is_good_once() -> None:
    step = 1_000_000 // 30
    code = totp.code_at(RFC_SECRET, step)
    assert totp.accepted_step(RFC_SECRET, code, now=1_000_000, last_step=step) is None


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "١٢٣٤٥٦"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert totp.accepted_step(RFC_SECRET, code, now=1_000_000, last_step=None) is None
