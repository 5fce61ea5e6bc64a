"""Which provider message an uncertain intent sent."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from messaging.matching import Finding, Intent, look_for, owner_of
from messaging.models import body_hash
from messaging.provider import ProviderMessage
from messaging.states import Direction, Status

AT = datetime(2031, 3, 4, 17, tzinfo=UTC)
ANA = "+16175550143"


def intent(body: str = "Hello", at: datetime = AT, phone: str = ANA) -> Intent:
    return Intent(uuid4(), phone, body_hash(body), at)


def listed(
    provider_id: str = "AC1",
    body: str = "Hello",
    after: float = 1,
    other: str = ANA,
    direction: Direction = Direction.OUTBOUND,
) -> ProviderMessage:
    at = AT + timedelta(seconds=after)
    return ProviderMessage(provider_id, direction, Status.ACCEPTED, body, "+18575550110", "PN1", other, at)


def look(*messages: ProviderMessage, bound: set[str] | None = None, later: tuple[datetime, ...] = ()) -> Finding:
    return look_for(intent(), list(messages), bound=bound or set(), later_intents=later).finding


def test_the_same_words_after_the_intent_are_its_own() -> None:
    assert look(listed()) is Finding.MATCH


def test_white_space_at_the_ends_makes_no_difference() -> None:
    assert look(listed(body=" Hello\n")) is Finding.MATCH


def test_a_provider_clock_that_is_behind_is_forgiven_for_two_minutes() -> None:
    assert look(listed(after=-119)) is Finding.MATCH
    assert look(listed(after=-121)) is Finding.NOTHING


def test_what_belongs_to_another_text_is_ignored() -> None:
    assert look(listed(), bound={"AC1"}) is Finding.NOTHING


def test_inbound_texts_and_other_phones_are_ignored() -> None:
    assert look(listed(direction=Direction.INBOUND), listed(other="+16175550199")) is Finding.NOTHING


def test_other_words_of_that_time_are_no_proof_of_absence() -> None:
    assert look(listed(body="Hello there")) is Finding.DIFFERS


def test_the_providers_own_replies_are_nobodys_words() -> None:
    assert look(listed(body="You have successfully been unsubscribed. You will not ...")) is Finding.NOTHING


def test_several_matches_bind_the_first_and_report_the_rest() -> None:
    found = look_for(intent(), [listed("AC2", after=5), listed("AC1", after=2)], bound=set())
    assert found.match is not None
    assert (found.match.provider_id, [m.provider_id for m in found.duplicates]) == ("AC1", ["AC2"])


def test_what_came_after_a_resend_is_the_resends() -> None:
    assert look(listed(after=700), later=(AT + timedelta(seconds=600),)) is Finding.NOTHING


def test_a_report_belongs_to_the_newest_intent_before_it() -> None:
    first, second = intent(), intent(at=AT + timedelta(minutes=20))
    assert owner_of(listed(after=5), [first, second]) == first
    assert owner_of(listed(after=1205), [first, second]) == second


def test_a_report_about_other_words_belongs_to_nobody() -> None:
    assert owner_of(listed(body="Other"), [intent()]) is None


@given(st.lists(st.tuples(st.sampled_from(["Hello", "Other"]), st.integers(-300, 300)), max_size=8), st.randoms())
def test_the_order_of_the_list_does_not_matter(rows: list[tuple[str, int]], random: object) -> None:
    messages = [listed(f"AC{i}", body, after) for i, (body, after) in enumerate(rows)]
    shuffled = list(messages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = intent(), None
    first = look_for(one, messages, bound=set())
    other = look_for(one, shuffled, bound=set())
    assert (first.finding, len(first.duplicates)) == (other.finding, len(other.duplicates))
    if first.match and other.match:
        assert first.match.created_at == other.match.created_at
