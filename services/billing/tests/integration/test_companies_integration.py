"""After a change of company: what stands in the books of one company is never written into those of another."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from billing.models import CandidateStatus, Customer, Estimate, Invoice, Item, MatchCandidate, Push
from billing.states import EstimateStatus
from sqlalchemy.ext.asyncio import AsyncSession

from .office import REALM, Office
from .sales import ANA, post

OTHER = "9130350000000002"
BEN = {"first_name": "Ben", "last_name": "Ode", "emails": ["ben@example.com"]}
FIRST_NAME = "Attack-a-Crack Foundation Repair"


async def draft(office: Office, **person: Any) -> dict[str, Any]:
    contact = await office.knows(**(person or ANA))
    sold = await office.one(Item, Item.name == "Carbon fiber strap", Item.realm_id == (await realm(office)))
    return await post(office, "estimates", contact_id=str(contact), lines=[{"item_id": str(sold.id)}])


async def realm(office: Office) -> str:
    return str((await office.health())["realm_id"])


async def written(office: Office, **person: Any) -> dict[str, Any]:
    made = await draft(office, **person)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    return made


async def connect_other(office: Office) -> None:
    """Disconnect, and connect another company, which sells the same things."""
    await post(office, "quickbooks/disconnect")
    body = {"realm_id": OTHER, "name": "Dry Cellars"}
    assert (await office.control.post("/sandbox/v1/quickbooks/companies", json=body)).is_success
    begun = await post(office, "quickbooks/connect")
    back = (await office.control.get(f"{begun['authorize_url']}&realmId={OTHER}")).headers["location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    await post(office, "quickbooks/callback", code=given["code"], state=given["state"], realm_id=given["realmId"])
    await office.settle()


async def written_in_other(office: Office) -> list[tuple[str, str]]:
    found = (await office.control.get(f"/sandbox/v1/quickbooks/companies/{OTHER}/ledger")).json()["items"]
    return [(line["kind"], line["operation"]) for line in found if line["by"] != "person"]


async def refused(office: Office, path: str, **body: Any) -> None:
    answer = await office.api.post(f"/api/v1/{path}", json=body)
    assert (path, answer.status_code, answer.json().get("code")) == (path, 409, "belongs_to_another_company")
    assert FIRST_NAME in answer.json()["detail"]
    assert "Dry Cellars" in answer.json()["detail"]


async def test_an_estimate_of_another_company_is_neither_written_sent_answered_nor_invoiced(
    connected: Office,
) -> None:
    unwritten = await draft(connected)
    is_open = await written(connected)
    agreed = await written(connected)
    await post(connected, f"estimates/{agreed['id']}/accept", name="Ana Lima")
    await connected.settle()
    before = await connected.pushes()
    await connect_other(connected)
    for estimate in (unwritten, is_open):
        await refused(connected, f"estimates/{estimate['id']}/push")
        await refused(connected, f"estimates/{estimate['id']}/send", to="ana@example.com")
    for verb in ("accept", "decline"):
        await refused(connected, f"estimates/{is_open['id']}/{verb}", name="Ana Lima")
    await refused(connected, "invoices", estimate_id=agreed["id"])
    await refused(connected, "invoices", estimate_id=agreed["id"], part="deposit", share="0.3")
    await connected.settle()
    assert await connected.pushes() == before
    assert await connected.rows(Invoice) == []
    assert await written_in_other(connected) == []


async def test_an_invoice_of_another_company_is_neither_sent_nor_voided(connected: Office) -> None:
    made = await written(connected)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    await connected.settle()
    before = await connected.pushes()
    await connect_other(connected)
    await refused(connected, f"invoices/{invoice['id']}/send", to="ana@example.com")
    await refused(connected, f"invoices/{invoice['id']}/void")
    assert await connected.pushes() == before


async def test_a_form_of_another_company_is_not_printed(connected: Office) -> None:
    made = await written(connected)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    await connected.settle()
    await connect_other(connected)
    for path in (f"estimates/{made['id']}/pdf", f"invoices/{invoice['id']}/pdf"):
        answer = await connected.api.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "belongs_to_another_company")


async def test_a_draft_of_another_company_is_not_edited_but_may_be_thrown_away(connected: Office) -> None:
    made = await draft(connected)
    await connect_other(connected)
    theirs = await connected.one(Item, Item.name == "Carbon fiber strap", Item.realm_id == OTHER)
    address, match = f"/api/v1/estimates/{made['id']}", {"If-Match": '"1"'}
    edited = await connected.api.patch(address, json={"lines": [{"item_id": str(theirs.id)}]}, headers=match)
    assert (edited.status_code, edited.json()["code"]) == (409, "belongs_to_another_company")
    assert (await connected.api.delete(address, headers=match)).status_code == 204


async def test_a_customer_of_another_company_is_neither_edited_nor_linked_nor_unlinked(connected: Office) -> None:
    await written(connected)
    linked = await connected.one(Customer)
    theirs = await connected.new_customer("Bo Berg")
    await connected.settle()
    stranger = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    ben = await connected.knows(**BEN)
    before = await connected.pushes()
    await connect_other(connected)
    body = {"phone": "+16175550777"}
    edited = await connected.api.patch(
        f"/api/v1/customers/{linked.id}", json=body, headers={"If-Match": f'"{linked.version}"'}
    )
    assert (edited.status_code, edited.json()["code"]) == (409, "belongs_to_another_company")
    await refused(connected, f"customers/{linked.id}/unlink")
    await refused(connected, f"customers/{stranger.id}/link", contact_id=str(ben))
    await connected.settle()
    rows = {row.id: row for row in await connected.rows(Customer)}
    assert (rows[linked.id].phone, rows[linked.id].contact_id) == (linked.phone, linked.contact_id)
    assert rows[stranger.id].contact_id is None
    assert await connected.pushes() == before


async def test_whom_another_companys_customer_is_is_not_decided(connected: Office) -> None:
    ana = await connected.knows(**ANA)
    await connected.new_customer("Ana Lima")
    await connected.settle()
    customer = await connected.one(Customer)
    doubt = MatchCandidate(
        customer_id=customer.id,
        contact_id=ana,
        score=60,
        reasons=["the same name"],
        status=CandidateStatus.OPEN,
        created_at=await connected.now(),
    )
    async with connected.begin() as tx:
        (await tx.aget(AsyncSession)).add(doubt)
    await connect_other(connected)
    for verb in ("accept", "refuse"):
        await refused(connected, f"customers/matches/{doubt.id}/{verb}")
    await post(connected, "quickbooks/disconnect")
    await post(connected, f"customers/matches/{doubt.id}/refuse")


async def test_an_item_of_another_company_is_unknown(connected: Office) -> None:
    ours = await connected.one(Item, Item.name == "Carbon fiber strap")
    await connect_other(connected)
    contact = await connected.knows(**BEN)
    body = {"contact_id": str(contact), "lines": [{"item_id": str(ours.id)}]}
    answer = await connected.api.post("/api/v1/estimates", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_item")


async def test_lists_show_the_forms_of_the_company_that_is_connected(connected: Office) -> None:
    first = await written(connected)
    await post(connected, f"estimates/{first['id']}/accept", name="Ana Lima")
    await post(connected, "invoices", estimate_id=first["id"])
    await connected.settle()
    await connect_other(connected)

    async def listed(resource: str) -> list[str]:
        return [row["id"] for row in (await connected.api.get(f"/api/v1/{resource}")).json()["items"]]

    resources = ("estimates", "invoices", "payments")
    assert [await listed(resource) for resource in resources] == [[], [], []]
    second = await written(connected, **BEN)
    await post(connected, f"estimates/{second['id']}/accept", name="Ben Ode")
    invoice = await post(connected, "invoices", estimate_id=second["id"])
    await connected.settle()
    assert (await listed("estimates"), await listed("invoices")) == ([second["id"]], [invoice["id"]])
    row = await connected.one(Invoice, Invoice.id == UUID(invoice["id"]))
    assert (row.realm_id, row.qb_id is not None) == (OTHER, True)


async def test_an_item_of_another_company_is_not_shown(connected: Office) -> None:
    address = f"/api/v1/items/{(await connected.one(Item, Item.name == 'Carbon fiber strap')).id}"
    await post(connected, "quickbooks/disconnect")
    assert (await connected.api.get(address)).status_code == 200
    await connected.connect()
    await connect_other(connected)
    unknown = await connected.api.get(address)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    theirs = await connected.one(Item, Item.name == "Carbon fiber strap", Item.realm_id == OTHER)
    assert (await connected.api.get(f"/api/v1/items/{theirs.id}")).json()["id"] == str(theirs.id)


async def test_writes_are_those_of_the_company_that_is_connected(connected: Office) -> None:
    async def listed(**params: str) -> list[str]:
        answer = await connected.api.get("/api/v1/quickbooks/writes", params=params)
        return [row["target_id"] for row in answer.json()["items"]]

    first = await written(connected)
    before = await listed()
    assert before[0] == first["id"]
    await post(connected, "quickbooks/disconnect")
    assert await listed() == before
    await connected.connect()
    await connect_other(connected)
    assert (await listed(), await listed(state="done")) == ([], [])
    second = await written(connected, **BEN)
    assert (await listed())[0] == second["id"]
    assert not set(before) & set(await listed(state="done"))


async def test_comparisons_are_those_of_the_company_that_is_connected(connected: Office) -> None:
    async def listed() -> list[str]:
        assert (await connected.api.post("/api/v1/quickbooks/differences")).status_code == 202
        await connected.settle()
        found = (await connected.api.get("/api/v1/quickbooks/differences")).json()["items"]
        return [run["realm_id"] for run in found]

    assert await listed() == [REALM]
    await connect_other(connected)
    assert await listed() == [OTHER]


async def test_what_was_refused_is_done_after_its_own_company_is_connected_again(connected: Office) -> None:
    made = await written(connected)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await connected.settle()
    await connect_other(connected)
    await refused(connected, "invoices", estimate_id=made["id"])
    await post(connected, "quickbooks/disconnect")
    await connected.connect()
    await connected.settle()
    await post(connected, "invoices", estimate_id=made["id"])
    await connected.settle()
    assert [line["operation"] for line in await connected.ledger("Invoice")] == ["created"]
    assert await written_in_other(connected) == []
    assert {push.realm_id for push in await connected.rows(Push)} == {(await connected.one(Estimate)).realm_id}


async def test_the_customers_page_of_another_companys_estimate_asks_for_nothing(connected: Office) -> None:
    made = await written(connected)
    address = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["public_url"]
    await connect_other(connected)
    page = await connected.api.get(address, headers={"Authorization": ""})
    assert (page.status_code, "<form" in page.text) == (200, False)
    answer = {"name": "Ana Lima", "total_cents": "69062", "currency": "USD"}
    for verb in ("accept", "decline"):
        refusal = await connected.api.post(f"{address}/{verb}", data=answer, headers={"Authorization": ""})
        assert (refusal.status_code, refusal.headers["content-type"].split(";")[0]) == (409, "text/html")
        for text in (page.text, refusal.text):
            assert "This estimate cannot be answered here any more. Call us." in text
    assert (await connected.one(Estimate)).status is EstimateStatus.OPEN
