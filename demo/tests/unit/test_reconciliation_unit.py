"""The table: it holds for true accounts, and each line fails on the one lie that it is there for."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from demo.households import Expected, Person
from demo.reconciliation import Evidence, IncomingText, Recipient, SentText, reconcile
from demo.window import Window

NOON = datetime(2026, 1, 13, 17, 0, tzinfo=UTC)
ANN, BOB, CAT, DAN = (f"+1617234{number:04}" for number in range(4))
OFFICE = "+18575550110"


def sent(phone: str, at: datetime = NOON, body: str = "Hello") -> SentText:
    return SentText(phone, OFFICE, f"{body} {phone}", at)


@pytest.fixture
def evidence() -> Evidence:
    """Ann got her text and stopped, Bob got his, Cat stopped before hers, Dan was left out."""
    zone = "America/New_York"
    people = {phone: Person(phone, zone, "MA") for phone in (ANN, BOB, CAT, DAN)}
    counts = {"delivered": 2, "opted_out": 1, "excluded": 1, "unknown": 0, "waiting": 0, "requested": 0}
    return Evidence(
        expected=Expected(rows=10, created=6, updated=1, unchanged=1, rejected=2, people=people),
        is_first_import=True,
        imported={"created": 6, "updated": 1, "unchanged": 1, "rejected": 2},
        results={"total": 4, "counts": counts, "sent": 2},
        recipients=[
            Recipient(ANN, f"Hello {ANN}", "delivered", was_sent=True),
            Recipient(BOB, f"Hello {BOB}", "delivered", was_sent=True),
            Recipient(CAT, f"Hello {CAT}", "opted_out", was_sent=False),
            Recipient(DAN, None, "excluded", was_sent=False),
        ],
        sent=[sent(ANN), sent(BOB), SentText(ANN, OFFICE, "You will get no more texts.", NOON + timedelta(minutes=3))],
        incoming=[
            IncomingText(CAT, "Please take me off this list", NOON - timedelta(hours=1)),
            IncomingText(ANN, "STOP", NOON + timedelta(minutes=2)),
            IncomingText(BOB, "Yes please, Tuesday works", NOON + timedelta(minutes=2)),
        ],
        opted_out=frozenset({ANN, CAT}),
        recorded={ANN: NOON + timedelta(minutes=2, seconds=1), CAT: NOON - timedelta(minutes=57)},
        window=Window(weekdays=range(7), start=time(9), end=time(20)),
    )


def broken(evidence: Evidence) -> list[str]:
    return [line.claim for line in reconcile(evidence) if not line.holds]


def test_true_accounts_hold(evidence: Evidence) -> None:
    lines = reconcile(evidence)
    assert [line.claim for line in lines if not line.holds] == []
    assert len(lines) == 9
    assert lines[0].figures == "10 = 6 + 1 + 1 + 2"


def test_a_lost_row_shows(evidence: Evidence) -> None:
    lost = replace(evidence, imported={**evidence.imported, "created": 5})
    assert broken(lost)[0] == "records in the file = created + updated + unchanged + rejected"


def test_counts_that_add_up_but_are_wrong_show(evidence: Evidence) -> None:
    wrong = replace(evidence, imported={"created": 5, "updated": 2, "unchanged": 1, "rejected": 2})
    assert broken(wrong) == ["each of the four counts = what the generator put in"]


def test_a_file_that_was_imported_before_need_not_create_anything(evidence: Evidence) -> None:
    again = {"created": 0, "updated": 0, "unchanged": 8, "rejected": 2}
    assert broken(replace(evidence, is_first_import=False, imported=again)) == []


def test_a_recipient_without_a_state_shows(evidence: Evidence) -> None:
    assert "audience = sum of recipient states" in broken(replace(evidence, recipients=evidence.recipients[:3]))


def test_a_text_that_the_product_does_not_know_shows(evidence: Evidence) -> None:
    assert broken(replace(evidence, sent=[*evidence.sent, sent(CAT, NOON - timedelta(hours=2))])) == [
        "campaign texts in the provider's ledger = recipients sent or later"
    ]


def test_a_claimed_text_that_never_left_shows(evidence: Evidence) -> None:
    claim = "campaign texts in the provider's ledger = recipients sent or later"
    assert broken(replace(evidence, sent=evidence.sent[1:])) == [claim]


def test_texts_of_the_right_number_to_the_wrong_people_show(evidence: Evidence) -> None:
    claim = "campaign texts in the provider's ledger = recipients sent or later"
    assert claim in broken(replace(evidence, sent=[sent(ANN), sent(CAT, NOON - timedelta(hours=2))]))


@pytest.mark.parametrize("state", ["unknown", "requested", "waiting"])
def test_whoever_is_left_in_between_shows(evidence: Evidence, state: str) -> None:
    counts = {**evidence.results["counts"], state: 1}
    wrong = replace(evidence, results={**evidence.results, "counts": counts})
    assert "unknown = 0, and nobody is left in between" in broken(wrong)


def test_a_second_text_shows(evidence: Evidence) -> None:
    wrong = broken(replace(evidence, sent=[*evidence.sent, sent(BOB, NOON + timedelta(hours=1))]))
    assert "nobody was texted twice" in wrong


def test_an_opt_out_that_nobody_heard_shows(evidence: Evidence) -> None:
    assert broken(replace(evidence, opted_out=frozenset({CAT}))) == ["whoever asked to be left alone is opted out"]


def test_a_text_after_stop_shows(evidence: Evidence) -> None:
    late = [sent(ANN, NOON + timedelta(minutes=5)), *evidence.sent[1:]]
    assert broken(replace(evidence, sent=late)) == ["nobody was texted after STOP was recorded"]


def test_a_text_before_a_lost_stop_was_found_is_no_text_after_it_and_the_gap_is_told(evidence: Evidence) -> None:
    found_late = {**evidence.recorded, ANN: NOON + timedelta(minutes=5)}
    lines = reconcile(
        replace(evidence, sent=[sent(ANN, NOON + timedelta(minutes=4)), *evidence.sent[1:]], recorded=found_late)
    )
    line = next(line for line in lines if "after STOP" in line.claim)
    assert line.holds
    assert line.figures == "2 stops, recorded within 180 s, 0 texts after"


def test_a_text_on_the_wire_while_the_opt_out_commits_is_not_after_it(evidence: Evidence) -> None:
    on_the_wire = [sent(ANN, evidence.recorded[ANN] + timedelta(seconds=4)), *evidence.sent[1:]]
    assert broken(replace(evidence, sent=on_the_wire)) == []


def test_a_text_at_night_shows_by_the_zone_of_the_recipient(evidence: Evidence) -> None:
    night = [sent(ANN), sent(BOB, NOON.replace(hour=13, minute=59))]
    assert broken(replace(evidence, sent=night)) == ["nobody was texted outside the window of their own zone"]


def test_a_text_to_somebody_who_is_not_in_the_file_counts_as_outside(evidence: Evidence) -> None:
    people = {phone: person for phone, person in evidence.expected.people.items() if phone != BOB}
    unknown = replace(evidence, expected=replace(evidence.expected, people=people))
    assert broken(unknown) == ["nobody was texted outside the window of their own zone"]


def test_cases_are_named_without_showing_the_phone(evidence: Evidence) -> None:
    line = next(line for line in reconcile(replace(evidence, opted_out=frozenset())) if "left alone" in line.claim)
    assert "+1617•••0000" in line.figures
    assert ANN not in line.figures


@pytest.mark.parametrize("text", ["STOP", "stop.", "Opt Out", "END", "Leave me alone!!", "Please stop texting me"])
def test_opt_outs_are_recognised(text: str) -> None:
    assert IncomingText(ANN, text, NOON).is_opt_out


@pytest.mark.parametrize("text", ["", "Yes please", "The leak will not stop", "at the end of the month"])
def test_other_answers_are_none(text: str) -> None:
    assert not IncomingText(ANN, text, NOON).is_opt_out
