"""What is owed and was paid: shown, filtered and sorted by."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
from contacts.queries import money as read
from contacts.services.billing import BillingService
from contacts.services.contacts import ContactService
from shared.database import Begin
from shared.events.billing import (
    EstimateAccepted,
    EstimateChanged,
    EstimateDeclined,
    EstimateExpired,
    EstimateSent,
    InvoiceChanged,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceVoided,
    PaymentChanged,
    PaymentReceived,
    PaymentRefunded,
    PaymentVoided,
)
from shared.ids import uuid7
from shared.testing.waiting import until
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .bookkeeping import (
    CONTACTS,
    NOTHING_KNOWN,
    Tell,
    create,
    estimate,
    invoice,
    linked,
    money,
    names,
    payment,
    timeline,
)


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
    for kinds in ((EstimateDeclined, EstimateSent), (EstimateSent, EstimateDeclined)):
        both = uuid7()
        await tell(*(estimate(kind, customer, 1, estimate_id=both) for kind in kinds))
    assert await open_ones() == (2, 130_000)
    assert await names(client, has_open_estimate=True) == ["Ann"]


@pytest.mark.parametrize("status", ["closed", "deleted"])
async def test_an_estimate_that_was_closed_or_deleted_is_not_open_until_it_is_reopened(
    client: httpx.AsyncClient, tell: Tell, ann: dict[str, Any], status: str
) -> None:
    customer, estimate_id = uuid7(), uuid7()

    def moved(kind: Any, version: int, **fields: Any) -> Any:
        return estimate(kind, customer, version, estimate_id=estimate_id, **fields)

    await tell(linked(customer, ann), moved(EstimateSent, 1, status="open"))
    await tell(moved(EstimateChanged, 2, status="open", cents=70_000))
    assert (await money(client, ann) or {})["open_estimate_cents"] == 70_000
    await tell(moved(EstimateChanged, 3, status=status, cents=70_000))
    assert await names(client, has_open_estimate=True) == []
    # That it had been sent is told later, of how it stands by then.
    await tell(moved(EstimateSent, 4, status=status))
    assert await names(client, has_open_estimate=True) == []
    await tell(moved(EstimateChanged, 5, status="open"))
    assert await names(client, has_open_estimate=True) == ["Ann"]
    changes = [entry["details"] for entry in await timeline(client, ann) if entry["details"]["status"] == "changed"]
    assert changes[1]["before"] == {"state": "open"}


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
        ({"sort": "paid", "is_customer": True, "paid_at_least": 1}, ["Bob", "Ann"]),
        ({"sort": "paid", "is_customer": False}, []),
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


@pytest.mark.parametrize("query", ["last_paid_from=0", "last_paid_until=1767225600", "paid_at_least=-1", "sort=profit"])
async def test_a_malformed_condition_on_money_names_its_field(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{CONTACTS}?{query}")
    field = f"query.{query.partition('=')[0]}"
    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])


@pytest.mark.usefixtures("three_customers")
@pytest.mark.parametrize("sort", [*get_args(read.MoneySort), "newest", "oldest", "name"])
async def test_every_condition_goes_with_every_sort(client: httpx.AsyncClient, sort: str) -> None:
    conditions = {
        "is_customer": True,
        "has_balance": True,
        "is_overdue": True,
        "has_open_estimate": False,
        "invoiced_at_least": 90_000,
        "paid_at_least": 30_000,
        "balance_at_least": 60_000,
        "last_paid_from": "2026-03-20",
        "last_paid_until": "2026-03-20",
    }
    assert await names(client, sort=sort, **conditions) == ["Ann"]
    assert await names(client, sort=sort, **conditions | {"is_customer": False}) == []
