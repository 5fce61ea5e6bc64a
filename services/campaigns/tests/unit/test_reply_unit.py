"""A reply within 72 h belongs to the newest unreplied send to that phone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from campaigns.reply import REPLY_WINDOW, Send, attribute_replies
from hypothesis import given
from hypothesis import strategies as st

T0 = datetime(2026, 11, 23, 15, tzinfo=UTC)


def hour(n: float) -> datetime:
    return T0 + timedelta(hours=n)


def send(n: int, at: float, *, known_after: float = 0) -> Send:
    return Send(UUID(int=n), hour(at), hour(at + known_after))


def test_the_newest_send_gets_the_reply() -> None:
    assert attribute_replies([send(1, 0), send(2, 24)], [hour(25)]) == {UUID(int=2): hour(25)}


def test_a_second_reply_belongs_to_the_send_before() -> None:
    found = attribute_replies([send(1, 0), send(2, 24)], [hour(25), hour(26)])
    assert found == {UUID(int=2): hour(25), UUID(int=1): hour(26)}


def test_a_reply_before_the_send_or_after_72_hours_belongs_to_nothing() -> None:
    assert attribute_replies([send(1, 0)], [hour(-1), hour(72.5)]) == {}


def test_the_last_instant_of_the_window_counts() -> None:
    assert attribute_replies([send(1, 0)], [T0 + REPLY_WINDOW]) == {UUID(int=1): T0 + REPLY_WINDOW}


def test_a_reply_to_a_text_found_to_be_sent_only_later_counts() -> None:
    assert attribute_replies([send(1, 0, known_after=0.5)], [hour(0.1)]) == {UUID(int=1): hour(0.1)}


def test_only_the_first_reply_is_the_reply() -> None:
    assert attribute_replies([send(1, 0)], [hour(3), hour(1), hour(2)]) == {UUID(int=1): hour(1)}


@given(st.data())
def test_the_order_in_which_things_become_known_does_not_matter(data) -> None:
    sends = [send(n, at) for n, at in enumerate(data.draw(st.lists(st.integers(0, 200), max_size=5)), start=1)]
    replies = [hour(at) for at in data.draw(st.lists(st.integers(0, 300), max_size=6))]
    found = attribute_replies(data.draw(st.permutations(sends)), data.draw(st.permutations(replies)))
    assert found == attribute_replies(sends, replies)
    assert len(set(found)) <= min(len(sends), len(replies))
