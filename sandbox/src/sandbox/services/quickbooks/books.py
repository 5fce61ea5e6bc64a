"""Writing in a company's books, with what each write does to the other transactions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.models import QbObject
from sandbox.quickbooks import faults
from sandbox.quickbooks.derived import voided
from sandbox.quickbooks.entities import KINDS, UNIQUE_NAMES, Kind, Subscription
from sandbox.quickbooks.forms import (
    ZERO,
    Document,
    check_open,
    checked,
    completed,
    deposited,
    display_name,
    named,
    shares,
    updated,
)
from sandbox.quickbooks.money import number
from sandbox.services.quickbooks.deposits import deposit_of, prepared_deposit
from sandbox.services.quickbooks.payments import prepared_payment
from sandbox.services.quickbooks.store import Store
from shared import decimal_json

FORMS = ("Estimate", "Invoice", "CreditMemo", "RefundReceipt")
MONEY = ("Payment", "CreditMemo")
MONEY_ACCOUNTS = ("Bank", "Other Current Asset")
DELETED_SUFFIX = " (deleted)"
NO_DAY = "in spring"
_OTHER_PERSON = "another user"


class Books:
    """Lives for one transaction. Every method raises a QuickBooksFault and has then changed nothing that is kept."""

    def __init__(self, store: Store, *, by: str = "api", request_id: str | None = None) -> None:
        self._store = store
        self._shapes = store.controls.shapes
        self._by = by
        self._request_id = request_id

    async def create(self, kind: Kind, given: Mapping[str, Any], *, allows_taken_number: bool = False) -> QbObject:
        self._check_subscription()
        body = checked(kind, given)
        await self._check_references(kind, body)
        body = await self._prepared(kind, body, None, allows_taken_number=allows_taken_number)
        links = await self._outgoing(kind, body, given, None)
        row = await self._store.add(kind, body)
        self._note(row, "created")
        await self._link(row, links)
        return row

    async def update(self, kind: Kind, given: Mapping[str, Any]) -> QbObject:
        """A full or, with `sparse`, a partial update."""
        row = await self._current(kind, given)
        is_sparse = self._is_sparse(kind, given)
        stored = decimal_json.read(row.body)
        if kind.is_transaction:
            check_open(stored, await self._store.desk(stored))
        body = updated(kind, stored, checked(kind, given, is_sparse=is_sparse), is_sparse=is_sparse)
        if "Active" in given:
            body["Active"] = given["Active"] is not False
        await self._check_references(kind, body)
        body = await self._prepared(kind, body, row)
        if row.is_active and body.get("Active") is False:
            body = await self._deactivated(row, body)
        links = await self._outgoing(kind, body, given, row)
        self._store.touch(row, body)
        self._note(row, "updated")
        await self._link(row, links)
        return row

    def _is_sparse(self, kind: Kind, given: Mapping[str, Any]) -> bool:
        """Whether what the update omits is kept. Raises where it has to hold more than it does."""
        if given.get("sparse") is not True or kind.name not in MONEY or self._shapes.sparse_money == "kept":
            return given.get("sparse") is True
        if self._shapes.sparse_money == "required":
            checked(kind, given)
        return self._shapes.sparse_money == "required"

    async def delete(self, kind: Kind, given: Mapping[str, Any]) -> QbObject:
        """Only transactions are deleted: what they gave to others is taken back, what they got goes back."""
        if not kind.is_transaction:
            raise faults.unsupported_operation()
        row = await self._current(kind, given)
        body = decimal_json.read(row.body)
        check_open(body, await self._store.desk(body))
        targets = await self._store.set_links(row, {})
        givers = await self._store.cut_links_to(row)
        self._store.touch(row, body)
        row.is_deleted = True
        await self._refresh({*targets, *givers}, by=row)
        self._note(row, "deleted")
        return row

    async def void(self, kind: Kind, given: Mapping[str, Any]) -> QbObject:
        """Keep the transaction with nothing in it. Payments of a voided invoice are unapplied."""
        if kind.voids_by is None:
            raise faults.unsupported_operation()
        row = await self._current(kind, given)
        body = decimal_json.read(row.body)
        check_open(body, await self._store.desk(body))
        targets = await self._store.set_links(row, {})
        givers = await self._store.cut_links_to(row)
        self._store.touch(row, voided(body))
        await self._refresh({*targets, *givers}, by=row)
        self._note(row, "void")
        return row

    async def mark_sent(self, kind: Kind, object_id: object, address: str | None) -> QbObject:
        """E-mail the form: it goes into the outbox. Raises where there is no address to send it to."""
        self._check_subscription()
        row = await self._store.get(kind, object_id, lock=True)
        body = decimal_json.read(row.body)
        if address:
            body["BillEmail"] = {"Address": address}
        to = (body.get("BillEmail") or {}).get("Address")
        if not to:
            raise faults.missing_email()
        body["EmailStatus"] = "EmailSent"
        body["DeliveryInfo"] = {"DeliveryType": "Email", "DeliveryTime": self._store.local(self._store.now)}
        self._store.touch(row, body)
        self._store.post(row, to=str(to), balance=body.get("Balance"))
        self._note(row, "emailed")
        return row

    async def merge_customers(self, kept_id: object, gone_id: object) -> QbObject:
        """A person merges two customers: everything of the second one is the first one's, and it is gone."""
        self._check_subscription()
        kind = KINDS["Customer"]
        kept = await self._store.get(kind, kept_id, lock=True)
        gone = await self._store.get(kind, gone_id, lock=True)
        for row in await self._store.all_of_customer(gone.id):
            body = decimal_json.read(row.body)
            body["CustomerRef"] = self._reference(kept)
            self._store.touch(row, body)
        gone.is_deleted = True
        self._store.touch(gone, decimal_json.read(gone.body))
        await self._refresh_balance(kept)
        self._store.note(kept, "merged", by=self._by, request_id=self._request_id, deleted_id=str(gone.id))
        return kept

    async def spoil_estimate(self, object_id: object) -> QbObject:
        """Its last day becomes what is no day, past every check, as books may hold from before there was one."""
        row = await self._store.get(KINDS["Estimate"], object_id, lock=True)
        self._store.touch(row, {**decimal_json.read(row.body), "ExpirationDate": NO_DAY})
        self._note(row, "updated")
        return row

    async def newest(self, kind: Kind, object_id: object) -> Document:
        """What names the object as it stands now, for a person who is looking at it."""
        row = await self._store.get(kind, object_id)
        return {"Id": str(row.id), "SyncToken": str(row.sync_token)}

    async def total_of(self, kind: Kind, object_id: object) -> Decimal:
        return Decimal((await self._store.get(kind, object_id)).total or ZERO)

    async def bank_account(self) -> Document:
        """The reference of the company's first bank account."""
        for row in await self._store.all_of(KINDS["Account"]):
            if row.is_active and decimal_json.read(row.body).get("AccountType") == "Bank":
                return self._reference(row)
        raise faults.business("The company has no bank account.")

    async def _current(self, kind: Kind, given: Mapping[str, Any]) -> QbObject:
        """The object that is to be changed, if the caller has seen its newest state."""
        self._check_subscription()
        if not given.get("Id"):
            raise faults.missing_parameter("Id")
        row = await self._store.get(kind, given["Id"], lock=True)
        if given.get("SyncToken") is None:
            raise faults.missing_parameter("SyncToken")
        if str(given["SyncToken"]) != str(row.sync_token):
            raise faults.stale_object(_OTHER_PERSON)
        if kind.name == "Payment" and await deposit_of(self._store, row) is not None:
            raise faults.deposited()
        return row

    def _check_subscription(self) -> None:
        if self._store.company.subscription is not Subscription.ACTIVE:
            raise faults.subscription_ended()

    async def _check_references(self, kind: Kind, body: Mapping[str, Any]) -> None:
        for name, target in kind.references.items():
            reference = body.get(name)
            if reference is None:
                continue
            found = await self._store.find(target, (reference or {}).get("value"))
            if found is None:
                raise faults.invalid_reference(name)
            if not found.is_active:
                raise faults.inactive()
            if name == "DepositToAccountRef" and decimal_json.read(found.body).get("AccountType") not in MONEY_ACCOUNTS:
                raise faults.business("Money is kept in an account of the type Bank or Other Current Asset.")
        for line in body.get("Line") or () if kind.name in FORMS else ():
            item = ((line or {}).get("SalesItemLineDetail") or {}).get("ItemRef")
            found = await self._store.find("Item", item.get("value")) if item else None
            if item and (found is None or not found.is_active):
                raise faults.invalid_reference("ItemRef") if found is None else faults.inactive()

    async def _prepared(
        self, kind: Kind, body: Document, row: QbObject | None, *, allows_taken_number: bool = False
    ) -> Document:
        if kind.name in UNIQUE_NAMES:
            return await self._named(kind, body, row)
        if kind.name == "Payment":
            body = await prepared_payment(self._store, body)
            return {**body, "CustomerRef": await self._with_name("Customer", body["CustomerRef"])}
        if kind.name == "Deposit":
            return await prepared_deposit(self._store, body, row)
        if kind.name == "Item":
            await self._check_item_name(body, row)
        if kind.name not in FORMS:
            return {"Active": True, **body}
        body = {**body, "DocNumber": await self._number(kind, body, row, allows_taken=allows_taken_number)}
        if body.get("CustomerRef"):
            if row is None:
                body = await self._addressed(body)
            body["CustomerRef"] = await self._with_name("Customer", body["CustomerRef"])
        body = completed(kind, body, await self._store.desk(body))
        if kind.name == "Invoice":
            paid = sum([link.amount for link in await self._store.links_to(row)], ZERO) if row else ZERO
            body["Balance"] = self._owed(body) - paid
        if kind.name == "CreditMemo":
            used = sum([link.amount for link in await self._store.links_to(row)], ZERO) if row else ZERO
            body["RemainingCredit"] = body["Balance"] = Decimal(body["TotalAmt"]) - used
        return body

    async def _addressed(self, body: Document) -> Document:
        """A new form with its customer's addresses where it names none. The customer's e-mail is not copied."""
        customer = await self._store.find("Customer", body["CustomerRef"].get("value"))
        known = decimal_json.read(customer.body) if customer is not None else {}
        return {name: known[name] for name in ("BillAddr", "ShipAddr") if known.get(name)} | body

    def _owed(self, invoice: Document) -> Decimal:
        """The total, less the money that was taken with the invoice. Raises where that is more."""
        total, deposit = Decimal(invoice["TotalAmt"]), number(invoice.get("Deposit") or 0, "Deposit")
        if not 0 <= deposit <= max(total, ZERO):
            raise faults.deposit_mismatch()
        return total - deposit if self._shapes.takes_deposit_off else total

    async def _named(self, kind: Kind, body: Document, row: QbObject | None) -> Document:
        name = display_name(body)
        if await self._store.holder_of_name(name, except_for=row) is not None:
            raise faults.duplicate_name()
        return named(body, name, is_customer=kind.name == "Customer")

    async def _check_item_name(self, body: Document, row: QbObject | None) -> None:
        if await self._store.holder_of_name(body["Name"], kinds=("Item",), except_for=row) is not None:
            raise faults.duplicate_name("product or service")

    async def _number(self, kind: Kind, body: Document, row: QbObject | None, *, allows_taken: bool) -> str | None:
        """Its own number where the company lets apps choose, else the next of the server's sequence."""
        chosen = body.get("DocNumber")
        if not self._store.company.preferences["SalesFormsPrefs"]["CustomTxnNumbers"] or chosen == "AUTO_GENERATE":
            return row.doc_number if row else await self._store.next_number(kind)
        if not chosen:
            return None
        holder = await self._store.holder_of_number(kind.name, chosen, except_for=row)
        if holder is not None and not allows_taken and self._store.controls.shapes.has_unique_numbers:
            raise faults.duplicate_document_number(chosen, kind.name, str(holder.id))
        return str(chosen)

    async def _outgoing(
        self, kind: Kind, body: Document, given: Mapping[str, Any], row: QbObject | None
    ) -> dict[tuple[str, int], Decimal] | None:
        """The links that the write makes; None where it leaves them as they are."""
        if kind.name == "Payment":
            return shares(body)
        if kind.name == "Deposit":
            return deposited(body)
        if kind.name != "Invoice" or row is not None:
            return None
        links: dict[tuple[str, int], Decimal] = {}
        for link in given.get("LinkedTxn") or ():
            if link.get("TxnType") == "Estimate":
                estimate = await self._store.find("Estimate", link.get("TxnId"), lock=True)
                if estimate is None:
                    raise faults.invalid_reference("LinkedTxn")
                # One that is closed or rejected is not linked, and nothing says so.
                if decimal_json.read(estimate.body)["TxnStatus"] in ("Pending", "Accepted"):
                    links["Estimate", estimate.id] = Decimal(body["TotalAmt"])
        return links

    async def _link(self, row: QbObject, links: dict[tuple[str, int], Decimal] | None) -> None:
        changed = set() if links is None else {*await self._store.set_links(row, links), (row.kind, row.id)}
        await self._refresh(changed, by=row)

    async def _refresh(self, changed: set[tuple[str, int]], *, by: QbObject) -> None:
        """Work out anew what transactions owe, have left, and are linked with, and what that leaves their customers
        owing: what a parent pays may be its job's.
        """
        customers = {by.customer_id}
        for kind, object_id in sorted(changed):
            row = await self._store.find(kind, object_id, lock=True)
            if row is None:
                continue
            before = decimal_json.read(row.body)
            after = await self._standing(row, before)
            if after == before:
                continue
            is_echo = row.created_at == self._store.now or row.updated_at == self._store.now
            (self._store.put if is_echo else self._store.touch)(row, after)
            if not is_echo:
                self._note(row, "updated")
            customers.add(row.customer_id)
        for customer_id in sorted(filter(None, customers)):
            await self._refresh_customer(customer_id)

    async def _standing(self, row: QbObject, body: Document) -> Document:
        outgoing, incoming = await self._store.links_from(row), await self._store.links_to(row)
        linked = [{"TxnId": str(link.to_id), "TxnType": link.to_kind} for link in outgoing if row.kind == "Invoice"]
        linked += [{"TxnId": str(link.from_id), "TxnType": link.from_kind} for link in incoming]
        after = {**body, "LinkedTxn": linked}
        taken = sum([link.amount for link in incoming], ZERO)
        if row.kind == "Invoice":
            after["Balance"] = self._owed(body) - taken
            if after["Balance"] < 0:
                raise faults.business("More would be applied than the invoice is open for.")
        elif row.kind == "CreditMemo":
            after["RemainingCredit"] = after["Balance"] = Decimal(body["TotalAmt"]) - taken
        elif row.kind == "Payment":
            lines = [
                line for line in body["Line"] if any(_is_linked(line, link.to_kind, link.to_id) for link in outgoing)
            ]
            given = sum([link.amount if link.to_kind == "Invoice" else -link.amount for link in outgoing], ZERO)
            after |= {"Line": lines, "UnappliedAmt": Decimal(body["TotalAmt"]) - given}
            # A deposit is all that a payment is shown to be linked with; what it pays stands in its lines.
            if not linked:
                after.pop("LinkedTxn")
        elif row.kind == "Deposit":
            after = body
        elif row.kind == "Estimate":
            is_linked = any(link.from_kind == "Invoice" for link in incoming)
            if is_linked and body["TxnStatus"] in ("Pending", "Accepted"):
                after["TxnStatus"] = self._shapes.linked_estimate
            elif not is_linked and body["TxnStatus"] == self._shapes.linked_estimate and body.get("LinkedTxn"):
                after["TxnStatus"] = "Accepted" if body.get("AcceptedDate") else "Pending"
        return after

    async def _refresh_customer(self, customer_id: str) -> None:
        customer = await self._store.find("Customer", customer_id, lock=True)
        if customer is not None:
            await self._refresh_balance(customer)

    async def _refresh_balance(self, customer: QbObject) -> None:
        """A changed balance is no change that the customer's SyncToken counts."""
        body = decimal_json.read(customer.body)
        balance = await self._store.open_balance(customer.id)
        if body.get("Balance") != balance:
            updated_at = customer.updated_at
            self._store.put(customer, {**body, "Balance": balance, "BalanceWithJobs": balance})
            customer.updated_at = updated_at

    async def _deactivated(self, row: QbObject, body: Document) -> Document:
        if row.kind == "Customer" and Decimal(body.get("Balance") or 0):
            raise faults.nonzero_balance()
        name = "DisplayName" if row.kind in UNIQUE_NAMES else "Name"
        has_suffix = row.kind == "Item" or (row.kind == "Customer" and self._shapes.has_deleted_suffix)
        return {**body, name: f"{body[name]}{DELETED_SUFFIX}"} if has_suffix else body

    async def _with_name(self, kind: str, reference: Mapping[str, Any]) -> Document:
        row = await self._store.find(kind, reference.get("value"))
        return self._reference(row) if row is not None else dict(reference)

    @staticmethod
    def _reference(row: QbObject) -> Document:
        body = decimal_json.read(row.body)
        return {"value": str(row.id), "name": body.get("DisplayName") or body.get("Name")}

    def _note(self, row: QbObject, operation: str) -> None:
        self._store.note(row, operation, by=self._by, request_id=self._request_id)


def _is_linked(line: Mapping[str, Any], kind: str, object_id: int) -> bool:
    return any(
        link.get("TxnType") == kind and link.get("TxnId") == str(object_id) for link in line.get("LinkedTxn") or ()
    )
