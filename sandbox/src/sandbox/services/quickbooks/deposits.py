"""Deposits: payments that have reached a bank, and are held fast by it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.models import QbObject
from sandbox.quickbooks import faults
from sandbox.quickbooks.forms import HOME_CURRENCY, ZERO, Document, check_open, deposited
from sandbox.quickbooks.money import cents, number
from sandbox.services.quickbooks.store import Store
from shared import decimal_json

UNDEPOSITED = "UndepositedFunds"


async def prepared_deposit(store: Store, body: Document, row: QbObject | None) -> Document:
    """The deposit with everything that the server adds. Raises the fault of a payment that it cannot hold."""
    for (_, payment_id), amount in deposited(body).items():
        payment = await store.find("Payment", payment_id, lock=True)
        if payment is None:
            raise faults.invalid_reference("LinkedTxn")
        holder = await deposit_of(store, payment)
        if holder is not None and (row is None or holder != row.id):
            raise faults.business("The payment is in another deposit already.")
        await _check_waiting(store, decimal_json.read(payment.body), amount)
    await _check_accounts(store, body)
    body = {"CurrencyRef": HOME_CURRENCY, **body}
    body["Line"] = [{**line, "Id": str(place), "LineNum": place} for place, line in enumerate(body["Line"], start=1)]
    body["TotalAmt"] = cents(sum([number(line["Amount"], "Amount") for line in body["Line"]], ZERO))
    if body["TotalAmt"] < 0:
        raise faults.negative_amount()
    desk = await store.desk(body)
    body["TxnDate"] = body.get("TxnDate") or desk.today.isoformat()
    check_open(body, desk)
    return body


async def _check_waiting(store: Store, payment: Mapping[str, Any], amount: Decimal) -> None:
    """The whole payment is deposited, out of where undeposited money waits."""
    if amount != Decimal(payment["TotalAmt"]):
        raise faults.business("A payment is deposited with its whole amount.")
    reference = payment.get("DepositToAccountRef") or {}
    account = await store.find("Account", reference.get("value")) if reference else None
    if account is not None and decimal_json.read(account.body).get("AccountSubType") != UNDEPOSITED:
        raise faults.business("The payment has gone to an account and is not among the undeposited funds.")


async def _check_accounts(store: Store, body: Mapping[str, Any]) -> None:
    for line in body["Line"]:
        account = (line.get("DepositLineDetail") or {}).get("AccountRef")
        if account and await store.find("Account", account.get("value")) is None:
            raise faults.invalid_reference("AccountRef")


async def deposit_of(store: Store, payment: QbObject) -> int | None:
    """The id of the deposit that holds the payment."""
    return next((link.from_id for link in await store.links_to(payment) if link.from_kind == "Deposit"), None)
