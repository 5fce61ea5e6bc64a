"""What of a first reading is still worth telling once it has come to its end."""

from datetime import UTC, datetime

import pytest
from billing.models import Estimate, Invoice, Payment
from billing.services.telling import is_still_so
from billing.states import EstimateStatus
from shared.events import billing
from shared.events.envelope import Event

AT = datetime(2031, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "status", "is_told"),
    [
        (billing.EstimateAccepted, EstimateStatus.ACCEPTED, True),
        (billing.EstimateAccepted, EstimateStatus.CLOSED, True),
        (billing.EstimateAccepted, EstimateStatus.DECLINED, False),
        (billing.EstimateAccepted, EstimateStatus.OPEN, False),
        (billing.EstimateSent, EstimateStatus.DECLINED, True),
    ],
)
def test_an_answer_is_told_unless_it_was_changed(event: type[Event], status: EstimateStatus, is_told: bool) -> None:
    assert is_still_so(event, Estimate(status=status)) is is_told


def test_what_was_paid_is_told_as_long_as_it_is() -> None:
    assert is_still_so(billing.InvoicePaid, Invoice(paid_at=AT))
    assert not is_still_so(billing.InvoicePaid, Invoice(paid_at=None))
    assert is_still_so(billing.InvoiceIssued, Invoice(paid_at=None))


@pytest.mark.parametrize("event", [billing.PaymentReceived, billing.PaymentRefunded])
def test_money_that_was_taken_back_is_not_told_to_have_come(event: type[Event]) -> None:
    assert is_still_so(event, Payment(is_voided=False, is_deleted=False))
    assert not is_still_so(event, Payment(is_voided=True, is_deleted=False))
    assert not is_still_so(event, Payment(is_voided=False, is_deleted=True))
