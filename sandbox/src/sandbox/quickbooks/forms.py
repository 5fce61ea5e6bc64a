"""What a company's books make of a written form: lines numbered, totals worked out, dates filled in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sandbox.quickbooks import faults
from sandbox.quickbooks.derived import ONLINE_PAYMENTS, due_date
from sandbox.quickbooks.entities import READ_ONLY, Kind
from sandbox.quickbooks.members import check_members, with_numbers
from sandbox.quickbooks.money import checked_amount, compute_totals, number, with_discounts

Document = dict[str, Any]
MOST_LINES = 750
SERVER_OWNED = frozenset({"Id", "SyncToken", "sparse", "domain", "MetaData", "LinkedTxn"})
ZERO = Decimal("0.00")
HOME_CURRENCY: Document = {"value": "USD", "name": "United States Dollar"}
MOST_ID_DIGITS = 18
DATES = frozenset({"TxnDate", "DueDate", "ExpirationDate", "AcceptedDate"})
"""Days that have to be in the calendar, too."""


@dataclass(frozen=True)
class Desk:
    """What filling in a form needs of its company."""

    today: date
    tax_percent: Decimal | None
    """None where the company charges no tax."""
    closed_until: date | None
    """Nothing dated up to here may be written any more."""
    term: Document | None = None
    closed_code: Literal["6200", "6210"] = "6200"
    unit_price_wins: bool = False
    """A line's Amount is worked out anew where it is not its quantity times its price; else that is refused."""
    takes_online_payments: bool = False
    """What an invoice has that does not say how it may be paid online."""


def checked(kind: Kind, given: Mapping[str, Any], *, is_sparse: bool = False) -> Document:
    """What of `given` may be written. Raises a fault for what is not described, and for what is missing.

    A null or an empty text is as good as nothing; only a sparse update says by it what is to be emptied.
    """
    check_members(kind.name, given)
    given = with_numbers(given)
    for name in DATES & given.keys():
        if given[name] and not _is_in_calendar(given[name]):
            raise faults.unsupported_property(name)
    for name in kind.required:
        if given.get(name) in (None, "", []) and (name in given or not is_sparse):
            raise faults.missing_parameter(name)
    writable = {name: value for name, value in given.items() if _is_writable(kind, name)}
    return writable if is_sparse else _without_nothing(writable)


def _without_nothing(body: Mapping[str, Any]) -> Document:
    return {name: value for name, value in body.items() if value is not None and value != ""}


