"""What state an invoice is in: QuickBooks keeps none, it follows from the figures (reference, section 9.5)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from billing.states import InvoiceStatus


@dataclass(frozen=True)
class Standing:
    """What decides about an invoice."""

    is_written: bool
    """It stands in QuickBooks."""
    total_cents: int
    balance_cents: int
    due_on: date | None
    is_voided: bool = False
    is_deleted: bool = False


def status_of(standing: Standing, today: date) -> InvoiceStatus:
    """`today` in the company's zone: an invoice is overdue from the day after it was due."""
    if standing.is_deleted:
        return InvoiceStatus.DELETED
    if standing.is_voided:
        return InvoiceStatus.VOIDED
    if not standing.is_written:
        return InvoiceStatus.PENDING
    if standing.balance_cents <= 0:
        return InvoiceStatus.PAID if standing.total_cents > 0 else InvoiceStatus.NOTHING_DUE
    if standing.due_on is not None and standing.due_on < today:
        return InvoiceStatus.OVERDUE
    return InvoiceStatus.PARTIAL if standing.balance_cents < standing.total_cents else InvoiceStatus.OPEN


def company_day(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def company_midnight(day: date, zone: str) -> datetime:
    """The instant at which a day begins where the company is."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
