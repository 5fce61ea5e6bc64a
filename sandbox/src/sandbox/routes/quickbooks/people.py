"""/sandbox/v1/quickbooks/companies/{realm_id}: what people do inside QuickBooks."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints
from shared.errors import Conflict, NotFound
from shared.http import ApiRouter, problems

from sandbox.models import QbObject
from sandbox.quickbooks.entities import BY_PATH, KINDS
from sandbox.routes.control_key import Controller
from sandbox.routes.quickbooks.company import PersonsBooks, Strict, faults_as_problems

router = ApiRouter(prefix="/sandbox/v1/quickbooks/companies/{realm_id}", tags=["quickbooks"])

ObjectId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$")]
Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
Reference = Annotated[str, StringConstraints(max_length=21, pattern=r"^[^\x00]*$")]
Note = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]


class NewPayment(Strict):
    """Somebody types a payment into QuickBooks: for an invoice, or, without one, on account."""

    customer_id: ObjectId
    amount: Amount
    invoice_id: ObjectId | None = None
    reference: Reference = ""


class NewRefund(Strict):
    """Somebody types a refund receipt into QuickBooks, with one line; the money leaves the first bank account."""

    customer_id: ObjectId
    amount: Amount
    reference: Reference = ""
    note: Note = ""


class NewDeposit(Strict):
    """Somebody takes payments to the bank: they are not changed any more until the deposit is deleted."""

    payment_ids: Annotated[list[ObjectId], Field(min_length=1, max_length=100)]


class Merge(Strict):
    kept_id: ObjectId
    gone_id: ObjectId


class Spoilt(Strict):
    estimate_id: ObjectId


class Written(BaseModel):
    kind: str
    id: str
    sync_token: str

    @classmethod
    def of(cls, row: QbObject) -> "Written":
        return cls(kind=row.kind, id=str(row.id), sync_token=str(row.sync_token))


@router.post("/payments", status_code=201, responses=problems(NotFound, Conflict))
async def post_payment(new: NewPayment, books: PersonsBooks, caller: Controller) -> Written:
    body: dict[str, Any] = {"CustomerRef": {"value": new.customer_id}, "TotalAmt": new.amount}
    if new.reference:
        body["PaymentRefNum"] = new.reference
    if new.invoice_id:
        body["Line"] = [{"Amount": new.amount, "LinkedTxn": [{"TxnId": new.invoice_id, "TxnType": "Invoice"}]}]
    with faults_as_problems():
        return Written.of(await books.create(KINDS["Payment"], body))


@router.post("/refunds", status_code=201, responses=problems(NotFound, Conflict))
async def post_refund(new: NewRefund, books: PersonsBooks, caller: Controller) -> Written:
    line = {"DetailType": "SalesItemLineDetail", "Amount": new.amount, "SalesItemLineDetail": {}}
    texts = {"PaymentRefNum": new.reference, "PrivateNote": new.note}
    with faults_as_problems():
        body = {
            "CustomerRef": {"value": new.customer_id},
            "DepositToAccountRef": await books.bank_account(),
            "Line": [line],
            **{name: text for name, text in texts.items() if text},
        }
        return Written.of(await books.create(KINDS["RefundReceipt"], body))


@router.post("/deposits", status_code=201, responses=problems(NotFound, Conflict))
async def post_deposit(new: NewDeposit, books: PersonsBooks, caller: Controller) -> Written:
    with faults_as_problems():
        lines = [
            {
                "Amount": await books.total_of(KINDS["Payment"], payment_id),
                "LinkedTxn": [{"TxnId": payment_id, "TxnType": "Payment", "TxnLineId": "0"}],
            }
            for payment_id in new.payment_ids
        ]
        body = {"DepositToAccountRef": await books.bank_account(), "Line": lines}
        return Written.of(await books.create(KINDS["Deposit"], body))


@router.post("/{kind}/{object_id}/{verb}", responses=problems(NotFound, Conflict))
async def change(
    kind: Literal["invoice", "payment", "estimate", "creditmemo", "refundreceipt", "deposit"],
    object_id: ObjectId,
    verb: Literal["void", "delete"],
    books: PersonsBooks,
    caller: Controller,
) -> Written:
    """Somebody voids or deletes a transaction inside QuickBooks, whatever its SyncToken is by now."""
    found = BY_PATH[kind]
    with faults_as_problems():
        given = await books.newest(found, object_id)
        return Written.of(await (books.void if verb == "void" else books.delete)(found, given))


@router.post("/spoil-estimate", responses=problems(NotFound, Conflict))
async def spoil_estimate(spoilt: Spoilt, books: PersonsBooks, caller: Controller) -> Written:
    """The books hold an estimate that no app can read: its last day is none."""
    with faults_as_problems():
        return Written.of(await books.spoil_estimate(spoilt.estimate_id))


@router.post("/merge-customers", responses=problems(NotFound, Conflict))
async def merge_customers(merge: Merge, books: PersonsBooks, caller: Controller) -> Written:
    """Somebody merges two customers inside QuickBooks."""
    if merge.kept_id == merge.gone_id:
        raise Conflict("A customer is not merged with itself.")
    with faults_as_problems():
        return Written.of(await books.merge_customers(merge.kept_id, merge.gone_id))
