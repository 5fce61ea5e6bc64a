"""Billing's client and the sandbox, both held against the description of QuickBooks: neither may agree with the other
alone."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from billing.clients.quickbooks.client import QuickBooksClient, Wire
from billing.clients.quickbooks.oauth import OAuthClient
from billing.provider import GrantRefused
from shared.clock import wall_now
from shared.errors import ProviderError

from contract.boundaries import NOBODY, PROVIDER_KEY, QUICKBOOKS_DESCRIPTION, SPECS, Boundary
from contract.intuit import REDIRECT, Company
from contract.provider_description import ProviderDescription

REALM = "9130350000000008"
CALLED = {
    "companyInfo",
    "preferences",
    "read",
    "query",
    "changes",
    "agedReceivables",
    "writeCustomer",
    "writeInvoice",
    "send",
    "pdf",
}


@pytest.fixture(scope="session")
def company(quickbooks: Boundary) -> Company:
    company = Company(quickbooks, REALM)
    company.open()
    company.connect()
    company.fill()
    return company


@pytest.fixture
def judge() -> ProviderDescription:
    return ProviderDescription(QUICKBOOKS_DESCRIPTION)


@pytest_asyncio.fixture
async def http(quickbooks: Boundary, judge: ProviderDescription) -> AsyncIterator[httpx.AsyncClient]:
    hooks: dict[str, list[Any]] = {"request": [judge.check_request], "response": [judge.check_response]}
    async with httpx.AsyncClient(base_url=quickbooks.url, timeout=30, event_hooks=hooks) as http:
        yield http


@pytest.fixture
def client(company: Company, http: httpx.AsyncClient) -> QuickBooksClient:
    async def token(realm_id: str, rejected: str | None = None) -> str:
        return company.token

    async def go_on(*_: Any) -> None:
        """No rate to keep to."""

    async def take_if_free(realm_id: str) -> bool:
        return True

    return QuickBooksClient(Wire(http, token, go_on, take_if_free, go_on, 1.0, 30.0), REALM)


def _invoice(company: Company, number: str) -> str:
    detail = {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}}
    line = {"DetailType": "SalesItemLineDetail", "Amount": 500, "SalesItemLineDetail": detail}
    return json.dumps({"CustomerRef": {"value": company.ids["Customer"]}, "DocNumber": number, "Line": [line]})


async def test_every_operation_that_we_call_keeps_to_the_description(
    company: Company, client: QuickBooksClient, judge: ProviderDescription
) -> None:
    await client.company()
    made = await client.write("Customer", '{"DisplayName":"Ben Ortiz"}', request_id=str(uuid4()))
    assert [one.id for one in await client.by_name("Ben Ortiz")] == [made.id]
    invoice = await client.write("Invoice", _invoice(company, "C-1"), request_id=str(uuid4()))
    assert [one.id for one in await client.by_number("Invoice", "C-1")] == [invoice.id]
    sent = await client.send_form("Invoice", invoice.id, to="ana@example.com", request_id=str(uuid4()))
    assert (await client.pdf("Invoice", invoice.id)).startswith(b"%PDF")
    assert await client.pay_link(invoice.id, gives_way=False) is None
    since = wall_now() - timedelta(days=1)
    for kind in ("Customer", "Item", "Term", "Estimate", "Invoice", "Payment", "CreditMemo", "RefundReceipt"):
        assert await client.page(kind, 1, 100)
        assert (await client.changes([kind], since))[kind]
        await client.page_changed(kind, since, 1, 10)
        await client.find(kind, ["1", "2"])
    await client.owed(wall_now().date())
    named = json.dumps({"Id": sent.id, "SyncToken": sent.sync_token})
    await client.write("Invoice", named, request_id=str(uuid4()), operation="void")
    assert judge.seen.keys() == CALLED


async def test_refusals_are_the_providers_and_are_understood(
    company: Company, client: QuickBooksClient, judge: ProviderDescription
) -> None:
    with pytest.raises(ProviderError):
        await client.read("Invoice", "999999")
    with pytest.raises(ProviderError):
        await client.write("Customer", '{"DisplayName":"Ana Lima"}', request_id=str(uuid4()))
    company.token, kept = "garbage", company.token
    with pytest.raises(ProviderError):
        await client.company()
    company.token = kept
    assert judge.seen == {"read": {400}, "writeCustomer": {400}, "companyInfo": {401}}


async def test_consents_keep_to_the_description(
    quickbooks: Boundary, http: httpx.AsyncClient, judge: ProviderDescription
) -> None:
    settings = SPECS["billing"].settings(
        database_url="postgresql://nobody", nats_url=NOBODY, mode="sandbox", openphone_url=quickbooks.url,
        billing_key="00" * 32, quickbooks_client_secret=PROVIDER_KEY, quickbooks_verifier_token="x",
        quickbooks_token_url="", public_url=REDIRECT.removesuffix("/callback"),
    )  # fmt: skip
    oauth = OAuthClient(http, settings)
    back = (await http.get(oauth.authorize_address("s"))).headers["location"]
    tokens = await oauth.exchange(httpx.URL(back).params["code"])
    await oauth.revoke((await oauth.refresh(tokens.refresh)).refresh)
    with pytest.raises(GrantRefused):
        await oauth.refresh(tokens.refresh)
    assert judge.seen == {"authorize": {302}, "token": {200, 400}, "revoke": {200}}


async def test_the_judge_refuses_what_is_not_described(http: httpx.AsyncClient, company: Company) -> None:
    for method, path, options in (
        ("GET", "unicorn", {}),
        ("GET", "query", {"params": {"query": "select * from Item", "page": "1"}}),
        ("POST", "invoice", {"json": {"Colour": "red"}}),
        ("POST", "estimate/1/send", {"json": {}}),
    ):
        with pytest.raises((AssertionError, ValueError)):
            await http.request(method, f"/v3/company/{REALM}/{path}", headers=company.headers(), **options)
