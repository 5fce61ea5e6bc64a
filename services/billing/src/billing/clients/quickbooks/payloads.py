"""QuickBooks's documents read into plain values. Members that we do not know are passed over; numbers are decimals."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

import structlog
from shared.errors import Invalid, ProviderOutcomeUnknown
from shared.rules.fast_phones import fast_phone
from shared.rules.money import to_cents

from billing.lines import Line, LineKind
from billing.provider import (
    NOBODY,
    PROVIDER,
    CompanySeen,
    CreditMemoSeen,
    CustomerSeen,
    EstimateSeen,
    Garbled,
    InvoiceSeen,
    ItemSeen,
    PaymentSeen,
    RefundSeen,
    Seen,
    Share,
    TermSeen,
)
from billing.states import EstimateStatus

log = structlog.get_logger(__name__)

Document = Mapping[str, Any]

# Of one that is none of these, nobody answered yet.
_STATUSES = {
    "pending": EstimateStatus.OPEN,
    "accepted": EstimateStatus.ACCEPTED,
    "rejected": EstimateStatus.DECLINED,
    "closed": EstimateStatus.CLOSED,
    "converted": EstimateStatus.CLOSED,
}
# What is read of an address, and what another address has another one of.
_NOT_OF_THE_REST = {"Line1", "City", "CountrySubDivisionCode", "PostalCode", "Id", "Lat", "Long"}


class Unreadable(ProviderOutcomeUnknown):
    """An answer that is none."""

    def __init__(self, what: str, *, operation: str) -> None:
        super().__init__(
            f"QuickBooks answered something that cannot be read: {what}.", provider=PROVIDER, operation=operation
        )


def seen(entity: str, document: Document) -> Seen:
    """Raises Unreadable."""
    try:
        head = _head(document)
        return Seen(**head) if head["is_deleted"] else _READERS[entity](document, head)
    except (KeyError, TypeError, ValueError, ArithmeticError, Invalid) as error:
        raise Unreadable(f"{entity} {document.get('Id')}: {error!r}", operation=f"read {entity}") from error


def listed(entity: str, documents: Iterable[Document]) -> list[Seen]:
    """All of them, in their order; what cannot be read is Garbled. Raises Unreadable for one without an id."""
    return [_seen_or_garbled(entity, document) for document in documents]


def _seen_or_garbled(entity: str, document: Document) -> Seen:
    try:
        return seen(entity, document)
    except Unreadable as error:
        if not isinstance(document, dict) or not document.get("Id"):
            raise
        log.error("quickbooks.garbled", entity=entity, qb_id=str(document["Id"]), error=type(error.__cause__).__name__)
        return Garbled(str(document["Id"]), -1, "", error=error.message)


def _head(document: Document) -> dict[str, Any]:
    updated = (document.get("MetaData") or {}).get("LastUpdatedTime")
    is_deleted = document.get("status") == "Deleted"
    return {
        "id": str(document["Id"]),
        # A tombstone says which state it is only by its time.
        "sync_token": -1 if is_deleted else int(document["SyncToken"]),
        "updated_at": _instant(updated).isoformat() if updated else "",
        "is_deleted": is_deleted,
    }


def _instant(text: str) -> datetime:
    """What names no offset is UTC already, not the machine's time."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _customer(document: Document, head: dict[str, Any]) -> CustomerSeen:
    address = document.get("BillAddr") or {}
    return CustomerSeen(
        **head,
        display_name=str(document.get("DisplayName") or ""),
        given_name=_text(document, "GivenName"),
        family_name=_text(document, "FamilyName"),
        company_name=_text(document, "CompanyName"),
        email=_lower((document.get("PrimaryEmailAddr") or {}).get("Address")),
        phone=_first_phone(document),
        street=_text(address, "Line1"),
        city=_text(address, "City"),
        region=_text(address, "CountrySubDivisionCode"),
        postal_code=_text(address, "PostalCode"),
        address_rest={
            name: str(value) for name, value in address.items() if value is not None and name not in _NOT_OF_THE_REST
        },
        is_active=bool(document.get("Active", True)),
        note=str(document.get("Notes") or ""),
    )


def _first_phone(document: Document) -> str | None:
    for name in ("PrimaryPhone", "Mobile", "AlternatePhone"):
        number = (document.get(name) or {}).get("FreeFormNumber")
        if number and (phone := _phone(str(number))):
            return phone
    return None


def _phone(number: str) -> str | None:
    try:
        return fast_phone(number)
    except Invalid:
        return None