def _is_in_calendar(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_writable(kind: Kind, name: str) -> bool:
    if name in SERVER_OWNED:
        return False
    # A payment's total is the one total that its writer says.
    return name not in READ_ONLY or (kind.name == "Payment" and name == "TotalAmt")


def updated(kind: Kind, stored: Mapping[str, Any], given: Mapping[str, Any], *, is_sparse: bool) -> Document:
    """The body after an update. A full one drops what it omits; a sparse one keeps it, and replaces arrays whole."""
    if is_sparse:
        return _without_nothing({**stored, **given})
    kept = {name: value for name, value in stored.items() if not _is_writable(kind, name)}
    return {**kept, "Active": stored.get("Active", True), **given} if not kind.is_transaction else {**kept, **given}


def named(body: Document, name: str, *, is_customer: bool = True) -> Document:
    """A customer or vendor with everything that the server adds."""
    body = {"Active": True, "Balance": ZERO, "CurrencyRef": HOME_CURRENCY, **body, "DisplayName": name}
    if not is_customer:
        return body
    return {
        "Taxable": True,
        "Job": False,
        "PreferredDeliveryMethod": "Print",
        **body,
        "FullyQualifiedName": name,
    }


def paid(body: Document, total: Decimal, given: Decimal) -> Document:
    """A payment of which so much is given to other transactions."""
    return {
        "CurrencyRef": HOME_CURRENCY,
        "ProcessPayment": False,
        **body,
        "TotalAmt": total,
        "UnappliedAmt": total - given,
        "Line": body.get("Line") or [],
    }


def completed(kind: Kind, body: Document, desk: Desk) -> Document:
    """An estimate, invoice, credit memo or refund with everything that the server adds. Raises where its total would be
    below zero; a line alone may be.
    """
    body = {"CurrencyRef": HOME_CURRENCY, **body}
    body["TxnDate"] = body.get("TxnDate") or desk.today.isoformat()
    check_open(body, desk)
    lines = with_discounts(_numbered(body["Line"], desk))
    totals = compute_totals(lines, desk.tax_percent, discount_first=body.get("ApplyTaxAfterDiscount") is True)
    if totals.total < 0:
        raise faults.negative_amount()
    body["Line"] = [*lines, {"Amount": totals.subtotal, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}]
    body["TotalAmt"] = totals.total
    body["TxnTaxDetail"] = _tax_detail(desk.tax_percent, totals.tax, totals.taxable)
    body |= {name: value for name, value in _defaults(kind, desk).items() if name not in body}
    if kind.name == "Invoice" and not body.get("DueDate"):
        try:
            body["DueDate"] = due_date(date.fromisoformat(body["TxnDate"]), desk.term).isoformat()
        except (OverflowError, ValueError):  # After the last day that there is.
            raise faults.unsupported_property("TxnDate") from None
    return body


def check_open(body: Mapping[str, Any], desk: Desk) -> None:
    written = date.fromisoformat(body["TxnDate"])
    if desk.closed_until and written <= desk.closed_until:
        raise faults.period_closed(desk.closed_code)


def _defaults(kind: Kind, desk: Desk) -> Document:
    online = dict.fromkeys(ONLINE_PAYMENTS, desk.takes_online_payments)
    more: dict[str, Document] = {
        "Invoice": {"Deposit": ZERO, **online},
        "Estimate": {"TxnStatus": "Pending"},
        "RefundReceipt": {"Balance": ZERO},
    }
    shared: Document = {
        "ApplyTaxAfterDiscount": False,
        "PrintStatus": "NeedToPrint",
        "EmailStatus": "NotSet",
        "CustomField": [],
    }
    return {**shared, **more.get(kind.name, {})}


def _numbered(given: list[Document], desk: Desk) -> list[Document]:
    """The lines with their ids, known ones kept; the subtotal that the server adds is none of them."""
    if not isinstance(given, list) or not given:
        raise faults.no_lines()
    lines = [line for line in given if isinstance(line, dict) and line.get("DetailType") != "SubTotalLineDetail"]
    if not lines:
        raise faults.no_lines()
    if len(lines) > MOST_LINES:
        raise faults.business(f"A transaction has at most {MOST_LINES} lines.")
    highest = max((object_number(line.get("Id")) or 0 for line in lines), default=0)
    numbered = []
    for position, line in enumerate(lines, start=1):
        _check_line(line)
        amount = checked_amount(line, unit_price_wins=desk.unit_price_wins)
        priced = line if amount is None else {**line, "Amount": amount}
        line_id = object_number(line.get("Id"))
        if not line_id:
            highest += 1
            line_id = highest
        numbered.append({**priced, "Id": str(line_id), "LineNum": position})
    return numbered


def _check_line(line: Document) -> None:
    detail = line.get("DetailType")
    if detail not in ("SalesItemLineDetail", "DescriptionOnly", "DiscountLineDetail"):
        raise faults.business(f"The sandbox keeps no lines of the DetailType {detail!r}.")
    if detail == "SalesItemLineDetail":
        if line.get("Amount") is None:
            raise faults.missing_parameter("Amount")
        tax = (line.get("SalesItemLineDetail") or {}).get("TaxCodeRef")
        if tax is not None and tax.get("value") not in ("TAX", "NON"):
            raise faults.bad_tax_code()


def _tax_detail(percent: Decimal | None, tax: Decimal, taxable: Decimal) -> Document:
    if percent is None or not taxable:
        return {"TotalTax": ZERO}
    line = {
        "Amount": tax,
        "DetailType": "TaxLineDetail",
        "TaxLineDetail": {
            "TaxRateRef": {"value": "3"},
            "PercentBased": True,
            "TaxPercent": percent,
            "NetAmountTaxable": taxable,
        },
    }
    return {"TxnTaxCodeRef": {"value": "2"}, "TotalTax": tax, "TaxLine": [line]}


def object_number(value: object) -> int | None:
    """The number of an id as it was written; None where it is none that a column could hold."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_ID_DIGITS else None


def shares(payment: Mapping[str, Any]) -> dict[tuple[str, int], Decimal]:
    """What a payment's lines give to which transaction: (kind, id) → amount."""
    found: dict[tuple[str, int], Decimal] = {}
    for line in payment.get("Line") or ():
        amount = number(line.get("Amount") or 0, "Amount")
        if amount < 0:
            raise faults.negative_amount()
        for link in line.get("LinkedTxn") or ():
            object_id = object_number(link.get("TxnId"))
            if link.get("TxnType") not in ("Invoice", "CreditMemo") or object_id is None:
                raise faults.invalid_reference("LinkedTxn")
            key = (link["TxnType"], object_id)
            found[key] = found.get(key, ZERO) + amount
    return found


def deposited(deposit: Mapping[str, Any]) -> dict[tuple[str, int], Decimal]:
    """What a deposit's lines take from which payment. Each line is a payment, or other money of an account."""
    if not deposit.get("Line"):
        raise faults.no_lines()
    found: dict[tuple[str, int], Decimal] = {}
    for line in deposit["Line"]:
        if line.get("Amount") is None:
            raise faults.missing_parameter("Amount")
        amount, links = number(line["Amount"], "Amount"), line.get("LinkedTxn") or ()
        if not links and not (line.get("DepositLineDetail") or {}).get("AccountRef"):
            raise faults.missing_parameter("LinkedTxn")
        for link in links:
            object_id = object_number(link.get("TxnId"))
            if link.get("TxnType") != "Payment" or object_id is None:
                raise faults.invalid_reference("LinkedTxn")
            found["Payment", object_id] = found.get(("Payment", object_id), ZERO) + amount
    return found


def display_name(given: Mapping[str, Any]) -> str:
    """A customer's name, put together from its parts where none was given."""
    parts = (given.get(part) for part in ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix"))
    name = str(given.get("DisplayName") or " ".join(str(part) for part in parts if part) or "").strip()
    if not name:
        raise faults.no_name_part()
    if any(char in name for char in ":\t\n"):
        raise faults.business("A name holds no colon, tab or line break.")
    return name
