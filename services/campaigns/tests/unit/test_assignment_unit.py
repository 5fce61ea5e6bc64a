"""Assignment is reproducible, follows the weights and is independent of the order of turns."""

from collections import Counter
from uuid import UUID

import pytest
from campaigns.assignment import Arm, assign, turn_position
from hypothesis import given
from hypothesis import strategies as st

CAMPAIGN = UUID("019303c2-9d5c-7000-8000-000000000001")


def contacts(count: int) -> list[UUID]:
    return [UUID(int=n * 7919) for n in range(1, count + 1)]


@given(st.uuids(), st.uuids(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_same_person_is_always_in_the_same_arm(campaign, contact, weights) -> None:
    arms = [Arm(chr(65 + n), weight) for n, weight in enumerate(weights)]
    assert assign(campaign, contact, arms) == assign(campaign, contact, list(arms))
    assert assign(campaign, contact, arms) in {arm.label for arm in arms}


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1, 1), (3, 1), (8, 1, 1)])
def test_the_arms_get_their_shares(weights) -> None:
    arms = [Arm(chr(65 + n), weight) for n, weight in enumerate(weights)]
    counts = Counter(assign(CAMPAIGN, contact, arms) for contact in contacts(10_000))
    for arm in arms:
        share = arm.weight / sum(weights)
        # Six standard deviations of a binomial: a fair hash passes, a skewed one doesn't.
        assert abs(counts[arm.label] - 10_000 * share) < 6 * (10_000 * share * (1 - share)) ** 0.5


def test_another_campaign_deals_anew() -> None:
    arms = [Arm("A", 1), Arm("B", 1)]
    other = UUID(int=CAMPAIGN.int + 1)
    differing = sum(assign(CAMPAIGN, c, arms) != assign(other, c, arms) for c in contacts(2_000))
    assert 850 < differing < 1_150


def test_the_known_assignment_stays() -> None:
    """Changing the hash would move people between arms of campaigns that are running."""
    arms = [Arm("A", 1), Arm("B", 1)]
    assert "".join(assign(CAMPAIGN, contact, arms) for contact in contacts(16)) == "BBAAAABAAABBAABA"


def test_the_first_turns_hold_both_arms() -> None:
    arms = [Arm("A", 1), Arm("B", 1)]
    first = sorted(contacts(2_000), key=lambda contact: turn_position(CAMPAIGN, contact))[:200]
    assert 70 < Counter(assign(CAMPAIGN, contact, arms) for contact in first)["A"] < 130


@given(st.uuids(), st.uuids())
def test_a_position_fits_the_column(campaign, contact) -> None:
    assert 0 <= turn_position(campaign, contact) < 2**63


def test_a_campaign_without_arms_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one arm"):
        assign(CAMPAIGN, CAMPAIGN, [])