def _item(document: Document, head: dict[str, Any]) -> ItemSeen:
    price = document.get("UnitPrice")
    return ItemSeen(
        **head,
        name=str(document.get("Name") or ""),
        kind=str(document.get("Type") or ""),
        description=_text(document, "Description"),
        unit_price=None if price is None else Decimal(price),
        is_taxable=bool(document.get("Taxable", False)),
        is_active=bool(document.get("Active", True)),
    )


def _term(document: Document, head: dict[str, Any]) -> TermSeen:
    return TermSeen(
        **head,
        name=str(document.get("Name") or ""),
        due_days=_integer(document.get("DueDays")),
        day_of_month=_integer(document.get("DayOfMonthDue")),
        is_active=bool(document.get("Active", True)),
    )


def _form(document: Document) -> dict[str, Any]:
    tax = document.get("TxnTaxDetail") or {}
    tax_cents = _cents(tax.get("TotalTax"))
    total = _cents(document.get("TotalAmt"))
    sent_at = (document.get("DeliveryInfo") or {}).get("DeliveryTime")
    return {
        "number": _text(document, "DocNumber"),
        "customer": str(document["CustomerRef"]["value"]),
        "written_on": _date(document.get("TxnDate")),
        "currency": _currency(document),
        "lines": tuple(_lines(document)),
        "subtotal_cents": total - tax_cents,
        "tax_cents": tax_cents,
        "tax_percent": _tax_percent(tax),
        "total_cents": total,
        "email": (document.get("BillEmail") or {}).get("Address"),
        "memo": (document.get("CustomerMemo") or {}).get("value"),
        "note": str(document.get("PrivateNote") or ""),
        "is_sent": document.get("EmailStatus") == "EmailSent",
        "sent_at": _instant(sent_at) if sent_at else None,
    }


def _estimate(document: Document, head: dict[str, Any]) -> EstimateSeen:
    return EstimateSeen(
        **head,
        **_form(document),
        status=_STATUSES.get(str(document.get("TxnStatus")).lower(), EstimateStatus.OPEN),
        expires_on=_date(document.get("ExpirationDate")),
        accepted_by=_text(document, "AcceptedBy"),
        accepted_on=_date(document.get("AcceptedDate")),
    )


def _invoice(document: Document, head: dict[str, Any]) -> InvoiceSeen:
    form = _form(document)
    balance = _cents(document.get("Balance"))
    is_empty = form["total_cents"] == 0 and balance == 0
    return InvoiceSeen(
        **head,
        **form,
        balance_cents=balance,
        due_on=_date(document.get("DueDate")),
        term=_ref(document.get("SalesTermRef")),
        estimate=_linked(document, "Estimate"),
        # There is no flag: nothing in it, and the word before its private note.
        is_voided=is_empty and form["note"].startswith("Voided"),
    )


def _linked(document: Document, kind: str) -> str | None:
    return next((str(link["TxnId"]) for link in document.get("LinkedTxn") or () if link.get("TxnType") == kind), None)


def _credit_memo(document: Document, head: dict[str, Any]) -> CreditMemoSeen:
    remaining = document.get("RemainingCredit", document.get("Balance"))
    return CreditMemoSeen(**head, **_form(document), remaining_cents=_cents(remaining))


def _payment(document: Document, head: dict[str, Any]) -> PaymentSeen:
    amount = _cents(document.get("TotalAmt"))
    note = str(document.get("PrivateNote") or "")
    return PaymentSeen(
        **head,
        customer=str(document["CustomerRef"]["value"]),
        amount_cents=amount,
        unapplied_cents=_cents(document.get("UnappliedAmt")),
        currency=_currency(document),
        received_on=_date(document.get("TxnDate")),
        reference=_text(document, "PaymentRefNum"),
        shares=tuple(share for line in document.get("Line") or () for share in _shares(line)),
        is_voided=amount == 0 and note.startswith("Voided"),
    )


def _shares(line: Document) -> list[Share]:
    amount = _cents(line.get("Amount"))
    links = [link for link in line.get("LinkedTxn") or () if link.get("TxnType") in ("Invoice", "CreditMemo")]
    return [Share(link["TxnType"], str(link["TxnId"]), amount) for link in links] if amount else []


def _refund(document: Document, head: dict[str, Any]) -> RefundSeen:
    amount = _cents(document.get("TotalAmt"))
    return RefundSeen(
        **head,
        customer=_ref(document.get("CustomerRef")) or NOBODY,
        amount_cents=amount,
        currency=_currency(document),
        received_on=_date(document.get("TxnDate")),
        reference=_text(document, "PaymentRefNum") or _text(document, "DocNumber"),
        is_voided=amount == 0 and str(document.get("PrivateNote") or "").startswith("Voided"),
    )


