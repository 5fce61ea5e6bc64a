"""QuickBooks connected, estimates and invoices made, and what people do in QuickBooks: through the public API."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from shared.testing import until

from harness.system import System

REALM = "9130350000000001"
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
COMPANY = f"/sandbox/v1/quickbooks/companies/{REALM}"


async def connect(system: System) -> None:
    """Consent, as the administrator's browser would; nothing where QuickBooks is connected already."""
    if (await system.get("/api/v1/quickbooks/connection"))["status"] == "connected":
        return
    begun = await system.post("/api/v1/quickbooks/connect")
    await system.post("/api/v1/quickbooks/callback", brought_back(await system.sandbox.get(begun["authorize_url"])))
    await system.settle()


@asynccontextmanager
async def connected(system: System) -> AsyncIterator[None]:
    """QuickBooks is connected within the block; disconnected after it, at rest."""
    await connect(system)
    yield
    await system.settle()
    await system.post("/api/v1/quickbooks/disconnect")


def brought_back(redirect: httpx.Response) -> dict[str, str]:
    """What Intuit gave the browser, as the callback takes it."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(redirect.headers["location"]).query).items()}
    return {"code": given["code"], "state": given["state"], "realm_id": given["realmId"]}


async def person(system: System, phone: str, *, name: str = "Ana", email: str = "") -> str:
    """A contact that billing has heard of."""
    body = {"first_name": name, "last_name": f"Lima {phone[-7:]}", "phones": [{"phone": phone}]}
    if email:
        body["emails"] = [{"email": email}]
    contact = await system.post("/api/v1/contacts", body)
    known = "SELECT 1 FROM contact_copy WHERE contact_id = $1::uuid"
    await until(lambda: system.rows("billing", known, contact["id"]), what="billing knows the contact")
    return str(contact["id"])


async def strap(system: System) -> str:
    """An item of the price book: $650, taxable."""
    items = await system.get("/api/v1/items", q="Carbon fiber")
    return str(items["items"][0]["id"])


async def estimate(system: System, contact: str, *, quantity: str = "1") -> dict[str, Any]:
    """Drafted, not written yet."""
    line = {"item_id": await strap(system), "quantity": quantity}
    return dict(await system.post("/api/v1/estimates", {"contact_id": contact, "lines": [line]}))


async def accepted_estimate(system: System, phone: str) -> dict[str, Any]:
    made = await estimate(system, await person(system, phone))
    await system.post(f"/api/v1/estimates/{made['id']}/push")
    await system.settle()
    return dict(await system.post(f"/api/v1/estimates/{made['id']}/accept", {"name": "Ana"}))


async def accept_on_its_page(system: System, estimate_id: str, *, name: str) -> None:
    """As the customer does, in a browser, which sends a form only where the page's policy lets it."""
    address = httpx.URL((await system.get(f"/api/v1/estimates/{estimate_id}"))["public_url"])
    async with httpx.AsyncClient(base_url=system.stack.url, timeout=30) as browser:
        page = await browser.get(address.path)
        policy = page.headers["content-security-policy"]
        assert ("form-action 'self'" in policy, "style-src 'self'" in policy) == (True, True), policy
        given = dict(_HIDDEN.findall(page.text))
        answered = await browser.post(f"{address.path}/accept", data={**given, "name": name})
    assert answered.is_success, answered.text
    assert "Accepted. Thank you" in answered.text


async def invoice(system: System, made: dict[str, Any]) -> dict[str, Any]:
    """Of an accepted estimate; being written."""
    return dict(await system.post("/api/v1/invoices", {"estimate_id": made["id"]}))


async def wait_written(system: System, invoice_id: str, within: float = 60) -> dict[str, Any]:
    async def written() -> dict[str, Any] | None:
        found = await system.get(f"/api/v1/invoices/{invoice_id}")
        return dict(found) if found["qb_id"] and not found["writes"] else None

    return await until(written, within=within, what="the invoice is in QuickBooks")


async def turn(system: System, **changes: Any) -> None:
    """Controls of QuickBooks."""
    await system.controls(quickbooks=changes)


async def people_do(system: System, path: str, **body: Any) -> dict[str, Any]:
    """What somebody does inside QuickBooks."""
    answer = await system.sandbox.post(f"{COMPANY}/{path}", json=body or None)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def edit_there(system: System, entity: str, qb_id: str, **changes: Any) -> None:
    """Somebody changes an object with another app that speaks to QuickBooks."""
    newest = (await _other_app(system, "GET", f"{entity}/{qb_id}"))[entity.capitalize()]
    body = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, **changes}
    await _other_app(system, "POST", entity, json=body)


async def _other_app(system: System, method: str, path: str, **more: Any) -> dict[str, Any]:
    """It waits where the company's calls are used up for now: it shares their limits with us."""
    token = (await people_do(system, "access-token"))["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    async def answered() -> httpx.Response | None:
        answer = await system.sandbox.request(method, f"/v3/company/{REALM}/{path}", headers=headers, **more)
        return None if answer.status_code == httpx.codes.TOO_MANY_REQUESTS else answer

    answer = await until(answered, within=120, every=0.5, what="QuickBooks has room for another app")
    assert answer.is_success, answer.text
    return dict(answer.json())


async def grants(system: System) -> dict[str, Any]:
    return dict((await system.sandbox.get(f"{COMPANY}/grants")).json())


async def created(system: System, number: str) -> int:
    """How often a form of this number was created in QuickBooks."""
    made = "SELECT count(*) FROM qb_ledger WHERE operation = 'created' AND doc_number = $1"
    return int(await system.value("sandbox", made, number))


async def customer_there(system: System, form: dict[str, Any]) -> str:
    """The id in QuickBooks of the customer of an estimate or invoice."""
    known = "SELECT qb_id FROM customer WHERE id = $1::uuid"
    return str(await system.value("billing", known, form["customer"]["id"]))
