"""Estimates drafted and taken as far as a test needs them."""

import re
from typing import Any
from uuid import UUID

from billing.models import Item

from .office import Office

CONTACT = UUID("3f0c1c3e-7b0a-7000-8000-000000000001")
ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Lima",
    "phones": ["+16175550143"],
    "emails": ["ana@example.com"],
}


async def item(office: Office, name: str = "Carbon fiber strap") -> Item:
    return await office.one(Item, Item.name == name)


async def draft(office: Office, *, quantity: str = "2", **more: Any) -> dict[str, Any]:
    contact = await office.knows(**ANA, contact_id=CONTACT)
    line = {"item_id": str((await item(office)).id), "quantity": quantity}
    body = {"contact_id": str(contact), "lines": [line], **more}
    answer = await office.api.post("/api/v1/estimates", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def post(office: Office, path: str, **body: Any) -> dict[str, Any]:
    answer = await office.api.post(f"/api/v1/{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def accepted(office: Office, **more: Any) -> dict[str, Any]:
    made = await draft(office, **more)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    return await post(office, f"estimates/{made['id']}/accept", name="Ana Lima")


async def public_page(office: Office, made: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Where the customer answers an estimate that is in QuickBooks, and what the form there sends along by itself."""
    address = str((await office.api.get(f"/api/v1/estimates/{made['id']}")).json()["public_url"])
    page = await office.api.get(address, headers={"Authorization": ""})
    assert page.status_code == 200
    return address, dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


def sums(form: dict[str, Any]) -> tuple[int | None, ...]:
    """Subtotal, tax and total."""
    shown = (form["subtotal"], form["tax"], form["total"])
    return tuple(money["amount_cents"] if money else None for money in shown)


async def refused_invoice(office: Office, estimate: dict[str, Any]) -> dict[str, Any]:
    """An invoice that QuickBooks refuses for good; returns its write."""
    await office.turn(calls={"chosen": {"create invoice": ["fault_in_200"]}})
    made = await post(office, "invoices", estimate_id=estimate["id"])
    await office.settle()
    (write,) = (await office.api.get(f"/api/v1/invoices/{made['id']}")).json()["writes"]
    assert write["state"] == "failed"
    return dict(write)
