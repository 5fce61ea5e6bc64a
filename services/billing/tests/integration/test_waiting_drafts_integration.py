"""A draft may wait for weeks: what is written then is as things are by then."""

from typing import Any

from billing.models import Customer, Estimate

from .office import Office
from .sales import post
from .test_drafts_integration import ANA, THEIR_ANA, draft, push

MARRIED: dict[str, Any] = {**ANA, "last_name": "Lima-Santos", "emails": ["ana.santos@example.com"], "version": 2}


async def there(office: Office) -> dict[str, Any]:
    """The only customer, as QuickBooks has it."""
    qb_id = (await office.one(Customer)).qb_id
    return dict((await office.quickbooks("GET", f"customer/{qb_id}"))["Customer"])


async def test_a_customer_is_written_as_the_contact_is_by_then(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    await connected.knows(**MARRIED, contact_id=contact)
    await push(connected, made)
    written = await there(connected)
    assert (written["DisplayName"], written["FamilyName"]) == ("Ana Lima-Santos", "Lima-Santos")
    assert written["PrimaryEmailAddr"]["Address"] == "ana.santos@example.com"
    assert (await connected.one(Customer)).display_name == "Ana Lima-Santos"


async def test_what_somebody_edited_meanwhile_stays(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    path = f"/api/v1/customers/{made['customer']['id']}"
    tag = {"If-Match": (await connected.api.get(path)).headers["ETag"]}
    assert (await connected.api.patch(path, json={"family_name": "Moreira"}, headers=tag)).status_code == 200
    await connected.knows(**MARRIED, contact_id=contact)
    await push(connected, made)
    assert (await there(connected))["FamilyName"] == "Moreira"


async def test_nothing_is_written_for_a_contact_that_was_archived_meanwhile(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    await connected.knows(**ANA, version=2, is_active=False, contact_id=contact)
    for verb in ("push", "send"):
        answer = await connected.api.post(f"/api/v1/estimates/{made['id']}/{verb}", json={})
        assert (verb, answer.status_code, answer.json()["code"]) == (verb, 409, "contact_inactive")
    await connected.settle()
    assert (await connected.pushes(), await connected.ledger()) == ([], [])


async def test_an_inactive_record_that_is_linked_for_its_history_takes_no_drafts(connected: Office) -> None:
    old = await connected.new_customer("Lima, Ana", **THEIR_ANA)
    await connected.quickbooks("POST", "customer", {"Id": old["Id"], "SyncToken": "0", "sparse": True, "Active": False})
    await connected.settle()
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    row = await connected.one(Customer, Customer.qb_id == old["Id"])
    await post(connected, f"customers/{row.id}/link", contact_id=str(contact))
    assert str((await connected.one(Estimate)).customer_id) == made["customer"]["id"]
    await push(connected, made)
    assert (await connected.one(Estimate)).qb_id is not None
    assert len(await connected.ledger("Customer")) == 3