_READERS: dict[str, Callable[[Document, dict[str, Any]], Seen]] = {
    "Customer": _customer,
    "Item": _item,
    "Term": _term,
    "Estimate": _estimate,
    "Invoice": _invoice,
    "CreditMemo": _credit_memo,
    "Payment": _payment,
    "RefundReceipt": _refund,
}


def _lines(document: Document) -> Iterator[Line]:
    """The server's subtotal is none of ours; a bundle is a line of its name, and those that are in it."""
    is_tax_last = document.get("ApplyTaxAfterDiscount") is True
    for line in document.get("Line") or ():
        if line.get("DetailType") == "SubTotalLineDetail":
            continue
        group = line.get("GroupLineDetail") or {}
        if group.get("Line"):
            name = line.get("Description") or (group.get("GroupItemRef") or {}).get("name")
            yield Line(LineKind.TEXT, description=str(name or ""))
            yield from _lines(group)
        else:
            yield _line(line, is_tax_last=is_tax_last)


def _line(document: Document, *, is_tax_last: bool) -> Line:
    description = str(document.get("Description") or "")
    cents = _cents(document.get("Amount"))
    match document.get("DetailType"):
        case "SalesItemLineDetail":
            item = document.get("SalesItemLineDetail") or {}
            return Line(
                LineKind.ITEM,
                description=description,
                item=_ref(item.get("ItemRef")),
                quantity=_decimal(item.get("Qty")),
                unit_price=_decimal(item.get("UnitPrice")),
                amount_cents=cents,
                is_taxable=_ref(item.get("TaxCodeRef")) not in (None, "NON"),
            )
        case "DiscountLineDetail":
            discount = document.get("DiscountLineDetail") or {}
            percent = _decimal(discount.get("DiscountPercent")) if discount.get("PercentBased") else None
            return Line(
                LineKind.DISCOUNT,
                description=description,
                amount_cents=cents,
                percent=percent,
                is_before_tax=is_tax_last,
            )
        case _:
            return Line(LineKind.TEXT, description=description, amount_cents=cents)


def company(info: Document, preferences: Document) -> CompanySeen:
    forms, taxes = preferences.get("SalesFormsPrefs") or {}, preferences.get("TaxPrefs") or {}
    currency = ((preferences.get("CurrencyPrefs") or {}).get("HomeCurrency") or {}).get("value")
    accounting = preferences.get("AccountingInfoPrefs") or {}
    return CompanySeen(
        name=str(info.get("CompanyName") or info.get("LegalName") or ""),
        zone=_zone(info),
        currency=str(currency or "USD"),
        has_own_numbers=bool(forms.get("CustomTxnNumbers", False)),
        closed_until=_date(accounting.get("BookCloseDate")),
        uses_sales_tax=bool(taxes.get("UsingSalesTax", False)),
        takes_payments=bool(forms.get("ETransactionPaymentEnabled", False)),
    )


def pay_link(invoice: Document) -> str | None:
    """A browser is sent there: only to where nothing can be read on the way."""
    link = str(invoice.get("InvoiceLink") or "")
    return link if link.startswith("https://") else None


def _zone(info: Document) -> str | None:
    pairs = {pair.get("Name"): pair.get("Value") for pair in info.get("NameValue") or ()}
    zone = str(info.get("DefaultTimeZone") or pairs.get("DefaultTimeZone") or "")
    return zone if zone in available_timezones() else None


def _tax_percent(tax: Document) -> Decimal | None:
    lines = [line.get("TaxLineDetail") or {} for line in tax.get("TaxLine") or ()]
    percents = [_decimal(line.get("TaxPercent")) for line in lines if line.get("PercentBased")]
    known = [percent for percent in percents if percent is not None]
    return sum(known, Decimal(0)) if known else None


def _currency(document: Document) -> str:
    return _ref(document.get("CurrencyRef")) or "USD"


def _ref(document: Document | None) -> str | None:
    value = (document or {}).get("value")
    return None if value is None else str(value)


def _cents(value: Any) -> int:
    return 0 if value is None else to_cents(Decimal(value))


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _date(value: Any) -> date | None:
    return date.fromisoformat(value[:10]) if value else None


def _text(document: Document, name: str) -> str | None:
    return str(document[name]) if document.get(name) else None


def _lower(value: Any) -> str | None:
    return str(value).strip().lower() if value else None
