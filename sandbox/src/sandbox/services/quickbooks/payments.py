"""Payments: whose they are, and what they may be given to."""

from sandbox.models import QbObject
from sandbox.quickbooks import faults
from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.forms import ZERO, Document, check_open, object_number, paid, shares
from sandbox.quickbooks.money import number
from sandbox.services.quickbooks.store import Store
from shared import decimal_json


async def prepared_payment(store: Store, body: Document) -> Document:
    """The payment with what the server adds, but its customer's name. Raises the fault of what it cannot pay."""
    total, given = number(body["TotalAmt"], "TotalAmt"), ZERO
    if total < 0:
        raise faults.negative_amount()
    payer = object_number((body.get("CustomerRef") or {}).get("value"))
    for (kind, object_id), amount in shares(body).items():
        target = await store.find(kind, object_id)
        if target is None:
            raise faults.invalid_reference("LinkedTxn")
        if payer not in await _payers(store, target):
            raise faults.business("The customer of the payment is not the customer of what it pays, nor its parent.")
        given += amount if kind == "Invoice" else -amount
    if given > total:
        raise faults.business("The amount applied is more than the amount of the payment.")
    body = paid(body, total, given)
    desk = await store.desk(body)
    body["TxnDate"] = body.get("TxnDate") or desk.today.isoformat()
    check_open(body, desk)
    return body


async def _payers(store: Store, target: QbObject) -> set[int]:
    """Who may pay it: its customer, and the parent of whom that is a job."""
    customer = await store.get(KINDS["Customer"], target.customer_id)
    parent = object_number((decimal_json.read(customer.body).get("ParentRef") or {}).get("value"))
    return {customer.id} if parent is None else {customer.id, parent}
