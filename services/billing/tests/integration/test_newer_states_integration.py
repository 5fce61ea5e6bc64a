"""Of two states of one object the newer one stands, whichever is read first."""

from datetime import timedelta
from typing import Any

import pytest
from billing.models import CreditMemo, Customer, Estimate, Invoice, Payment
from billing.provider import Seen
from billing.services.mirror import MirrorService
from billing.states import EstimateStatus

from .books import by_id, changed, form, pay, reader, sold
from .office import LOST, REALM, Office

HOUR = timedelta(hours=1)


async def test_an_older_state_never_replaces_a_newer_one(connected: Office) -> None:
    books = await reader(connected)
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    payment = await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.settle()
    kinds = (("Customer", ana), ("Invoice", invoice), ("Payment", payment))
    old = {kind: await books.read(REALM, kind, [made["Id"]]) for kind, made in kinds}
    await changed(connected, "Customer", ana, DisplayName="Ana Brooks")
    await changed(connected, "Payment", payment, CustomerRef={"value": ana["Id"]}, TotalAmt=30, PaymentRefNum="check 7")
    await changed(connected, "Invoice", invoice, Line=[sold("95.00")])
    await connected.settle()
    before = await connected.published()
    await _store(connected, old)
    assert (await by_id(connected, Customer, ana)).display_name == "Ana Brooks"
    row = await by_id(connected, Invoice, invoice)
    assert (row.total_cents, row.balance_cents) == (9_500, 6_500)
    assert (await by_id(connected, Payment, payment)).reference == "check 7"
    assert await connected.published() == before


@pytest.mark.parametrize("kind", ["Estimate", "Invoice", "CreditMemo", "Payment"])
async def test_what_was_deleted_is_not_brought_back_by_a_reader_who_was_slow(connected: Office, kind: str) -> None:
    books = await reader(connected)
    ana = await connected.new_customer("Ana Lima")
    if kind == "Payment":
        made = await pay(connected, ana["Id"], "30")
    else:
        made = await form(connected, kind, ana["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await changed(
        connected,
        kind,
        made,
        **(
            {"CustomerRef": {"value": ana["Id"]}, "TotalAmt": 31, "Line": []}
            if kind == "Payment"
            else {"PrivateNote": "x"}
        ),
    )
    newest = await books.read(REALM, kind, [made["Id"]])
    await connected.people_do(f"{kind.lower()}/{made['Id']}/delete")
    await books.take_again(REALM, {kind: {made["Id"]}})
    before = await connected.published()
    await _store(connected, {kind: newest})
    models: dict[str, Any] = {"Estimate": Estimate, "Invoice": Invoice, "CreditMemo": CreditMemo, "Payment": Payment}
    row = await by_id(connected, models[kind], made)
    assert row.is_deleted
    figures = ("balance_cents", "remaining_cents", "amount_cents", "unapplied_cents")
    assert {getattr(row, name, 0) for name in figures} == {0}
    assert kind != "Estimate" or row.status is EstimateStatus.DELETED
    assert await connected.published() == before
    owed = (await connected.api.get("/api/v1/receivables")).json()
    assert owed["totals"] in ({}, {"USD": {**owed["totals"].get("USD", {}), "total": 0}}) or kind != "Invoice"


async def _store(office: Office, found: dict[str, list[Seen]]) -> None:
    async with office.begin() as tx:
        mirror = await tx.aget(MirrorService)
        for entity, seen in found.items():
            await mirror.store(REALM, entity, seen)
