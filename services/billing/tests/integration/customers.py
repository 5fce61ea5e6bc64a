"""Ana, who becomes a customer here or in QuickBooks."""

from typing import Any
from uuid import UUID

from billing.models import Customer
from billing.services.customers import CustomerService
from billing.services.people import PeopleService
from shared.events.contacts import ContactMerged

from .office import Office

NOBODYS_ID = "9a3c8f50-0000-7000-8000-00000000000f"
ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Lima",
    "phones": ["+16175550142"],
    "emails": ["ana@example.com"],
    "address": {"street": "12 Elm St", "city": "Quincy", "state": "MA", "zip": "02169"},
}
TYPED_ANA: dict[str, Any] = {
    "name": "Lima, Ana",
    "PrimaryPhone": {"FreeFormNumber": "(617) 555-0142"},
}


async def ensure(office: Office, contact_id: UUID) -> Customer:
    async with office.begin() as tx:
        customer, _ = await (await tx.aget(CustomerService)).obtain(contact_id, by="anna")
        return customer


async def merge(office: Office, *, primary: UUID, secondary: UUID) -> None:
    async with office.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    await office.knows(contact_id=secondary, version=2, is_active=False, merged_into_id=primary)


async def typed(office: Office, **more: Any) -> Customer:
    """Somebody types a customer into QuickBooks, and we hear of it."""
    made = await office.new_customer(**{**TYPED_ANA, **more})
    await office.settle()
    return await office.one(Customer, Customer.qb_id == made["Id"])


async def listed(office: Office, **params: Any) -> list[str]:
    answer = await office.api.get("/api/v1/customers", params=params)
    assert answer.status_code == 200, answer.text
    return [row["display_name"] for row in answer.json()["items"]]
