"""Only the listed moves are legal."""

from itertools import product

import pytest
from campaigns.states import (
    CAMPAIGN_MOVES,
    OPEN_STATUSES,
    RECIPIENT_MOVES,
    CampaignStatus,
    RecipientStatus,
    check_move,
)
from shared.errors import InvalidTransition

C, R = CampaignStatus, RecipientStatus

LEGAL = {
    (C.DRAFT, C.SCHEDULED),
    (C.DRAFT, C.RUNNING),
    (C.DRAFT, C.CANCELLED),
    (C.SCHEDULED, C.RUNNING),
    (C.SCHEDULED, C.PAUSED),
    (C.SCHEDULED, C.CANCELLED),
    (C.RUNNING, C.PAUSED),
    (C.RUNNING, C.COMPLETED),
    (C.RUNNING, C.CANCELLED),
    (C.PAUSED, C.RUNNING),
    (C.PAUSED, C.SCHEDULED),
    (C.PAUSED, C.CANCELLED),
}


@pytest.mark.parametrize(("current", "target"), list(product(CampaignStatus, repeat=2)))
def test_a_campaign_makes_only_the_legal_moves(current, target) -> None:
    if (current, target) in LEGAL:
        check_move(CAMPAIGN_MOVES, current, target, what="campaign")
        return
    with pytest.raises(InvalidTransition) as refusal:
        check_move(CAMPAIGN_MOVES, current, target, what="campaign")
    assert refusal.value.details == {"current": current, "target": target}


@pytest.mark.parametrize("ended", [R.EXCLUDED, R.DELIVERED])
def test_nothing_follows_a_final_state(ended) -> None:
    assert RECIPIENT_MOVES[ended] == frozenset()


@pytest.mark.parametrize("sent", [R.SENT, R.DELIVERED, R.UNDELIVERED, R.FAILED, R.UNKNOWN, R.NOT_FOUND])
def test_what_may_have_left_is_never_planned_again(sent) -> None:
    assert not RECIPIENT_MOVES[sent] & {R.WAITING, R.REQUESTED}


def test_every_state_has_its_moves() -> None:
    assert set(RECIPIENT_MOVES) == set(RecipientStatus)
    assert set(CAMPAIGN_MOVES) == set(CampaignStatus)


@pytest.mark.parametrize("status", sorted(OPEN_STATUSES))
def test_an_open_recipient_can_still_end(status) -> None:
    assert RECIPIENT_MOVES[status] - OPEN_STATUSES
