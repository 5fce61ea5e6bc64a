"""What billing tells of estimates, invoices, payments and jobs, on the timeline of whose customer it is."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from shared.events.billing import (
    AppliedItem,
    EstimateAccepted,
    EstimateSent,
    InvoiceChanged,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceSent,
    JobCompleted,
    JobScheduled,
    PaymentChanged,
    PaymentReceived,
)
from shared.events.envelope import Money
from shared.ids import uuid7

from .bookkeeping import (
    CONTACTS,
    NOON,
    NOTHING_KNOWN,
    Tell,
    at,
    create,
    estimate,
    invoice,
    job,
    linked,
    merge,
    money,
    moves,
    names,
    payment,
    timeline,
    unlinked,
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
        "state": "open",
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
    await tell(unlinked(customer, ann, 2, hours=6))
    assert (await moves(client, ann), await money(client, ann)) == (["customer linked", "customer unlinked"], None)
    await tell(linked(customer, bob, 3, hours=7))
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


async def test_what_is_told_of_a_contact_that_is_not_here_is_kept_and_shown_to_nobody(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    customer, stranger = uuid7(), {"id": str(uuid7())}
    await tell(
        linked(customer, stranger),
        invoice(InvoiceIssued, customer, 1, invoice_id=uuid7()),
        job(JobScheduled, stranger, 1, job_id=uuid7()),
        job(JobScheduled, None, 1, job_id=uuid7()),
    )
    assert (await moves(client, ann), await names(client, is_customer=True)) == ([], [])
    await tell(linked(customer, ann, 2))
    assert await moves(client, ann) == ["customer linked", "invoice issued"]


async def test_a_job_that_was_given_to_a_contact_later_brings_its_history(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any]
) -> None:
    job_id = uuid7()
    await tell(job(JobScheduled, None, 1, job_id=job_id))
    await tell(job(JobCompleted, ann, 3, job_id=job_id), job(JobScheduled, None, 2, job_id=job_id))
    assert await moves(client, ann) == ["job scheduled", "job scheduled", "job completed"]
