"""What the other services tell: timeline, consent, line types, unknown callers; and the audience for campaigns."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from contacts.services.contacts import ContactService
from contacts.services.timeline import TimelineService
from shared.database import Begin
from shared.events.campaigns import CampaignCompleted, CampaignLaunched
from shared.events.messaging import (
    ContactSeen,
    LineTypeDetermined,
    MessageAccepted,
    MessageDelivered,
    MessageReceived,
    MessageUnknown,
    OptInRecorded,
    OptOutRecorded,
)
from shared.ids import uuid7
from shared.testing.streams import TestBus
from shared.testing.waiting import until
from shared.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CONTACTS = "/api/v1/contacts"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
ANN = "+16175550100"


@pytest.fixture
async def ann(client: httpx.AsyncClient) -> dict[str, Any]:
    draft = {"first_name": "Ann", "phones": [{"phone": ANN}], "state": "MA", "street": "1 Elm St"}
    return (await client.post(CONTACTS, json=draft)).json()  # type: ignore[no-any-return]


async def timeline(client: httpx.AsyncClient, contact: dict[str, Any]) -> list[dict[str, Any]]:
    return (await client.get(f"{CONTACTS}/{contact['id']}/timeline")).json()["items"]  # type: ignore[no-any-return]


def moved(kind: Any, message_id: UUID, version: int, **fields: Any) -> Any:
    at = NOW + timedelta(seconds=version)
    return kind(message_id=message_id, version=version, kind="campaign", to=ANN, occurred_at=at, **fields)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_text_is_one_entry_whatever_the_order_and_repeats(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any], order: tuple[int, ...]
) -> None:
    message_id, campaign_id = uuid7(), uuid7()
    events = [
        moved(MessageUnknown, message_id, 1, contact_id=UUID(ann["id"]), campaign_id=campaign_id),
        moved(MessageAccepted, message_id, 2, contact_id=UUID(ann["id"]), text="Hello Ann", segments=1),
        moved(MessageDelivered, message_id, 3),
    ]
    for place in (*order, *order):
        await bus.publish_event(events[place])
    await bus.publish_event(CampaignLaunched(campaign_id=campaign_id, version=1, name="Spring", occurred_at=NOW))
    await worker.run_until_idle()
    [entry] = await timeline(client, ann)
    assert entry["details"]["status"] == "delivered"
    assert entry["details"]["text"] == "Hello Ann"
    assert entry["occurred_at"] == "2026-03-02T15:00:01.000Z"
    assert entry["campaign_name"] == "Spring"


async def test_the_timeline_stands_in_true_order(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any]
) -> None:
    texts = [("second", 20), ("third", 30), ("first", 10)]
    for words, seconds in texts:
        await bus.publish_event(
            MessageReceived(
                message_id=uuid7(),
                conversation_id=uuid7(),
                from_phone=ANN,
                text=words,
                received_at=NOW + timedelta(seconds=seconds),
            )
        )
    await worker.run_until_idle()
    assert [entry["details"]["text"] for entry in await timeline(client, ann)] == ["third", "second", "first"]


async def test_what_happened_to_an_alias_stands_with_the_one_who_is_left(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any]
) -> None:
    other = (await client.post(CONTACTS, json={"phones": [{"phone": "617 555 0101"}]})).json()
    await client.post(f"{CONTACTS}/{ann['id']}/merge", json={"secondary_id": other["id"]})
    await bus.publish_event(moved(MessageAccepted, uuid7(), 1, contact_id=UUID(other["id"]), text="Late"))
    await worker.run_until_idle()
    assert [entry["kind"] for entry in await timeline(client, ann)].count("text") == 1


async def test_an_unknown_sender_becomes_one_contact_without_a_name(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus
) -> None:
    phone = "+16175550199"
    received = MessageReceived(
        message_id=uuid7(), conversation_id=uuid7(), from_phone=phone, text="Hi", received_at=NOW
    )
    await bus.publish_event(received)
    await bus.publish_event(ContactSeen(phone=phone, conversation_id=received.conversation_id, seen_at=NOW))
    await worker.run_until_idle()
    page = (await client.get(CONTACTS)).json()
    assert page["total"] == 1
    [stranger] = page["items"]
    assert (stranger["first_name"], stranger["last_name"], stranger["company"]) == (None, None, None)
    assert [p["e164"] for p in stranger["phones"]] == [phone]
    assert [entry["details"]["text"] for entry in await timeline(client, stranger)] == ["Hi"]


async def test_a_short_code_is_a_sender_like_any_other(client: httpx.AsyncClient, worker: Worker, bus: TestBus) -> None:
    await bus.publish_event(ContactSeen(phone="22395", conversation_id=uuid7(), seen_at=NOW))
    await worker.run_until_idle()
    [contact] = (await client.get(CONTACTS, params={"q": "22395"})).json()["items"]
    assert contact["phones"][0]["e164"] == "22395"


def consent_events() -> list[Any]:
    return [
        OptOutRecorded(phone=ANN, version=1, source="reply", occurred_at=NOW),
        OptInRecorded(phone=ANN, version=2, source="reply", occurred_at=NOW + timedelta(minutes=1)),
        OptOutRecorded(phone=ANN, version=3, source="desk", occurred_at=NOW + timedelta(minutes=2)),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_newest_consent_is_shown_whatever_came_first(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any], order: tuple[int, ...]
) -> None:
    events = consent_events()
    for place in order:
        await bus.publish_event(events[place])
    await worker.run_until_idle()
    contact = (await client.get(f"{CONTACTS}/{ann['id']}")).json()
    assert (contact["consent"], contact["phones"][0]["consent"]) == ("opted_out", "opted_out")
    assert [entry["kind"] for entry in await timeline(client, ann)] == ["consent"] * 3


async def test_consent_and_line_type_are_kept_for_phones_that_nobody_has_yet(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus
) -> None:
    await bus.publish_event(OptOutRecorded(phone=ANN, version=1, source="reply", occurred_at=NOW))
    await bus.publish_event(LineTypeDetermined(phone=ANN, line_type="landline", source="lookup", version=2))
    await bus.publish_event(LineTypeDetermined(phone=ANN, line_type="mobile", source="guess", version=1))
    await worker.run_until_idle()
    made = (await client.post(CONTACTS, json={"phones": [{"phone": ANN}]})).json()
    assert (made["consent"], made["phones"][0]["line_type"]) == ("opted_out", "landline")


async def test_a_late_launch_does_not_undo_a_completion(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any]
) -> None:
    campaign_id = uuid7()
    await bus.publish_event(CampaignCompleted(campaign_id=campaign_id, version=5, name="New name", occurred_at=NOW))
    await bus.publish_event(CampaignLaunched(campaign_id=campaign_id, version=1, name="Old name", occurred_at=NOW))
    await bus.publish_event(moved(MessageAccepted, uuid7(), 1, campaign_id=campaign_id, text="Hi"))
    await worker.run_until_idle()
    [entry] = await timeline(client, ann)
    assert entry["campaign_name"] == "New name"


async def test_an_entry_never_stays_behind_a_merge(
    client: httpx.AsyncClient, begin: Begin, ann: dict[str, Any]
) -> None:
    """The event and the merge meet: the entry stands with whoever is left, however the two interleave."""
    bob = (await client.post(CONTACTS, json={"first_name": "Bob", "phones": [{"phone": "617 555 0101"}]})).json()
    event = moved(MessageAccepted, uuid7(), 1, contact_id=UUID(bob["id"]), text="Hello")

    async def record() -> None:
        async with begin() as tx:
            await (await tx.aget(TimelineService)).record_texts([event])

    async def is_waiting() -> bool:
        async with begin() as tx:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return bool(await (await tx.aget(AsyncSession)).scalar(text(f"{blocked} AND wait_event_type = 'Lock'")))

    async with begin() as tx:
        contacts = await tx.aget(ContactService)
        await contacts.merge_contacts(UUID(ann["id"]), UUID(bob["id"]), author="desk")
        recording = asyncio.create_task(record())
        await until(is_waiting, what="the event waits for the merge")
    await recording
    kinds = {entry["kind"] for entry in await timeline(client, ann)}
    assert kinds == {"merge", "text"}


async def test_texts_of_one_batch_find_their_people_also_the_merged_ones(
    client: httpx.AsyncClient, begin: Begin, ann: dict[str, Any]
) -> None:
    bob = (await client.post(CONTACTS, json={"first_name": "Bob", "phones": [{"phone": "617 555 0101"}]})).json()
    text_id = uuid7()
    batch = [
        moved(MessageDelivered, text_id, 2, contact_id=UUID(ann["id"])),
        moved(MessageAccepted, uuid7(), 1, contact_id=UUID(bob["id"]), text="For Bob"),
        moved(MessageAccepted, text_id, 1, contact_id=UUID(ann["id"]), text="For Ann"),
    ]
    async with begin() as tx:
        await (await tx.aget(ContactService)).merge_contacts(UUID(ann["id"]), UUID(bob["id"]), author="desk")
    async with begin() as tx:
        await (await tx.aget(TimelineService)).record_texts(batch)
    shown = [entry["details"] for entry in await timeline(client, ann) if entry["kind"] == "text"]
    texts = {details["text"]: details["status"] for details in shown}
    assert texts == {"For Bob": "accepted", "For Ann": "delivered"}


async def audience(client: httpx.AsyncClient, lists: list[str], exclude: list[str]) -> list[dict[str, Any]]:
    params = {"lists": lists, "exclude_lists": exclude}
    answer = await client.get("/internal/v1/audience", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.split(b"\n") if line]


async def make_list(client: httpx.AsyncClient, *contacts: dict[str, Any]) -> str:
    made = (await client.post("/api/v1/lists", json={"name": "L"})).json()
    ids = [contact["id"] for contact in contacts]
    await client.post(f"/api/v1/lists/{made['id']}/members", json={"contact_ids": ids})
    return made["id"]  # type: ignore[no-any-return]


async def test_the_audience_is_lists_without_exclusions_each_person_once(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, ann: dict[str, Any]
) -> None:
    bob, cy, di = [
        (await client.post(CONTACTS, json={"first_name": n, "phones": [{"phone": f"617555010{i}"}]})).json()
        for i, n in enumerate(["Bob", "Cy", "Di"], start=1)
    ]
    first, second = await make_list(client, ann, bob, di), await make_list(client, ann, cy)
    excluded = await make_list(client, bob)
    await client.post(f"{CONTACTS}/{ann['id']}/merge", json={"secondary_id": di["id"]})
    await bus.publish_event(OptOutRecorded(phone="+16175550103", version=1, source="reply", occurred_at=NOW))
    await bus.publish_event(LineTypeDetermined(phone=ANN, line_type="mobile", source="lookup", version=1))
    await worker.run_until_idle()
    rows = {row["first_name"]: row for row in await audience(client, [first, second], [excluded])}
    assert set(rows) == {"Ann", "Cy"}
    assert (rows["Ann"]["address"], rows["Ann"]["state"]) == ("1 Elm St", "MA")
    assert (rows["Ann"]["zones"], rows["Ann"]["region"]) == (["America/New_York"], "MA")
    phones = rows["Ann"]["phones"]
    assert [(p["e164"], p["is_primary"], p["line_type"]) for p in phones] == [
        (ANN, True, "mobile"),
        ("+16175550103", False, "unknown"),
    ]
    # One phone of the person is opted out, so none of them may be texted.
    assert {p["consent_state"] for p in phones} == {"opted_out"}


async def test_a_missing_list_is_no_empty_audience(client: httpx.AsyncClient, ann: dict[str, Any]) -> None:
    known = await make_list(client, ann)
    for params in ({"lists": [str(uuid7())]}, {"lists": [known], "exclude_lists": [str(uuid7())]}):
        assert (await client.get("/internal/v1/audience", params=params)).status_code == 404
    assert (await client.get("/internal/v1/audience")).status_code == 422


async def test_a_large_audience_is_streamed_whole(client: httpx.AsyncClient, imported: Any) -> None:
    rows = "".join(f"P{n},617555{n:04d}\n" for n in range(2300))
    job = await imported("First Name,Phone\n" + rows)
    got = await audience(client, [job["list_id"]], [])
    assert sorted(row["first_name"] for row in got) == sorted(f"P{n}" for n in range(2300))
