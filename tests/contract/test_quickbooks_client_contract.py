"""The clients that others publish, unchanged, against our QuickBooks: what they expect of Intuit, they find."""

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from intuitlib.client import AuthClient
from intuitlib.enums import Scopes
from intuitlib.exceptions import AuthClientError
from quickbooks import QuickBooks
from quickbooks.cdc import change_data_capture
from quickbooks.exceptions import ObjectNotFoundException, QuickbooksException
from quickbooks.objects import Customer, Deposit, DepositLine, Estimate, Invoice, Item, Payment, RefundReceipt
from quickbooks.objects.base import LinkedTxn, Ref
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.payment import PaymentLine
from shared.ids import uuid7

from .boundaries import Boundary
from .conftest import PROVIDER_KEY

REALM = "9130350000000001"
REDIRECT = "http://localhost:8080/callback"


def _auth_client(quickbooks: Boundary) -> AuthClient:
    # Any other environment than Intuit's two is the address of a discovery document.
    discovery = f"{quickbooks.url}/.well-known/openid_sandbox_configuration"
    return AuthClient("sandbox-app", PROVIDER_KEY, REDIRECT, discovery)


def _consent(auth: AuthClient) -> tuple[str, str]:
    """What the person's browser brings back: the code and the company."""
    address = auth.get_authorization_url([Scopes.ACCOUNTING], state_token="s1")
    callback = httpx.get(address, follow_redirects=False).headers["location"]
    given = parse_qs(urlsplit(callback).query)
    assert given["state"] == ["s1"]
    return given["code"][0], given["realmId"][0]


@pytest.fixture
def auth(quickbooks: Boundary) -> Iterator[AuthClient]:
    with _auth_client(quickbooks) as auth:
        auth.get_bearer_token(*_consent(auth))
        yield auth


@pytest.fixture
def client(auth: AuthClient, quickbooks: Boundary, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickBooks]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setattr(QuickBooks, "api_url_v3", f"{quickbooks.url}/v3")
    client = QuickBooks(auth_client=auth, company_id=REALM, minorversion=75, use_decimal=True)
    yield client
    client.session.close()


def test_intuits_own_client_connects_refreshes_and_revokes(quickbooks: Boundary) -> None:
    with _auth_client(quickbooks) as auth:
        auth.include_refresh_token_hard_expires_in = True
        auth.get_bearer_token(*_consent(auth))
        assert (auth.realm_id, auth.expires_in) == (REALM, 3600)
        first = auth.access_token
        auth.refresh()
        assert auth.access_token != first
        assert auth.x_refresh_token_hard_expires_in > auth.x_refresh_token_expires_in
        assert auth.revoke()
        with pytest.raises(AuthClientError) as refused:
            auth.refresh()
        assert refused.value.status_code == 400


def _customer(client: QuickBooks) -> Customer:
    customer = Customer()
    customer.DisplayName = f"Ana Lima {uuid7()}"
    return customer.save(qb=client)


def _line(amount: str) -> SalesItemLine:
    line = SalesItemLine()
    line.Amount = Decimal(amount)
    line.SalesItemLineDetail = SalesItemLineDetail()
    line.SalesItemLineDetail.ItemRef = Ref()
    line.SalesItemLineDetail.ItemRef.value = "1"
    line.SalesItemLineDetail.Qty, line.SalesItemLineDetail.UnitPrice = 1, line.Amount
    return line


def _save(
    form: Estimate | Invoice | RefundReceipt, customer: Customer, amount: str, client: QuickBooks
) -> Estimate | Invoice | RefundReceipt:
    form.CustomerRef = customer.to_ref()
    form.Line.append(_line(amount))
    form.save(qb=client)
    return form


def test_the_common_client_writes_reads_and_lists(client: QuickBooks) -> None:
    customer = _customer(client)
    customer.GivenName = "Ana"
    customer.save(qb=client)
    assert Customer.get(customer.Id, qb=client).GivenName == "Ana"
    assert [found.Id for found in Customer.filter(DisplayName=customer.DisplayName, qb=client)] == [customer.Id]
    assert Item.count(qb=client) == len(Item.all(qb=client))
    with pytest.raises(ObjectNotFoundException):
        Customer.get(999_999, qb=client)
    again = Customer()
    again.DisplayName = customer.DisplayName
    with pytest.raises(QuickbooksException) as refused:
        again.save(qb=client)
    assert refused.value.error_code == 6240


def test_the_common_client_bills_and_is_paid(client: QuickBooks) -> None:
    customer = _customer(client)
    estimate = _save(Estimate(), customer, "100.00", client)
    invoice = Invoice()
    link = LinkedTxn()
    link.TxnId, link.TxnType = estimate.Id, "Estimate"
    invoice.LinkedTxn.append(link)
    _save(invoice, customer, "100.00", client)
    assert Estimate.get(estimate.Id, qb=client).TxnStatus == "Closed"
    payment = Payment()
    payment.CustomerRef, payment.TotalAmt = customer.to_ref(), Decimal("40.00")
    line = PaymentLine()
    line.Amount = Decimal("40.00")
    line.LinkedTxn.append(invoice.to_linked_txn())
    payment.Line.append(line)
    payment.save(qb=client)
    open_invoice = Invoice.get(invoice.Id, qb=client)
    assert open_invoice.Balance == Decimal("60.00")
    payment.void(qb=client)
    assert Invoice.get(invoice.Id, qb=client).Balance == Decimal("100.00")
    assert open_invoice.download_pdf(qb=client).startswith(b"%PDF-")
    Invoice.get(invoice.Id, qb=client).void(qb=client)
    assert Invoice.get(invoice.Id, qb=client).TotalAmt == 0


def test_the_common_client_sees_changes_and_reports(client: QuickBooks) -> None:
    invoice = _save(Invoice(), _customer(client), "10.00", client)
    changes = change_data_capture([Invoice, Customer], "2026-11-01T00:00:00-08:00", qb=client)
    assert invoice.Id in {found.Id for found in changes.Invoice}
    assert client.get_report("AgedReceivables")["Header"]["ReportName"] == "AgedReceivables"


def test_the_common_client_refunds_and_deposits(client: QuickBooks) -> None:
    customer = _customer(client)
    refund = RefundReceipt()
    refund.DepositToAccountRef = _ref("2")
    _save(refund, customer, "12.50", client)
    found = RefundReceipt.get(refund.Id, qb=client)
    assert (found.TotalAmt, found.SyncToken) == (Decimal("12.50"), "0")
    assert RefundReceipt.filter(CustomerRef=customer.Id, qb=client)[0].Id == refund.Id
    payment = Payment()
    payment.CustomerRef, payment.TotalAmt = customer.to_ref(), Decimal("40.00")
    payment.save(qb=client)
    deposit, line, link = Deposit(), DepositLine(), LinkedTxn()
    link.TxnId, link.TxnType, link.TxnLineId = payment.Id, "Payment", "0"
    line.Amount = Decimal("40.00")
    line.LinkedTxn.append(link)
    deposit.DepositToAccountRef = _ref("2")
    deposit.Line.append(line)
    deposit.save(qb=client)
    assert Deposit.get(deposit.Id, qb=client).TotalAmt == Decimal("40.00")
    with pytest.raises(QuickbooksException) as refused:
        Payment.get(payment.Id, qb=client).void(qb=client)
    assert refused.value.error_code == 6540
    deposit.delete(qb=client)
    Payment.get(payment.Id, qb=client).void(qb=client)


def _ref(object_id: str) -> Ref:
    ref = Ref()
    ref.value = object_id
    return ref
