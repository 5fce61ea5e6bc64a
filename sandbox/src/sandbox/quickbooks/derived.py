"""What follows from what is written: due dates, links to pay at, and what is left of a voided transaction."""

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

ZERO = Decimal("0.00")
ONLINE_PAYMENTS = ("AllowOnlineACHPayment", "AllowOnlineCreditCardPayment")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def due_date(written: date, term: Mapping[str, Any] | None) -> date:
    """The date plus the term's days, or the next day of the month that the term names."""
    if term is None:
        return written
    if term.get("Type") == "DATE_DRIVEN" and term.get("DayOfMonthDue"):
        return _next_day_of_month(written, int(term["DayOfMonthDue"]))
    return written + timedelta(days=int(term.get("DueDays") or 0))


def _next_day_of_month(written: date, day: int) -> date:
    year, month = written.year, written.month
    due = date(year, month, min(day, monthrange(year, month)[1]))
    if due >= written:
        return due
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return date(year, month, min(day, monthrange(year, month)[1]))


def invoice_link(realm_id: str, invoice: Mapping[str, Any]) -> str | None:
    """Where the customer pays it; None where it is not to be paid online, or has no valid address to be sent to."""
    if not any(invoice.get(way) for way in ONLINE_PAYMENTS):
        return None
    address = str((invoice.get("BillEmail") or {}).get("Address") or "")
    if not _ADDRESS.fullmatch(address):
        return None
    return f"https://connect.intuit.com/portal/app/CommerceNetwork/view/scs-v1-{realm_id}-{invoice['Id']}"


def voided(body: Mapping[str, Any]) -> dict[str, Any]:
    """The transaction with nothing in it: amounts and quantities 0, no links, `Voided` before its private note."""
    lines = [_emptied(line) for line in body.get("Line") or ()]
    empty = {name: ZERO for name in ("TotalAmt", "Balance", "UnappliedAmt", "Deposit") if name in body}
    note = str(body.get("PrivateNote") or "")
    if not note.startswith("Voided"):
        note = " - ".join(filter(None, ("Voided", note)))
    tax = {"TxnTaxDetail": {"TotalTax": ZERO}} if "TxnTaxDetail" in body else {}
    return {**body, **empty, **tax, "Line": lines, "LinkedTxn": [], "PrivateNote": note[:4000]}


def _emptied(line: Mapping[str, Any]) -> dict[str, Any]:
    emptied = {**line, "Amount": ZERO, "LinkedTxn": []} if "LinkedTxn" in line else {**line, "Amount": ZERO}
    detail = line.get("SalesItemLineDetail")
    if detail:
        emptied["SalesItemLineDetail"] = {**detail, **{name: ZERO for name in ("Qty",) if name in detail}}
    return emptied
