"""What we write into QuickBooks, as its documents. Pure: the text is stored before it is sent, and sent as stored."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.lines import Line, LineKind, read_lines
from billing.models import ContactCopy, Customer, Estimate, Invoice
from billing.models.books import Form
from shared import decimal_json

MARK = "crm:"
"""What our forms carry in their private note, before our id: by it a write whose answer was lost is known again."""

Document = dict[str, Any]

_NAMES = {
    "display_name": "DisplayName",
    "given_name": "GivenName",
    "family_name": "FamilyName",
    "company_name": "CompanyName",
}
_ADDRESS = {"street": "Line1", "city": "City", "region": "CountrySubDivisionCode", "postal_code": "PostalCode"}


def customer(row: Customer) -> Document:
    body: Document = _said({key: getattr(row, name) for name, key in _NAMES.items()})
    if row.email:
        body["PrimaryEmailAddr"] = {"Address": row.email}
    if row.phone:
        body["PrimaryPhone"] = {"FreeFormNumber": row.phone}
    if address := _said({key: getattr(row, name) for name, key in _ADDRESS.items()}):
        body["BillAddr"] = address
    return {**body, "Notes": f"{MARK}{row.id}"}


def changed_customer(row: Customer, changes: Mapping[str, str | None]) -> Document:
    """A sparse update with `changes`, by our names. An empty text takes something away. An address goes as a whole,
    with what it has that is not edited here.
    """
    body: Document = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True}
    body |= {_NAMES[name]: value or "" for name, value in changes.items() if name in _NAMES}
    if "email" in changes:
        body["PrimaryEmailAddr"] = {"Address": changes["email"] or ""}
    if "phone" in changes:
        body["PrimaryPhone"] = {"FreeFormNumber": changes["phone"] or ""}
    if changes.keys() & _ADDRESS.keys():
        ours = {key: changes.get(name, getattr(row, name)) or "" for name, key in _ADDRESS.items()}
        body["BillAddr"] = {**row.address_rest, **ours}
    return body


def says(seen: object, values: Mapping[str, str | None]) -> bool:
    """Whether what was read has all of these."""
    return all((getattr(seen, name, None) or None) == value for name, value in values.items())


def estimate(row: Estimate, customer_qb_id: str) -> Document:
    body = _form(row, customer_qb_id)
    return body | ({"ExpirationDate": row.expires_on.isoformat()} if row.expires_on else {})


def invoice(row: Invoice, customer_qb_id: str, *, estimate_qb_id: str | None, term_qb_id: str | None) -> Document:
    """`estimate_qb_id` only where this invoice completes the estimate: QuickBooks links one invoice to it."""
    body = _form(row, customer_qb_id)
    if estimate_qb_id:
        body["LinkedTxn"] = [{"TxnId": estimate_qb_id, "TxnType": "Estimate"}]
    if term_qb_id:
        body["SalesTermRef"] = {"value": term_qb_id}
    if row.due_on:
        body["DueDate"] = row.due_on.isoformat()
    return body


def marked_estimate(row: Estimate, status: str, by: str | None, on: str) -> Document:
    body: Document = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "TxnStatus": status}
    return body | ({"AcceptedBy": by[:100], "AcceptedDate": on} if status == "Accepted" and by else {})


def voided(qb_id: str, sync_token: int) -> Document:
    return {"Id": qb_id, "SyncToken": str(sync_token)}


def note_of(form_id: object) -> str:
    return f"{MARK}{form_id}"


def text(document: Mapping[str, Any]) -> str:
    return decimal_json.write(document)


def display_name(contact: ContactCopy) -> str:
    """What a person is called in QuickBooks: a name without colon, tab or line break, at most 500 characters."""
    person = " ".join(filter(None, (contact.given_name, contact.family_name)))
    name = person or contact.company_name or next(iter(contact.phones), "") or next(iter(contact.emails), "")
    return " ".join(name.replace(":", " ").split())[:450]


def _form(row: Form, customer_qb_id: str) -> Document:
    lines = read_lines(row.lines)
    body: Document = {
        "CustomerRef": {"value": customer_qb_id},
        "DocNumber": row.number,
        "TxnDate": row.written_on.isoformat(),
        "PrivateNote": note_of(row.id),
        "Line": [_line(line) for line in lines],
    }
    if any(line.kind is LineKind.DISCOUNT for line in lines):
        # Said either way: what is left out is as the company likes it, and the total another than was accepted.
        body["ApplyTaxAfterDiscount"] = any(line.is_before_tax for line in lines)
    if row.email:
        body["BillEmail"] = {"Address": row.email}
    if row.memo:
        body["CustomerMemo"] = {"value": row.memo}
    return body


def _line(line: Line) -> Document:
    amount = Decimal(line.amount_cents).scaleb(-2)
    match line.kind:
        case LineKind.ITEM:
            # A line that was typed in QuickBooks may name an amount alone.
            known = {"ItemRef": line.item and {"value": line.item}, "Qty": line.quantity, "UnitPrice": line.unit_price}
            detail: Document = {name: value for name, value in known.items() if value is not None}
            detail["TaxCodeRef"] = {"value": "TAX" if line.is_taxable else "NON"}
            body: Document = {"DetailType": "SalesItemLineDetail", "Amount": amount, "SalesItemLineDetail": detail}
        case LineKind.DISCOUNT if line.percent is not None:
            discount = {"PercentBased": True, "DiscountPercent": line.percent}
            body = {"DetailType": "DiscountLineDetail", "DiscountLineDetail": discount}
        case LineKind.DISCOUNT:
            body = {"DetailType": "DiscountLineDetail", "Amount": amount, "DiscountLineDetail": {"PercentBased": False}}
        case LineKind.TEXT:
            body = {"DetailType": "DescriptionOnly", "DescriptionLineDetail": {}}
    return body | ({"Description": line.description} if line.description else {})


def _said(members: dict[str, str | None]) -> Document:
    return {name: value for name, value in members.items() if value}
