"""Every cent of a payment is earned by exactly one text per model, or by none; and what is written adds up to it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from campaigns.attribution import (
    CONSERVED,
    Earner,
    Outcome,
    Payment,
    Touch,
    attribute,
    differences,
    moment_of,
    split,
)
from hypothesis import given
from hypothesis import strategies as st

DAY = date(2026, 11, 23)
WINDOW = 90
ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


def payment(cents: int = 50_000, **changes: Any) -> Payment:
    values: dict[str, Any] = {"id": ONE, "currency": "USD", "received_on": DAY, "applied": (), **changes}
    return Payment(amount_cents=cents, **values)


def touch(n: int, days_before: int) -> Touch:
    earner = Earner(recipient_id=UUID(int=n), campaign_id=UUID(int=100 + n), variant="A", contact_id=UUID(int=200))
    sent_at = datetime(2026, 11, 23, 15, tzinfo=UTC) - timedelta(days=days_before)
    return Touch(earner, sent_at, sent_at.date())


def earned(found: Payment, touches: list[Touch] | None, **changes: Any) -> dict[tuple[str, int], int]:
    """Model and recipient → cents."""
    verdict = attribute(found, touches, moment=found.received_on, window_days=changes.get("window", WINDOW))
    sums: Counter[tuple[str, int]] = Counter()
    for line, cents in verdict.lines.items():
        sums[line.model.value, line.earner.recipient_id.int] += cents
    return dict(sums)


def test_the_first_and_the_last_text_each_earn_all_of_it_under_their_model() -> None:
    touches = [touch(2, 20), touch(1, 60), touch(3, 1)]
    assert earned(payment(), touches) == {
        ("first_touch", 1): 50_000,
        ("last_touch", 3): 50_000,
        ("assisted", 1): 50_000,
        ("assisted", 2): 50_000,
    }


def test_of_two_texts_at_one_instant_the_order_of_ids_decides() -> None:
    assert earned(payment(), [touch(2, 5), touch(1, 5)]) == earned(payment(), [touch(1, 5), touch(2, 5)])


@pytest.mark.parametrize(
    ("days_before", "outcome"),
    [
        (0, Outcome.ATTRIBUTED),
        (90, Outcome.ATTRIBUTED),
        (91, Outcome.OUTSIDE_WINDOW),
        (-1, Outcome.OUTSIDE_WINDOW),
    ],
)
def test_the_window_counts_days_and_holds_both_its_ends(days_before: int, outcome: Outcome) -> None:
    verdict = attribute(payment(), [touch(1, days_before)], moment=DAY, window_days=WINDOW)
    assert verdict.outcome is outcome
    assert bool(verdict.lines) == (outcome is Outcome.ATTRIBUTED)


def test_money_that_no_text_earned_says_why() -> None:
    assert attribute(payment(), None, moment=DAY, window_days=WINDOW).outcome is Outcome.NOT_LINKED
    assert attribute(payment(), [], moment=DAY, window_days=WINDOW).outcome is Outcome.NEVER_TEXTED


def test_a_payment_is_split_over_its_invoices_and_the_rest_that_is_not_applied() -> None:
    assert split(50_000, [(ONE, 20_000), (TWO, 10_000), (ONE, 5_000)]) == {ONE: 25_000, TWO: 10_000, None: 15_000}
    assert split(50_000, []) == {None: 50_000}
    assert split(0, [(ONE, 20_000)]) == {}


def test_an_invoice_gets_no_more_of_a_payment_than_there_was() -> None:
    """A credit memo may have paid the rest of it."""
    assert split(50_000, [(ONE, 70_000), (TWO, 10_000)]) == {ONE: 50_000}


def test_money_given_back_lowers_what_its_invoices_earned_however_they_are_signed() -> None:
    assert split(-5_000, [(ONE, 2_000)]) == split(-5_000, [(ONE, -2_000)]) == {ONE: -2_000, None: -3_000}


APPLIED = st.lists(st.tuples(st.sampled_from([ONE, TWO, THREE]), st.integers(-9_000, 9_000)), max_size=4)


@given(st.integers(-10_000, 10_000), APPLIED)
def test_a_split_adds_up_to_the_cent_and_nothing_in_it_has_the_other_sign(
    cents: int, applied: list[tuple[UUID, int]]
) -> None:
    parts = split(cents, applied)
    assert sum(parts.values()) == cents
    assert all(part * cents > 0 for part in parts.values())


def test_a_refund_is_judged_by_the_day_of_the_money_that_it_gives_back() -> None:
    paid = payment(id=TWO, received_on=DAY - timedelta(days=10))
    older = payment(id=THREE, received_on=DAY - timedelta(days=40), applied=((THREE, 100),))
    later = payment(id=UUID(int=4), received_on=DAY + timedelta(days=1))
    voided, other_money = payment(0, id=UUID(int=5)), payment(id=UUID(int=6), currency="CAD")
    siblings = [older, paid, later, voided, other_money]
    assert moment_of(payment(-100), siblings) == paid.received_on
    assert moment_of(payment(-100, applied=((THREE, 100),)), siblings) == older.received_on
    assert moment_of(payment(-100), [later]) == DAY
    assert moment_of(payment(100), siblings) == DAY


def test_only_what_differs_is_written() -> None:
    before = attribute(payment(), [touch(1, 5)], moment=DAY, window_days=WINDOW).lines
    assert differences(before, before) == {}
    after = attribute(payment(0), [touch(1, 5)], moment=DAY, window_days=WINDOW).lines
    assert differences(after, before) == dict.fromkeys(before, -50000)


# What others may report, and in which versions: a small model of the copies that the service keeps.

PAYMENTS, CUSTOMERS, CONTACTS = range(4), range(3), range(4)


@dataclass
class World:
    """The newest version of everything that was told, and all that was written."""

    payments: dict[int, tuple[int, int, Payment]] = field(default_factory=dict)
    links: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    merges: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    written: Counter = field(default_factory=Counter)
    touches: dict[int, list[Touch]] = field(default_factory=dict)
    window: int = WINDOW

    def hear(self, event: tuple) -> None:
        kind, about, version, told = event
        known: dict = getattr(self, kind)
        if about not in known or known[about][0] < version:
            known[about] = (version, *told)

    def family(self, contact: int) -> set[int]:
        """Merges only go to lower numbers, so that there are no circles."""
        root = contact
        while (merge := self.merges.get(root)) and merge[1] is not None:
            root = merge[1]
        members = {root}
        for other in CONTACTS:
            if (merge := self.merges.get(other)) and merge[1] in members:
                members.add(other)
        return members

    def wanted(self, number: int) -> dict:
        _, customer, found = self.payments[number]
        siblings = [p for _, c, p in self.payments.values() if c == customer]
        _, contact = self.links.get(customer, (0, None))
        known = None if contact is None else [t for c in sorted(self.family(contact)) for t in self.touches.get(c, [])]
        verdict = attribute(found, known, moment=moment_of(found, siblings), window_days=self.window)
        per_model = Counter({line.model: 0 for line in verdict.lines})
        for line, cents in verdict.lines.items():
            per_model[line.model] += cents
        for model in CONSERVED:
            assert per_model[model] == (found.amount_cents if verdict.outcome is Outcome.ATTRIBUTED else 0)
        return dict(verdict.lines)

    def write(self) -> None:
        for number in self.payments:
            earlier = {line: cents for (p, line), cents in self.written.items() if p == number and cents}
            for line, cents in differences(self.wanted(number), earlier).items():
                self.written[number, line] += cents

    def sums(self) -> dict:
        return {key: cents for key, cents in self.written.items() if cents}


@st.composite
def reports(draw: st.DrawFn) -> list[tuple]:
    """For each thing a history of versions; versions of one thing differ, as those of an aggregate do."""
    found: list[tuple] = []
    for number in PAYMENTS:
        for version in range(1, draw(st.integers(0, 4)) + 1):
            told = payment(
                draw(st.sampled_from([0, 1, 99, 50_000, -20_000])),
                id=UUID(int=number),
                received_on=DAY + timedelta(days=draw(st.sampled_from([0, 30, 100]))),
                applied=tuple(draw(APPLIED)),
                currency=draw(st.sampled_from(["USD", "USD", "CAD"])),
            )
            found.append(("payments", number, version, (draw(st.sampled_from(CUSTOMERS)), told)))
    found += [
        ("links", customer, version, (draw(st.sampled_from([None, *CONTACTS])),))
        for customer in CUSTOMERS
        for version in range(1, draw(st.integers(0, 3)) + 1)
    ]
    found += [
        ("merges", contact, version, (draw(st.sampled_from([None, *range(contact)])),))
        for contact in CONTACTS[1:]
        for version in range(1, draw(st.integers(0, 2)) + 1)
    ]
    return found


@given(st.data())
def test_what_is_written_does_not_depend_on_the_order_or_repetition_of_what_is_told(data: st.DataObject) -> None:
    told = data.draw(reports())
    days = st.lists(st.integers(-40, 95), max_size=3)
    touches = {
        contact: [touch(10 * contact + n, before) for n, before in enumerate(data.draw(days))] for contact in CONTACTS
    }
    repeats = data.draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    world, fresh = World(touches=touches), World(touches=touches)
    world.window = data.draw(st.sampled_from([1, 30, 365]))
    for event in data.draw(st.permutations(told + repeats)):
        world.hear(event)
        world.write()
    world.window = WINDOW
    world.write()
    for event in told:
        fresh.hear(event)
    fresh.write()
    assert world.sums() == fresh.sums()
