"""The sums by which contacts are filtered always equal the copies: whatever comes, in whatever order, how often."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contacts.drafts import ContactDraft
from contacts.services.billing import BillingService
from contacts.services.contacts import ContactService
from contacts.services.money import MoneyTotals
from shared.database import Begin
from shared.events import billing
from shared.events.envelope import Money
from shared.ids import uuid7
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST_DAY = date(2026, 3, 2)
INVOICES = (billing.InvoiceIssued, billing.InvoiceChanged, billing.InvoiceOverdue, billing.InvoicePaid)
PAYMENTS = (billing.PaymentReceived, billing.PaymentChanged, billing.PaymentVoided, billing.PaymentRefunded)
ESTIMATES = (
    *(billing.EstimateSent, billing.EstimateAccepted, billing.EstimateDeclined, billing.EstimateExpired),
    billing.EstimateChanged,
)
VERSIONS = 4


@dataclass
class History:
    """All that billing ever said about some customers, made up."""

    draw: random.Random
    contacts: Sequence[UUID]
    customers: list[UUID] = field(default_factory=lambda: [uuid7() for _ in range(4)])

    def events(self) -> list[Any]:
        made: list[Any] = []
        for _ in range(5):
            made += [self._invoice(uuid7(), *step) for step in self._steps(INVOICES)]
            made += [self._payment(uuid7(), *step) for step in self._steps(PAYMENTS)]
            made += [self._estimate(uuid7(), *step) for step in self._steps(ESTIMATES)]
        for kinds, make in ((INVOICES, self._invoice), (PAYMENTS, self._payment), (ESTIMATES, self._estimate)):
            for document_id in [uuid7() for _ in range(4)]:
                made += [make(document_id, *step) for step in self._steps(kinds)]
        return made + [self._link(customer, version) for customer in self.customers for version in range(1, VERSIONS)]

    def _steps(self, kinds: Sequence[Any]) -> list[tuple[Any, int]]:
        return [(self.draw.choice(kinds), version) for version in range(1, VERSIONS + 1)]

    def _link(self, customer: UUID, version: int) -> Any:
        kind = self.draw.choice([billing.CustomerLinked, billing.CustomerLinked, billing.CustomerUnlinked])
        contact = self.draw.choice(self.contacts)
        return kind(customer_id=customer, contact_id=contact, version=version, occurred_at=self._instant())

    def _invoice(self, invoice_id: UUID, kind: Any, version: int) -> Any:
        amount = self._money(0, 90_000)
        balance = Money(amount_cents=self.draw.choice([0, amount.amount_cents]), currency=amount.currency)
        due_on = self.draw.choice([None, self._day(), self._day()])
        issued_on = self._day()
        return kind(
            invoice_id=invoice_id,
            amount=amount,
            balance=balance,
            issued_on=issued_on,
            due_on=due_on,
            **self._head(version),
        )

    def _payment(self, payment_id: UUID, kind: Any, version: int) -> Any:
        amount = self._money(-20_000, 90_000)
        return kind(payment_id=payment_id, amount=amount, received_on=self._day(), **self._head(version))

    def _estimate(self, estimate_id: UUID, kind: Any, version: int) -> Any:
        unsaid = [] if kind is billing.EstimateChanged else [None]
        status = self.draw.choice([*unsaid, "open", "accepted", "closed", "deleted"])
        return kind(estimate_id=estimate_id, amount=self._money(0, 90_000), status=status, **self._head(version))

    def _head(self, version: int) -> dict[str, Any]:
        return {
            "version": version,
            "customer_id": self.draw.choice(self.customers),
            "contact_id": self.draw.choice([None, None, *self.contacts]),
            "occurred_at": self._instant(),
        }

    def _money(self, least: int, most: int) -> Money:
        return Money(amount_cents=self.draw.randint(least, most), currency=self.draw.choice(["USD"] * 5 + ["EUR"]))

    def _day(self) -> date:
        return FIRST_DAY + timedelta(days=self.draw.randrange(4))

    def _instant(self) -> datetime:
        return NOON + timedelta(hours=self.draw.randrange(100))


def newest(events: Iterable[Any], about: str) -> list[Any]:
    found: dict[UUID, Any] = {}
    for event in sorted((event for event in events if event.about == about), key=lambda event: event.version):
        found[getattr(event, about)] = event
    return list(found.values())


def owners(events: Sequence[Any]) -> dict[UUID, UUID]:
    """Customer → whom it is linked to."""
    said: dict[UUID, tuple[int, datetime, UUID, bool]] = {}
    for event in events:
        is_link = isinstance(event, billing.CustomerLinkMoved)
        if event.contact_id is not None:
            is_linked = not isinstance(event, billing.CustomerUnlinked)
            word = (event.version if is_link else 0, event.occurred_at, event.contact_id, is_linked)
            said[event.customer_id] = max(said.get(event.customer_id, word), word)
    return {customer: contact for customer, (_, _, contact, is_linked) in said.items() if is_linked}


def expected(events: Sequence[Any], merged_into: dict[UUID, UUID]) -> dict[UUID, dict[str, Any]]:
    """The sums by contact, from nothing but what was said: the plain reading of the rules."""
    person = {customer: merged_into.get(contact, contact) for customer, contact in owners(events).items()}
    sums: defaultdict[UUID, dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys(FIGURES, 0) | {"last_paid_on": None, "has_other_currency": False}
    )
    for contact in person.values():
        sums[contact]["customers"] += 1
    passed: defaultdict[UUID, list[date]] = defaultdict(list)
    for event in events:
        if isinstance(event, billing.InvoiceOverdue):
            passed[event.invoice_id].append(event.due_on or event.issued_on)
    for document in newest(events, "invoice_id") + newest(events, "payment_id") + newest(events, "estimate_id"):
        if (contact := person.get(document.customer_id)) is None:
            continue
        figures, cents = sums[contact], document.amount.amount_cents
        if document.amount.currency != "USD":
            figures["has_other_currency"] = True
        elif isinstance(document, billing.InvoiceMoved):
            figures["invoiced_cents"] += cents
            figures["balance_cents"] += document.balance.amount_cents
            if any((document.due_on or document.issued_on) <= day for day in passed[document.invoice_id]):
                figures["overdue_cents"] += document.balance.amount_cents
        elif isinstance(document, billing.PaymentMoved):
            figures["paid_cents"] += cents
            if cents > 0:
                figures["last_paid_on"] = max(figures["last_paid_on"] or date.min, document.received_on)
        elif isinstance(document, billing.EstimateMoved) and _is_open(document):
            figures["open_estimates"] += 1
            figures["open_estimate_cents"] += cents
    return dict(sums)


def _is_open(document: billing.EstimateMoved) -> bool:
    """Before events said the state, only the type did."""
    return document.status == "open" if document.status else isinstance(document, billing.EstimateSent)


FIGURES = (
    "customers",
    "invoiced_cents",
    "paid_cents",
    "balance_cents",
    "overdue_cents",
    "open_estimates",
    "open_estimate_cents",
)


async def sums(begin: Begin) -> dict[UUID, dict[str, Any]]:
    async with begin() as tx:
        rows = await (await tx.aget(AsyncSession)).execute(text("SELECT * FROM contact_money"))
        return {(row := dict(found)).pop("contact_id"): row for found in rows.mappings()}


async def make_contacts(begin: Begin, count: int) -> list[UUID]:
    async with begin() as tx:
        contacts = await tx.aget(ContactService)
        return [(await contacts.create_contact(ContactDraft(first_name=f"P{n}"))).id for n in range(count)]


async def record(begin: Begin, events: Sequence[Any]) -> None:
    async with begin() as tx:
        await (await tx.aget(BillingService)).record(events)


class Family:
    """Merges and unmerges of the contacts, at random."""

    def __init__(self, begin: Begin, draw: random.Random, contacts: Sequence[UUID]) -> None:
        self._begin = begin
        self._draw = draw
        self._contacts = contacts
        self.merged_into: dict[UUID, UUID] = {}

    async def change(self) -> None:
        if self.merged_into and self._draw.random() < 0.5:
            await self._unmerge(self._draw.choice(list(self.merged_into)))
            return
        standing = [contact for contact in self._contacts if contact not in self.merged_into]
        if len(standing) > 1:
            await self._merge(*self._draw.sample(standing, 2))

    async def _merge(self, primary: UUID, secondary: UUID) -> None:
        async with self._begin() as tx:
            await (await tx.aget(ContactService)).merge_contacts(primary, secondary, author="desk")
        moved = {alias: primary for alias, into in self.merged_into.items() if into == secondary}
        self.merged_into |= {secondary: primary, **moved}

    async def _unmerge(self, secondary: UUID) -> None:
        """The one that stands for itself again takes its customers with it."""
        primary = self.merged_into.pop(secondary)
        async with self._begin() as tx:
            freed = text("UPDATE contact SET merged_into_id = NULL, is_active = true WHERE id = :id")
            await (await tx.aget(AsyncSession)).execute(freed, {"id": secondary})
            totals = await tx.aget(MoneyTotals)
            await totals.lock()
            await totals.refresh([primary, secondary])


@pytest.mark.parametrize("seed", range(8))
async def test_sums_equal_the_copies_after_every_step(begin: Begin, seed: int) -> None:
    draw = random.Random(seed)
    contacts = await make_contacts(begin, 4)
    family, waiting = Family(begin, draw, contacts), History(draw, contacts).events()
    waiting += draw.sample(waiting, len(waiting) // 4)
    draw.shuffle(waiting)
    seen: list[Any] = []
    while waiting:
        size = draw.choice([1, 2, 10, 40])
        batch, waiting = waiting[:size], waiting[size:]
        await record(begin, batch)
        seen += batch
        if draw.random() < 0.5:
            await family.change()
        assert await sums(begin) == expected(seen, family.merged_into)
    assert any(family.merged_into) or await sums(begin)


@pytest.mark.parametrize("seed", range(3))
async def test_workers_at_once_and_merges_between_them_add_up_all_the_same(begin: Begin, seed: int) -> None:
    draw = random.Random(seed)
    contacts = await make_contacts(begin, 4)
    family, events = Family(begin, draw, contacts), History(draw, contacts).events()
    draw.shuffle(events)

    async def worker(share: Sequence[Any]) -> None:
        for start in range(0, len(share), 5):
            await record(begin, share[start : start + 5])

    async def desk() -> None:
        for _ in range(6):
            await family.change()

    await asyncio.gather(*(worker(events[place::3]) for place in range(3)), desk())
    assert await sums(begin) == expected(events, family.merged_into)
