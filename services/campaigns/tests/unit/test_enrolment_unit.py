"""A person of the snapshot becomes a recipient with the exact text that will go out."""

from datetime import UTC, datetime
from uuid import UUID

from campaigns.enrolment import History, Member, PhoneState, Wording, enrol, phone_facts, place_of, render_text
from campaigns.exclusion import Choice, Line
from campaigns.states import ExclusionReason, RecipientStatus
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.templates import parse_template

CAMPAIGN = UUID(int=1)
PHONE = "+15185550100"


def member(**changes: object) -> Member:
    values: dict = {
        "contact_id": UUID(int=7),
        "version": 3,
        "first_name": "Ann",
        "last_name": "Bell",
        "phones": [{"e164": PHONE, "is_primary": True}],
        "state": "NY",
        "zip": "12203",
        **changes,
    }
    return Member.model_validate(values)


def enrolled(message: str, **changes: object) -> dict:
    return enrol(member(**changes), Choice(PHONE), campaign_id=CAMPAIGN, wordings=[Wording.of("A", 1, message)]).columns


def test_the_text_is_rendered_and_counted() -> None:
    columns = enrolled("Hi {first_name}, it’s us")
    assert (columns["text"], columns["segments"]) == ("Hi Ann, it's us", 1)
    assert columns["status"] is RecipientStatus.WAITING


def test_a_missing_value_excludes_and_a_fallback_helps() -> None:
    assert enrolled("Hi {company}")["reason"] is ExclusionReason.MISSING_VALUE
    assert enrolled("Hi {company|there}")["text"] == "Hi there"


def test_an_earlier_reason_stands() -> None:
    wordings = [Wording.of("A", 1, "Hi {company}")]
    choice = Choice(PHONE, ExclusionReason.OPTED_OUT)
    columns = enrol(member(), choice, campaign_id=CAMPAIGN, wordings=wordings).columns
    assert (columns["status"], columns["reason"]) == (RecipientStatus.EXCLUDED, ExclusionReason.OPTED_OUT)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_raw_placeholder_is_ever_sent(first_name, city) -> None:
    values = {"first_name": first_name, "city": city}
    rendering = render_text(parse_template("Hi {first_name}{city|}!"), values)
    assert rendering.text is None or ("{" not in rendering.text and "}" not in rendering.text)
    assert (rendering.segments == 0) == (rendering.text is None)


def test_the_stricter_word_of_contacts_and_messaging_counts() -> None:
    told = member(phones=[{"e164": PHONE, "consent_state": "opted_out", "line_type": "mobile"}])
    state = PhoneState(phone=PHONE, is_opted_out=False, line_type="landline")
    (fact,) = phone_facts(told, {PHONE: state}, History())
    assert (fact.is_opted_out, fact.line) == (True, Line.LANDLINE)


def test_our_own_copies_count_even_if_messaging_knows_nothing() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    history = History(frozenset({PHONE}), {PHONE: Line.VOIP}, {PHONE: at})
    (fact,) = phone_facts(member(), {}, history)
    assert (fact.is_opted_out, fact.line, fact.last_texted_at) == (True, Line.VOIP, at)


def test_a_kind_of_line_from_the_future_is_unknown() -> None:
    assert member(phones=[{"e164": PHONE, "line_type": "satellite"}]).phones[0].line_type is Line.UNKNOWN


def test_a_place_has_one_key_however_often_it_occurs() -> None:
    one = place_of(state="NY", zip_code="12203", phone=PHONE)
    two = place_of(state="New York", zip_code=None, phone="+15185550199")
    assert one.key == two.key == "America/New_York|NY"
