"""What billing tells: estimates, invoices, payments and jobs on the timeline, and what is owed and was paid."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from contacts.services.billing import BillingService
from contacts.services.contacts import ContactService
from shared.database import Begin
from shared.events.billing import (
    AppliedItem,
    CustomerLinked,
    CustomerUnlinked,
    EstimateAccepted,
    EstimateDeclined,
    EstimateExpired,
    EstimateSent,
    InvoiceChanged,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceSent,
    InvoiceVoided,
    JobCompleted,
    JobScheduled,
    PaymentChanged,
    PaymentReceived,
    PaymentRefunded,
    PaymentVoided,
)
from shared.events.envelope import Event, Money
from shared.ids import uuid7
from shared.testing.streams import TestBus
from shared.testing.waiting import until
from shared.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CONTACTS = "/api/v1/contacts"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUED_ON, DUE_ON = date(2026, 3, 2), date(2026, 4, 1)
NOTHING_KNOWN = {
    "currency": "USD",
    "customers": 1,
    "invoiced_cents": 0,
    "paid_cents": 0,
    "balance_cents": 0,
    "overdue_cents": 0,
    "is_overdue": False,
    "last_paid_on": None,
    "open_estimates": 0,
    "open_estimate_cents": 0,
    "has_other_currency": False,
}

Tell = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(bus: TestBus, worker: Worker) -> Tell:
    """These events happen, in this order, and have had their effects."""

    async def run(*events: Event) -> None:
        for event in events:
            await bus.publish_event(event)
        await worker.run_until_idle()

    return run


async def create(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.post(CONTACTS, json={"first_name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


@pytest.fixture
async def ann(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, "Ann")


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, "Bob")


async def timeline(client: httpx.AsyncClient, contact: dict[str, Any]) -> list[dict[str, Any]]:
    """Oldest first, as things happened."""
    answer = await client.get(f"{CONTACTS}/{contact['id']}/timeline")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][::-1]  # type: ignore[no-any-return]


async def moves(client: httpx.AsyncClient, contact: dict[str, Any]) -> list[str]:
    return [
        f"{entry['kind']} {entry['details'].get('status', '')}".strip() for entry in await timeline(client, contact)
    ]


async def money(client: httpx.AsyncClient, contact: dict[str, Any]) -> dict[str, Any] | None:
    return (await client.get(f"{CONTACTS}/{contact['id']}")).json()["money"]  # type: ignore[no-any-return]


async def names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(CONTACTS, params=params)
    assert answer.status_code == 200, answer.text
    return [item["first_name"] for item in answer.json()["items"]]


async def merge(client: httpx.AsyncClient, primary: dict[str, Any], secondary: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"{CONTACTS}/{primary['id']}/merge", json={"secondary_id": secondary["id"]})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def at(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def linked(customer: UUID, contact: dict[str, Any], version: int = 1, *, hours: int = -1) -> CustomerLinked:
    return CustomerLinked(
        customer_id=customer, contact_id=UUID(contact["id"]), version=version, reason="phone", occurred_at=at(hours)
    )


def unlinked(customer: UUID, contact: dict[str, Any], version: int, *, hours: int = 9) -> CustomerUnlinked:
    return CustomerUnlinked(
        customer_id=customer, contact_id=UUID(contact["id"]), version=version, reason="desk", occurred_at=at(hours)
    )


def invoice(
    kind: Any,
    customer: UUID,
    version: int,
    cents: int = 50_000,
    *,
    invoice_id: UUID,
    balance: int | None = None,
    currency: str = "USD",
    **fields: Any,
) -> Any:
    left = cents if balance is None else balance
    return kind(
        invoice_id=invoice_id,
        version=version,
        number="1042",
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=currency),
        balance=Money(amount_cents=left, currency=currency),
        issued_on=ISSUED_ON,
        **{"due_on": DUE_ON, "occurred_at": at(version), **fields},
    )


def payment(
    kind: Any, customer: UUID, version: int, cents: int, *, payment_id: UUID | None = None, **fields: Any
) -> Any:
    return kind(
        payment_id=payment_id or uuid7(),
        version=version,
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=fields.pop("currency", "USD")),
        **{"received_on": date(2026, 3, 5), "occurred_at": at(version), **fields},
    )


def estimate(kind: Any, customer: UUID, version: int, *, estimate_id: UUID, cents: int = 60_000, **fields: Any) -> Any:
    return kind(
        estimate_id=estimate_id,
        version=version,
        number="E-7",
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=fields.pop("currency", "USD")),
        **{"occurred_at": at(version), **fields},
    )


def job(kind: Any, contact: dict[str, Any] | None, version: int, *, job_id: UUID, **fields: Any) -> Any:
    contact_id = UUID(contact["id"]) if contact else None
    return kind(
        job_id=job_id,
        version=version,
        contact_id=contact_id,
        title="Cellar wall",
        kind="repair",
        starts_at=at(30),
        occurred_at=at(version),
        **fields,
    )


def a_whole_story(customer: UUID, ann: dict[str, Any]) -> list[Any]:
    """From the estimate to the money, as it happened."""
    estimate_id, invoice_id, payment_id, job_id = uuid7(), uuid7(), uuid7(), uuid7()
    applied = [AppliedItem(invoice_id=invoice_id, amount=Money(amount_cents=50_000))]
    return [
        linked(customer, ann),
        estimate(EstimateSent, customer, 1, estimate_id=estimate_id, occurred_at=at(0), job_id=job_id),
        estimate(EstimateAccepted, customer, 2, estimate_id=estimate_id, occurred_at=at(1)),
        job(JobScheduled, ann, 2, job_id=job_id),
        job(JobCompleted, ann, 3, job_id=job_id),
        invoice(InvoiceIssued, customer, 4, invoice_id=invoice_id, estimate_id=estimate_id),
        invoice(InvoiceSent, customer, 5, invoice_id=invoice_id),
        invoice(InvoiceOverdue, customer, 6, invoice_id=invoice_id),
        payment(PaymentReceived, customer, 7, 50_000, payment_id=payment_id, applied=applied),
        invoice(InvoicePaid, customer, 8, invoice_id=invoice_id, balance=0, paid_at=at(8)),
    ]


STORY = [
    "customer linked",
    "estimate sent",
    "estimate accepted",
    "job scheduled",
    "job completed",
    "invoice issued",
    "invoice sent",
    "invoice overdue",
    "payment received",
    "invoice paid",
]


@pytest.mark.parametrize("order", [lambda n: n, lambda n: -n, lambda n: n * 7 % 10], ids=["true", "reverse", "mixed"])
async def test_what_happened_with_money_stands_in_true_order_whatever_came_first(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], order: Callable[[int], int]
) -> None:
    events = a_whole_story(uuid7(), ann)
    shuffled = [event for _, event in sorted(enumerate(events), key=lambda pair: order(pair[0]))]
    await tell(*shuffled, *shuffled)
    assert await moves(client, ann) == STORY
    assert await money(client, ann) == NOTHING_KNOWN | {
        "invoiced_cents": 50_000,
        "paid_cents": 50_000,
        "last_paid_on": "2026-03-05",
    }


async def test_entries_carry_number_amount_and_ids(client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]) -> None:
    customer = uuid7()
    events = a_whole_story(customer, ann)
    await tell(*events)
    shown = {f"{e['kind']} {e['details']['status']}": e["details"] for e in await timeline(client, ann)}
    estimate_id, invoice_id = str(events[1].estimate_id), str(events[5].invoice_id)
    payment_id, job_id = str(events[8].payment_id), str(events[3].job_id)
    assert shown["customer linked"] == {"status": "linked", "customer_id": str(customer), "reason": "phone"}
    assert shown["estimate sent"] == {
        "status": "sent",
        "estimate_id": estimate_id,
        "number": "E-7",
        "amount_cents": 60_000,
        "currency": "USD",
        "customer_id": str(customer),
        "job_id": job_id,
    }
    assert shown["invoice issued"] == {
        "status": "issued",
        "invoice_id": invoice_id,
        "number": "1042",
        "amount_cents": 50_000,
        "balance_cents": 50_000,
        "currency": "USD",
        "issued_on": "2026-03-02",
        "due_on": "2026-04-01",
        "customer_id": str(customer),
        "estimate_id": estimate_id,
    }
    assert shown["payment received"] == {
        "status": "received",
        "payment_id": payment_id,
        "amount_cents": 50_000,
        "currency": "USD",
        "received_on": "2026-03-05",
        "applied": [{"invoice_id": invoice_id, "amount_cents": 50_000}],
        "customer_id": str(customer),
    }
    assert shown["job completed"] == {
        "status": "completed",
        "job_id": job_id,
        "title": "Cellar wall",
        "kind": "repair",
        "starts_at": "2026-03-03T18:00:00.000Z",
    }


async def test_what_a_customer_did_before_the_link_appears_with_it_and_goes_with_it(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    customer, invoice_id = uuid7(), uuid7()
    await tell(
        invoice(InvoiceIssued, customer, 1, invoice_id=invoice_id),
        payment(PaymentReceived, customer, 2, 20_000),
        invoice(InvoiceChanged, customer, 3, invoice_id=invoice_id, balance=30_000),
    )
    assert (await moves(client, ann), await money(client, ann)) == ([], None)
    await tell(linked(customer, ann, 1, hours=5))
    assert await moves(client, ann) == ["invoice issued", "payment received", "customer linked"]
    owed = NOTHING_KNOWN | {"invoiced_cents": 50_000, "balance_cents": 30_000, "paid_cents": 20_000}
    assert await money(client, ann) == owed | {"last_paid_on": "2026-03-05"}
    await tell(unlinked(customer, ann, 2, hours=6), linked(customer, bob, 3, hours=7))
    assert await moves(client, ann) == ["customer linked", "customer unlinked"]
    assert await money(client, ann) is None
    assert await moves(client, bob) == ["invoice issued", "payment received", "customer linked"]
    assert await money(client, bob) == owed | {"last_paid_on": "2026-03-05"}


async def test_an_older_link_does_not_take_a_customer_back(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    customer = uuid7()
    await tell(linked(customer, bob, 3), unlinked(customer, ann, 2), linked(customer, ann, 1))
    assert (await money(client, ann), await money(client, bob)) == (None, NOTHING_KNOWN)


async def test_until_a_link_was_told_a_document_says_whose_it_is(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    customer, ids = uuid7(), [UUID(contact["id"]) for contact in (ann, bob)]
    later, earlier = [
        invoice(InvoiceIssued, customer, version, invoice_id=uuid7(), contact_id=contact_id)
        for version, contact_id in ((5, ids[0]), (1, ids[1]))
    ]
    await tell(later, earlier)
    assert await moves(client, ann) == ["invoice issued", "invoice issued"]
    await tell(unlinked(customer, ann, 1))
    await tell(invoice(InvoiceIssued, customer, 9, invoice_id=uuid7(), contact_id=ids[0]))
    assert (await moves(client, ann), await money(client, ann)) == (["customer unlinked"], None)


async def test_a_merged_person_has_the_money_of_the_whole_family(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    cy = await create(client, "Cy")
    customers = {contact["id"]: uuid7() for contact in (ann, bob, cy)}
    for contact in (ann, bob, cy):
        await tell(linked(customers[contact["id"]], contact))
        await tell(invoice(InvoiceIssued, customers[contact["id"]], 1, 10_000, invoice_id=uuid7()))
    await merge(client, bob, cy)
    merged = await merge(client, ann, bob)
    assert merged["contact"]["money"]["invoiced_cents"] == 30_000
    job_id = uuid7()
    await tell(
        payment(PaymentReceived, customers[cy["id"]], 2, 4_000),
        job(JobScheduled, cy, 1, job_id=job_id),
        linked(uuid7(), bob, hours=8),
    )
    family = await money(client, ann)
    assert family == NOTHING_KNOWN | {
        "customers": 4,
        "invoiced_cents": 30_000,
        "balance_cents": 30_000,
        "paid_cents": 4_000,
        "last_paid_on": "2026-03-05",
    }
    assert (await money(client, bob), await money(client, cy)) == (None, None)
    shown = await moves(client, ann)
    assert sorted(move for move in shown if move != "merge") == sorted(
        ["customer linked"] * 4 + ["invoice issued"] * 3 + ["payment received", "job scheduled"]
    )
    assert await moves(client, cy) == shown
    assert await names(client, is_customer=True) == ["Ann"]


async def test_a_dry_run_of_a_merge_moves_no_money(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    customer = uuid7()
    await tell(linked(customer, bob), invoice(InvoiceIssued, customer, 1, invoice_id=uuid7()))
    body = {"secondary_id": bob["id"], "dry_run": True}
    dry = (await client.post(f"{CONTACTS}/{ann['id']}/merge", json=body)).json()
    assert dry["contact"]["money"]["balance_cents"] == 50_000
    assert await money(client, ann) is None
    assert await names(client, has_balance=True) == ["Bob"]


async def test_an_event_that_meets_a_merge_counts_for_whoever_is_left(
    client: httpx.AsyncClient, tell: Tell, begin: Begin, ann: dict[str, Any], bob: dict[str, Any]
) -> None:
    customer = uuid7()
    await tell(linked(customer, bob))

    async def record(events: Sequence[Any]) -> None:
        async with begin() as tx:
            await (await tx.aget(BillingService)).record(events)

    async def is_waiting() -> bool:
        async with begin() as tx:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return bool(await (await tx.aget(AsyncSession)).scalar(text(f"{blocked} AND wait_event_type = 'Lock'")))

    async with begin() as tx:
        await (await tx.aget(ContactService)).merge_contacts(UUID(ann["id"]), UUID(bob["id"]), author="desk")
        recording = asyncio.create_task(record([invoice(InvoiceIssued, customer, 1, invoice_id=uuid7())]))
        await until(is_waiting, what="the event waits for the merge")
    await recording
    assert await names(client, has_balance=True) == ["Ann"]
    assert (await money(client, ann) or {})["balance_cents"] == 50_000


@pytest.mark.parametrize("together", [False, True])
async def test_an_invoice_that_went_to_another_customer_goes_with_its_history(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any], together: bool
) -> None:
    hers, his, invoice_id = uuid7(), uuid7(), uuid7()
    steps = [
        linked(hers, ann),
        linked(his, bob),
        invoice(InvoiceIssued, hers, 1, invoice_id=invoice_id),
        invoice(InvoiceChanged, his, 2, invoice_id=invoice_id),
    ]
    for events in [steps] if together else [[step] for step in steps]:
        await tell(*events)
    assert (await moves(client, ann), await money(client, ann)) == (["customer linked"], NOTHING_KNOWN)
    assert await moves(client, bob) == ["customer linked", "invoice issued", "invoice changed"]
    assert await names(client, has_balance=True) == ["Bob"]


async def test_of_changes_only_those_that_a_person_would_see_are_shown(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, invoice_id, payment_id = uuid7(), uuid7(), uuid7()
    steps = [
        linked(customer, ann),
        invoice(InvoiceIssued, customer, 1, 50_000, invoice_id=invoice_id),
        invoice(InvoiceChanged, customer, 2, 50_000, invoice_id=invoice_id, balance=40_000),
        invoice(InvoiceChanged, customer, 3, 65_000, invoice_id=invoice_id, balance=55_000),
        invoice(InvoiceChanged, customer, 4, 65_000, invoice_id=invoice_id, due_on=date(2026, 5, 1)),
        payment(PaymentReceived, customer, 5, 10_000, payment_id=payment_id),
        payment(
            PaymentChanged,
            customer,
            6,
            10_000,
            payment_id=payment_id,
            applied=[AppliedItem(invoice_id=invoice_id, amount=Money(amount_cents=10_000))],
        ),
        payment(PaymentChanged, customer, 7, 12_000, payment_id=payment_id),
    ]
    await tell(*steps[::-1])
    shown = [entry for entry in await timeline(client, ann) if entry["details"]["status"] == "changed"]
    assert [(entry["kind"], entry["details"]["before"]) for entry in shown] == [
        ("invoice", {"amount_cents": 50_000}),
        ("invoice", {"due_on": "2026-04-01"}),
        ("payment", {"amount_cents": 10_000}),
    ]
    assert len(await timeline(client, ann)) == 6


async def test_republished_state_adds_nothing_and_what_happens_again_is_shown_again(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, invoice_id, job_id = uuid7(), uuid7(), uuid7()
    await tell(
        linked(customer, ann),
        invoice(InvoiceIssued, customer, 1, 50_000, invoice_id=invoice_id),
        invoice(InvoiceSent, customer, 2, invoice_id=invoice_id),
        invoice(InvoiceSent, customer, 3, invoice_id=invoice_id),
        job(JobScheduled, ann, 4, job_id=job_id),
        job(JobScheduled, ann, 5, job_id=job_id),
        invoice(InvoiceIssued, customer, 6, 70_000, invoice_id=invoice_id),
    )
    assert await moves(client, ann) == [
        "customer linked",
        "invoice issued",
        "invoice sent",
        "invoice sent",
        "job scheduled",
        "job scheduled",
    ]
    assert (await timeline(client, ann))[1]["details"]["amount_cents"] == 50_000
    assert (await money(client, ann) or {})["invoiced_cents"] == 70_000


async def test_events_of_one_instant_stand_in_the_order_of_their_versions(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, invoice_id = uuid7(), uuid7()
    steps = [
        invoice(kind, customer, version, invoice_id=invoice_id, occurred_at=NOON)
        for version, kind in enumerate([InvoiceIssued, InvoiceSent, InvoiceOverdue, InvoicePaid], start=1)
    ]
    await tell(linked(customer, ann), *steps[::-1])
    expected = ["customer linked", "invoice issued", "invoice sent", "invoice overdue", "invoice paid"]
    assert await moves(client, ann) == expected
    params: dict[str, Any] = {"limit": 2}
    paged: list[str] = []
    for _ in range(3):
        page = (await client.get(f"{CONTACTS}/{ann['id']}/timeline", params=params)).json()
        assert page["total"] == 5
        paged += [f"{entry['kind']} {entry['details']['status']}" for entry in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert paged[::-1] == expected


async def test_the_timeline_mixes_money_with_everything_else(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer = uuid7()
    await client.post(f"{CONTACTS}/{ann['id']}/notes", json={"text": "Called."})
    await tell(
        linked(customer, ann),
        invoice(InvoiceIssued, customer, 1, invoice_id=uuid7()),
        invoice(InvoiceIssued, customer, 1, invoice_id=uuid7(), occurred_at=datetime(2199, 1, 1, tzinfo=UTC)),
    )
    assert await moves(client, ann) == ["customer linked", "invoice issued", "note", "invoice issued"]


async def test_refunds_voids_and_changes_leave_what_was_really_received(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, first, second = uuid7(), uuid7(), uuid7()
    await tell(
        linked(customer, ann),
        payment(PaymentReceived, customer, 1, 50_000, payment_id=first, received_on=date(2026, 3, 1)),
        payment(PaymentReceived, customer, 1, 9_000, payment_id=second, received_on=date(2026, 3, 9)),
        payment(PaymentChanged, customer, 2, 40_000, payment_id=first, received_on=date(2026, 3, 2)),
        payment(PaymentVoided, customer, 2, 0, payment_id=second, received_on=date(2026, 3, 9)),
        payment(PaymentRefunded, customer, 1, -15_000, received_on=date(2026, 3, 20)),
    )
    facts = await money(client, ann)
    assert facts == NOTHING_KNOWN | {"paid_cents": 25_000, "last_paid_on": "2026-03-02"}


async def test_an_invoice_is_overdue_once_its_day_is_known_to_have_passed(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, invoice_id = uuid7(), uuid7()

    async def overdue() -> tuple[bool, int]:
        facts = await money(client, ann) or {}
        assert await names(client, is_overdue=True) == (["Ann"] if facts["is_overdue"] else [])
        return facts["is_overdue"], facts["overdue_cents"]

    def moved(kind: Any, version: int, **fields: Any) -> Any:
        return invoice(kind, customer, version, invoice_id=invoice_id, **fields)

    await tell(linked(customer, ann), moved(InvoiceIssued, 1))
    assert await overdue() == (False, 0)
    # A part was paid before the older news arrives that it is overdue.
    await tell(moved(InvoiceChanged, 3, balance=20_000), moved(InvoiceOverdue, 2))
    assert await overdue() == (True, 20_000)
    await tell(moved(InvoiceChanged, 4, balance=20_000, due_on=date(2026, 6, 1)))
    assert await overdue() == (False, 0)
    await tell(moved(InvoiceOverdue, 5, balance=20_000, due_on=date(2026, 6, 1)))
    assert await overdue() == (True, 20_000)
    await tell(moved(InvoicePaid, 6, balance=0, due_on=date(2026, 6, 1)))
    assert await overdue() == (False, 0)
    # A payment bounced: the day has passed long ago.
    await tell(moved(InvoiceChanged, 7, balance=50_000, due_on=date(2026, 6, 1)))
    assert await overdue() == (True, 50_000)
    await tell(moved(InvoiceVoided, 8, cents=0, due_on=date(2026, 6, 1)))
    assert await overdue() == (False, 0)


async def test_an_invoice_without_a_due_day_is_due_on_the_day_of_its_issue(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, invoice_id = uuid7(), uuid7()
    await tell(linked(customer, ann), invoice(InvoiceOverdue, customer, 1, invoice_id=invoice_id, due_on=None))
    assert (await money(client, ann) or {})["overdue_cents"] == 50_000


async def test_an_estimate_is_open_from_its_sending_to_the_answer(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, ids = uuid7(), [uuid7() for _ in range(4)]

    async def open_ones() -> tuple[int, int]:
        facts = await money(client, ann) or {}
        return facts["open_estimates"], facts["open_estimate_cents"]

    await tell(linked(customer, ann), *(estimate(EstimateSent, customer, 1, estimate_id=one) for one in ids))
    assert await open_ones() == (4, 240_000)
    for place, kind in enumerate([EstimateAccepted, EstimateDeclined, EstimateExpired]):
        await tell(
            estimate(kind, customer, 2, estimate_id=ids[place]), estimate(kind, customer, 2, estimate_id=uuid7())
        )
    assert await open_ones() == (1, 60_000)
    await tell(estimate(EstimateSent, customer, 3, estimate_id=ids[2], cents=70_000))
    assert await open_ones() == (2, 130_000)
    # Of two moves in one version it is the answer that counts, whichever came first.
    both = uuid7()
    await tell(estimate(EstimateDeclined, customer, 1, estimate_id=both))
    await tell(estimate(EstimateSent, customer, 1, estimate_id=both))
    assert await open_ones() == (2, 130_000)
    assert await names(client, has_open_estimate=True) == ["Ann"]


async def test_other_currencies_are_never_added_to_dollars(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, estimate_id = uuid7(), uuid7()
    abroad = {"currency": "EUR"}
    await tell(
        linked(customer, ann),
        invoice(InvoiceOverdue, customer, 1, invoice_id=uuid7(), **abroad),
        payment(PaymentReceived, customer, 1, 70_000, received_on=date(2026, 6, 1), **abroad),
        estimate(EstimateSent, customer, 1, estimate_id=estimate_id, **abroad),
    )
    assert await money(client, ann) == NOTHING_KNOWN | {"has_other_currency": True}
    await tell(invoice(InvoiceIssued, customer, 1, 1_000, invoice_id=uuid7()))
    assert await money(client, ann) == NOTHING_KNOWN | {
        "has_other_currency": True,
        "invoiced_cents": 1_000,
        "balance_cents": 1_000,
    }
    assert "EUR" in {entry["details"].get("currency") for entry in await timeline(client, ann)}


@pytest.fixture
async def three_customers(client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], bob: dict[str, Any]) -> None:
    """Ann owes and paid, Bob paid more and owes nothing, Cy was only linked; Di is no customer."""
    cy = await create(client, "Cy")
    await create(client, "Di")
    hers, his, third = uuid7(), uuid7(), uuid7()
    await tell(
        linked(hers, ann),
        linked(his, bob),
        linked(third, cy),
        invoice(InvoiceOverdue, hers, 1, 90_000, invoice_id=uuid7(), balance=60_000),
        payment(PaymentReceived, hers, 1, 30_000, received_on=date(2026, 3, 20)),
        invoice(InvoicePaid, his, 1, 40_000, invoice_id=uuid7(), balance=0),
        payment(PaymentReceived, his, 1, 40_000, received_on=date(2026, 3, 10)),
        estimate(EstimateSent, his, 1, estimate_id=uuid7()),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"is_customer": True}, ["Cy", "Bob", "Ann"]),
        ({"is_customer": False}, ["Di"]),
        ({"has_balance": True}, ["Ann"]),
        ({"has_balance": False}, ["Cy", "Bob"]),
        ({"is_overdue": True}, ["Ann"]),
        ({"is_overdue": False}, ["Cy", "Bob"]),
        ({"has_open_estimate": True}, ["Bob"]),
        ({"has_open_estimate": False}, ["Cy", "Ann"]),
        ({"paid_at_least": 30_000}, ["Bob", "Ann"]),
        ({"paid_at_least": 30_001}, ["Bob"]),
        ({"paid_at_least": 0}, ["Cy", "Bob", "Ann"]),
        ({"balance_at_least": 60_000}, ["Ann"]),
        ({"invoiced_at_least": 40_001}, ["Ann"]),
        ({"last_paid_from": "2026-03-11"}, ["Ann"]),
        ({"last_paid_until": "2026-03-10"}, ["Bob"]),
        ({"last_paid_from": "2026-03-10", "last_paid_until": "2026-03-20"}, ["Bob", "Ann"]),
        ({"is_customer": False, "has_balance": False}, []),
        ({"has_balance": True, "q": "ann"}, ["Ann"]),
        ({"has_balance": True, "q": "bob"}, []),
        ({"sort": "paid"}, ["Bob", "Ann", "Cy"]),
        ({"sort": "balance", "has_balance": True}, ["Ann"]),
        ({"sort": "invoiced"}, ["Ann", "Bob", "Cy"]),
        ({"sort": "overdue", "is_overdue": True}, ["Ann"]),
        ({"sort": "open_estimates", "has_open_estimate": True}, ["Bob"]),
        ({"sort": "last_paid"}, ["Ann", "Bob"]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("three_customers")
async def test_contacts_are_filtered_and_sorted_by_money(
    client: httpx.AsyncClient, query: dict[str, Any], expected: list[str]
) -> None:
    page = (await client.get(CONTACTS, params=query)).json()
    assert ([item["first_name"] for item in page["items"]], page["total"]) == (expected, len(expected))


@pytest.mark.usefixtures("three_customers")
@pytest.mark.parametrize("sort", ["paid", "last_paid"])
async def test_pages_sorted_by_money_go_on_where_they_ended(client: httpx.AsyncClient, sort: str) -> None:
    whole = await names(client, sort=sort)
    params: dict[str, Any] = {"sort": sort, "limit": 1}
    seen: list[str] = []
    while True:
        page = (await client.get(CONTACTS, params=params)).json()
        seen += [item["first_name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == whole


@pytest.mark.usefixtures("three_customers")
async def test_a_cursor_belongs_to_its_money_filter(client: httpx.AsyncClient) -> None:
    params: dict[str, Any] = {"limit": 1, "paid_at_least": 1}
    params["cursor"] = (await client.get(CONTACTS, params=params)).json()["next_cursor"]
    assert (await client.get(CONTACTS, params=params)).status_code == 200
    other = await client.get(CONTACTS, params={**params, "paid_at_least": 2})
    assert (other.status_code, other.json()["code"]) == (422, "invalid")


async def test_a_contact_without_a_customer_has_unknown_money(client: httpx.AsyncClient, ann: dict[str, Any]) -> None:
    assert ann["money"] is None
    [item] = (await client.get(CONTACTS)).json()["items"]
    assert item["money"] is None
    for query in ({"has_balance": "false"}, {"is_overdue": "false"}, {"sort": "balance"}):
        assert await names(client, **query) == []
