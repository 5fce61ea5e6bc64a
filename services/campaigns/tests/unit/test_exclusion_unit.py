"""Who is left out of a campaign, and for which of several reasons."""

from datetime import UTC, datetime, timedelta

import pytest
from campaigns.exclusion import Choice, Line, PhoneFacts, Policy, choose_phone, exclude_repeated
from campaigns.states import ExclusionReason as Why
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
POLICY = Policy(NOW, own_numbers=frozenset({"+16175550000"}))
MOBILE, OTHER = "+16175550101", "+16175550102"


def phone(e164: str = MOBILE, **facts: object) -> PhoneFacts:
    values: dict = {"line": Line.MOBILE, **facts}
    return PhoneFacts(e164, **values)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("phones", "reason"),
    [
        ([], Why.NO_MOBILE),
        ([phone(line=Line.LANDLINE)], Why.NO_MOBILE),
        ([phone("+1617")], Why.INVALID_PHONE),
        ([phone("+16175550000")], Why.OFFICE_NUMBER),
        ([phone(is_opted_out=True)], Why.OPTED_OUT),
        ([phone(last_texted_at=days_ago(29))], Why.TEXTED_RECENTLY),
        ([phone(has_conversation=True)], Why.EARLIER_CONVERSATION),
        ([phone()], None),
        ([phone(line=Line.UNKNOWN)], None),
        ([phone(line=Line.VOIP)], None),
        ([phone(last_texted_at=days_ago(30))], None),
    ],
)
def test_each_reason(phones, reason) -> None:
    assert choose_phone(phones, POLICY).reason is reason


def test_an_opt_out_on_one_phone_holds_for_the_person() -> None:
    assert choose_phone([phone(), phone(OTHER, is_opted_out=True)], POLICY).reason is Why.OPTED_OUT


def test_a_talk_over_the_other_phone_counts_too() -> None:
    assert choose_phone([phone(), phone(OTHER, has_conversation=True)], POLICY).reason is Why.EARLIER_CONVERSATION


def test_the_strictest_reason_is_named() -> None:
    everything = phone("+1617", is_opted_out=True, has_conversation=True, last_texted_at=days_ago(1))
    assert choose_phone([everything], POLICY).reason is Why.OPTED_OUT


def test_a_mobile_is_preferred_to_the_primary_of_unknown_kind() -> None:
    choice = choose_phone([phone(line=Line.UNKNOWN, is_primary=True), phone(OTHER)], POLICY)
    assert choice == Choice(OTHER)


def test_the_primary_is_preferred_among_equals() -> None:
    assert choose_phone([phone(), phone(OTHER, is_primary=True)], POLICY) == Choice(OTHER)


def test_earlier_conversations_may_be_let_in() -> None:
    policy = Policy(NOW, includes_earlier_conversations=True)
    assert choose_phone([phone(has_conversation=True)], policy) == Choice(MOBILE)


def test_no_recontact_days_means_anybody() -> None:
    assert choose_phone([phone(last_texted_at=days_ago(0))], Policy(NOW, recontact_days=0)) == Choice(MOBILE)


def test_the_first_of_those_who_share_a_phone_keeps_it() -> None:
    choices = {"a": Choice(MOBILE), "b": Choice(MOBILE), "c": Choice(OTHER), "d": Choice("+16175550103")}
    found = exclude_repeated(choices, in_other_campaigns={OTHER}, already_taken={"+16175550103"})
    assert found == {
        "a": Choice(MOBILE),
        "b": Choice(MOBILE, Why.DUPLICATE_PHONE),
        "c": Choice(OTHER, Why.OTHER_CAMPAIGN),
        "d": Choice("+16175550103", Why.DUPLICATE_PHONE),
    }


def test_who_is_excluded_does_not_take_the_phone() -> None:
    choices = {"a": Choice(MOBILE, Why.EARLIER_CONVERSATION), "b": Choice(MOBILE)}
    assert exclude_repeated(choices, in_other_campaigns=(), already_taken=())["b"] == Choice(MOBILE)


facts = st.builds(
    PhoneFacts,
    st.sampled_from([MOBILE, OTHER, "+16175550000", "+1617"]),
    st.sampled_from(Line),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, days_ago(1), days_ago(40)]),
    st.booleans(),
)


@given(st.lists(facts, max_size=4))
def test_whoever_is_let_in_may_be_texted(phones) -> None:
    choice = choose_phone(phones, POLICY)
    if choice.reason is not None:
        return
    chosen = [known for known in phones if known.e164 == choice.phone]
    assert any(known.line is not Line.LANDLINE for known in chosen)
    assert choice.phone in {MOBILE, OTHER}
    assert not any(known.is_opted_out or known.has_conversation for known in phones)
    assert not any(POLICY.was_texted_recently(known.last_texted_at) for known in phones)


@given(st.lists(st.sampled_from([MOBILE, OTHER, "+16175550103"]), max_size=12), st.integers(1, 4))
def test_no_phone_is_taken_twice_over_any_number_of_chunks(numbers, size) -> None:
    taken: set[str] = set()
    for start in range(0, len(numbers), size):
        chunk = {str(start + n): Choice(number) for n, number in enumerate(numbers[start : start + size])}
        found = exclude_repeated(chunk, in_other_campaigns=(), already_taken=taken)
        passed = [choice.phone for choice in found.values() if choice.reason is None]
        assert len(passed) == len(set(passed))
        assert not taken.intersection(passed)
        taken.update(phone for phone in passed if phone)
    assert taken == set(numbers)
