"""Our receivables against QuickBooks's report: only what cannot be explained by its ways is said."""

import pytest
from billing.aging import CONVERTED, LAGS, Differing, Owed, differing


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"1": Owed(500)}, {"1": 500}),
        ({"1": Owed(500, credit_cents=200)}, {"1": 500}),
        ({"1": Owed(500, credit_cents=200)}, {"1": 300}),
        ({"1": Owed(0, credit_cents=200)}, {"1": -200}),
        ({"1": Owed(0, credit_cents=200)}, {}),
        ({}, {"1": 0}),
    ],
)
def test_the_same_is_nothing_to_say(ours: dict[str, Owed], theirs: dict[str, int]) -> None:
    assert differing(ours, theirs) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"1": Owed(500)}, {}, Differing("1", 500, 0, LAGS)),
        ({}, {"1": 500}, Differing("1", 0, 500, LAGS)),
        ({"1": Owed(500, credit_cents=200)}, {"1": 400}, Differing("1", 500, 400, LAGS)),
        ({"1": Owed(500, is_foreign=True)}, {"1": 620}, Differing("1", 500, 620, CONVERTED)),
    ],
)
def test_what_differs_is_said_of_its_customer(ours: dict[str, Owed], theirs: dict[str, int], said: Differing) -> None:
    assert differing({**ours, "9": Owed(1)}, {**theirs, "9": 1}) == [said]
