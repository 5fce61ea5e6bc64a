"""The clients that others publish, unchanged, against our QuickBooks: what they expect of Intuit, they find."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from intuitlib.client import AuthClient
from intuitlib.enums import Scopes
from intuitlib.exceptions import AuthClientError
from quickbooks import QuickBooks
from quickbooks.batch import BatchManager
from quickbooks.cdc import change_data_capture
from quickbooks.exceptions import ObjectNotFoundException, QuickbooksException
from quickbooks.objects import Customer, Deposit, DepositLine, Estimate, Invoice, Item, Payment, RefundReceipt
from quickbooks.objects.base import LinkedTxn, Ref
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail
from quickbooks.objects.payment import PaymentLine
from shared.ids import uuid7

from .boundaries import Boundary
from .conftest import CONTROL_KEY, PROVIDER_KEY

REALM = "9130350000000001"
REDIRECT = "http://localhost:8080/callback"


def _auth_client(quickbooks: Boundary) -> AuthClient:
    # Any other environment than Intuit's two is the address of a discovery document.
    discovery = f"{quickbooks.url}/.well-known/openid_sandbox_configuration"
    return AuthClient("sandbox-app", PROVIDER_KEY, REDIRECT, discovery)


def _consent(auth: AuthClient, realm_id: str = REALM) -> tuple[str, str]:
    """What the person's browser brings back: the code and the company."""
    address = auth.get_authorization_url([Scopes.ACCOUNTING], state_token="s1") + f"&realmId={realm_id}"
    callback = httpx.get(address, follow_redirects=False).headers["location"]
    given = parse_qs(urlsplit(callback).query)
    assert given["state"] == ["s1"]
    return given["code"][0], given["realmId"][0]


@contextmanager
def _client(quickbooks: Boundary, monkeypatch: pytest.MonkeyPatch, realm_id: str = REALM) -> Iterator[QuickBooks]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setattr(QuickBooks, "api_url_v3", f"{quickbooks.url}/v3")
    with _auth_client(quickbooks) as auth:
        auth.get_bearer_token(*_consent(auth, realm_id))
        client = QuickBooks(auth_client=auth, company_id=realm_id, minorversion=75, use_decimal=True)
        yield client
        client.session.close()


@pytest.fixture
def client(quickbooks: Boundary, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickBooks]:
    with _client(quickbooks, monkeypatch) as client:
        yield client


Turned = Callable[..., QuickBooks]


@pytest.fixture
def turned(turned_quickbooks: Boundary, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turned]:
    """`turned(shapes={...})`: a client of a company of the test's own, and the controls turned for the test."""
    realm_id = f"91303500{uuid7().int % 10**8:08d}"
    controls = httpx.Client(base_url=turned_quickbooks.url, headers={"X-Sandbox-Key": CONTROL_KEY}, timeout=30)
    with controls, ExitStack() as stack:
        before = controls.get("/sandbox/v1/controls").json()
        company = {"realm_id": realm_id, "name": "Its own"}
        controls.post("/sandbox/v1/quickbooks/companies", json=company).raise_for_status()

        def turn(**changes: Any) -> QuickBooks:
            controls.patch("/sandbox/v1/controls", json={"quickbooks": changes}).raise_for_status()
            return stack.enter_context(_client(turned_quickbooks, monkeypatch, realm_id))

        yield turn
        controls.put("/sandbox/v1/controls", json=before).raise_for_status()


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


@pytest.mark.parametrize("most", [10, 30, 50])
def test_the_common_client_fills_a_batch_up_to_its_size(turned: Turned, most: int) -> None:
    client = turned(shapes={"batch_most": most})
    saved = BatchManager("create", max_request_items=most).save(_unsaved(most + 1), qb=client)
    assert (len(saved.successes), saved.faults) == (most + 1, [])
    with pytest.raises(QuickbooksException) as refused:
        BatchManager("create", max_request_items=most + 1).save(_unsaved(most + 1), qb=client)
    assert refused.value.error_code == 1040


def test_the_common_client_is_held_to_the_batches_of_a_minute(turned: Turned) -> None:
    # Throttling in lower-case JSON is what this client takes for an answer; in XML it sees that it is none.
    client = turned(limits={"batch_per_minute": 2, "throttled_shape": "xml"})
    one_by_one = BatchManager("create", max_request_items=1)
    assert len(one_by_one.save(_unsaved(2), qb=client).successes) == 2
    with pytest.raises(QuickbooksException):
        one_by_one.save(_unsaved(1), qb=client)
    # Other calls have room in the minute, and so have batches where only those of all calls are counted.
    _customer(client)
    client = turned(limits={"batch_per_minute": None})
    assert len(one_by_one.save(_unsaved(3), qb=client).successes) == 3


def _unsaved(count: int) -> list[Customer]:
    customers = [Customer() for _ in range(count)]
    for customer in customers:
        customer.DisplayName = f"Ana Lima {uuid7()}"
    return customers


def _ref(object_id: str) -> Ref:
    ref = Ref()
    ref.value = object_id
    return ref
