"""The copy of whose phone it is: in whatever order contacts' events arrive."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from messaging.services.contacts import ContactCopyService
from shared.events.contacts import ContactChanged, ContactItem, ContactMerged, ContactUnmerged, PhoneItem
from shared.events.envelope import Envelope

from .system import ANA, System

BEGAN = datetime(2031, 3, 4, 12, 0, tzinfo=UTC)


async def _tell(
    system: System, contact_id: UUID, version: int, phones: list[str], *, minute: int, name: str = "Ana"
) -> None:
    """Contacts' event of that minute arrives."""
    item = ContactItem(
        contact_id=contact_id, version=version, first_name=name, phones=[PhoneItem(e164=phone) for phone in phones]
    )
    event = ContactChanged(contacts=[item])
    envelope = Envelope(id=uuid4(), type=event.type, source="contacts", time=BEGAN + timedelta(minutes=minute), data={})
    async with system.begin() as tx:
        await (await tx.aget(ContactCopyService)).take_over(event, envelope)


async def _owner(system: System) -> str | None:
    items = (await system.api.get("/api/v1/conversations", params={"q": ANA[-7:]})).json()["items"]
    return items[0]["contact_id"] if items else None


async def test_a_removed_phone_is_not_brought_back_by_an_older_event(system: System) -> None:
    await system.receives(ANA, "Hello")
    await system.settle()
    ana = uuid4()
    await _tell(system, ana, 1, [ANA], minute=1)
    assert await _owner(system) == str(ana)
    await _tell(system, ana, 3, [], minute=3)
    await _tell(system, ana, 2, [ANA], minute=2)
    assert await _owner(system) is None


async def test_an_older_owner_does_not_take_a_phone_from_the_newer_one(system: System) -> None:
    await system.receives(ANA, "Hello")
    await system.settle()
    former, owner = uuid4(), uuid4()
    await _tell(system, owner, 1, [ANA], minute=5)
    await _tell(system, former, 7, [ANA], minute=4)
    assert await _owner(system) == str(owner)
    await _tell(system, former, 8, [], minute=5)
    assert await _owner(system) == str(owner)


async def test_a_merged_contact_is_read_as_its_primary_until_the_merge_is_undone(system: System) -> None:
    secondary, primary, last = uuid4(), uuid4(), uuid4()
    message_id = await system.request(contact_id=secondary)
    await system.bus.publish_event(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    await system.bus.publish_event(ContactMerged(primary_id=last, secondary_id=primary, version=2))
    await system.settle()
    address = f"/api/v1/messages/{message_id}"
    assert (await system.api.get(address)).json()["contact_id"] == str(last)
    [listed] = (await system.api.get("/api/v1/messages")).json()["items"]
    assert listed["contact_id"] == str(last)
    await system.bus.publish_event(ContactUnmerged(primary_id=last, secondary_id=primary, version=3))
    await system.run()
    assert (await system.api.get(address)).json()["contact_id"] == str(primary)
