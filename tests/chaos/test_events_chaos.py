"""Rows 33 to 39: events survive the death of relays, consumers, clients and the bus itself."""

import asyncio
import signal
from typing import Any

import asyncpg
import pytest
from harness.counts import count, time_limit
from harness.figures import Figures
from harness.streams import deploy_client
from harness.system import System
from shared.clock import wall_now
from shared.events import Envelope
from shared.events.contacts import ContactChanged, ContactItem, PhoneItem
from shared.ids import uuid7
from shared.testing import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

RELAY, CONSUMER = "contacts-worker", "messaging-worker"


async def add_contact(system: System, name: str) -> dict[str, Any]:
    (phone,) = system.phones(1)
    contact = await system.post("/api/v1/contacts", {"first_name": name, "phones": [{"phone": phone}]})
    return {"id": contact["id"], "phone": phone}


async def copies(system: System, contacts: list[dict[str, Any]]) -> int:
    """How many phones of these contacts messaging has heard of."""
    query = "SELECT count(*) FROM contact_phone WHERE contact_id = ANY($1::uuid[])"
    return int(await system.value("messaging", query, [contact["id"] for contact in contacts]))


async def withdraw_consent(system: System, contact: dict[str, Any]) -> None:
    """Published by contacts; messaging adds a line to its ledger for each such event that it takes for a new one."""
    said = {"phone": contact["phone"], "is_granted": False, "evidence": "Called and asked not to be texted."}
    await system.post(f"/api/v1/contacts/{contact['id']}/consent", said)


async def ledger_lines(system: System, contact: dict[str, Any]) -> int:
    query = "SELECT count(*) FROM consent_entry WHERE phone = $1"
    return int(await system.value("messaging", query, contact["phone"]))


async def stored_copies(system: System, contact: dict[str, Any]) -> int:
    """How often the stream holds the event of `withdraw_consent`."""
    event_id = await system.value(
        "contacts",
        "SELECT id FROM outbox WHERE type = 'contacts.consent.recorded.v1' AND envelope::jsonb->>'subject' = $1",
        contact["phone"],
    )
    async with deploy_client(system.stack) as client:
        return sum(message.event_id == str(event_id) for message in await system.streams.read(client, "CONTACTS"))


async def set_duplicate_window(system: System, seconds: float) -> None:
    async with deploy_client(system.stack) as client:
        config = (await client.jetstream().stream_info("CONTACTS")).config
        await client.jetstream().update_stream(config.evolve(duplicate_window=seconds))


async def test_a_relay_that_dies_after_the_acknowledgement_publishes_again_without_effect(
    system: System, figures: Figures
) -> None:
    """Row 33: the stream knows the message's id."""
    for _ in range(count(1, 500)):
        figures.trial()
        contact = await add_contact(system, "Relay")
        await system.settle()
        pid = await system.arm(RELAY, "relay.after_ack=kill")
        await withdraw_consent(system, contact)
        await system.wait_restarted(RELAY, pid)
        await system.settle()
        assert await stored_copies(system, contact) == 1
        assert await ledger_lines(system, contact) == 1


async def test_a_relay_that_was_down_for_longer_than_the_stream_remembers_repeats_without_effect(
    system: System, figures: Figures
) -> None:
    """Row 34: the stream holds the event twice, what follows from it happened once."""
    await set_duplicate_window(system, 0.2)
    try:
        for _ in range(count(1, 100)):
            figures.trial()
            contact = await add_contact(system, "Forgotten")
            await system.settle()
            pid = await system.arm(RELAY, "relay.after_ack=kill")
            await withdraw_consent(system, contact)
            await system.wait_restarted(RELAY, pid)
            await system.settle()
            assert await stored_copies(system, contact) == 2
            assert await ledger_lines(system, contact) == 1
    finally:
        await set_duplicate_window(system, 120)


async def test_an_event_that_commits_after_a_later_one_is_published_all_the_same(
    system: System, figures: Figures
) -> None:
    """Row 35: two open transactions that commit in the reverse order of their numbers."""
    url = system.stack.postgres.url("contacts")
    for _ in range(count(3, 200)):
        figures.trial()
        early, late = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            first, second = early.transaction(), late.transaction()
            await first.start()
            overtaken = await insert_contact_event(system, early)
            await second.start()
            overtaking = await insert_contact_event(system, late)
            assert overtaken["seq"] < overtaking["seq"]
            await second.commit()
            await until(lambda: is_published(system, overtaking), what="the later number is published first")  # noqa: B023
            await first.commit()
            with figures.timed("commit to publication"):
                await until(lambda: is_published(system, overtaken), what="the earlier number is published")  # noqa: B023
        finally:
            await early.close()
            await late.close()
        await system.settle()
        assert await copies(system, [overtaken, overtaking]) == 2


async def insert_contact_event(system: System, connection: asyncpg.Connection) -> dict[str, Any]:
    """What a transaction of contacts leaves in its outbox."""
    contact_id, (phone,) = system.made_up(), system.phones(1)
    item = ContactItem(contact_id=contact_id, version=1, phones=[PhoneItem(e164=phone)], zones=["America/New_York"])
    event, now = ContactChanged(contacts=[item]), wall_now()
    envelope = Envelope(
        id=uuid7(), type=event.type, source="/crm/contacts", time=now, data=event.model_dump(mode="json")
    )
    seq = await connection.fetchval(
        "INSERT INTO outbox (id, type, envelope, created_at) VALUES ($1, $2, $3, $4) RETURNING seq",
        envelope.id,
        event.type,
        envelope.model_dump_json(exclude_none=True),
        now,
    )
    return {"id": str(contact_id), "seq": seq}


async def is_published(system: System, event: dict[str, Any]) -> bool:
    query = "SELECT published_at IS NOT NULL FROM outbox WHERE seq = $1"
    return bool(await system.value("contacts", query, event["seq"]))


async def test_with_the_bus_away_writes_go_on_and_everything_drains_afterwards(
    system: System, figures: Figures
) -> None:
    """Row 36."""
    await system.stop("nats")
    try:
        contacts = [await add_contact(system, f"Bus {number}") for number in range(count(20, 2000))]
        figures.trial(len(contacts))
        waiting = await system.value("contacts", "SELECT count(*) FROM outbox WHERE published_at IS NULL")
        assert waiting >= len(contacts)
    finally:
        await system.start("nats")
    with figures.timed(f"drain of {waiting} events"):
        await system.settle(within=120)
    assert await copies(system, contacts) == len(contacts)


async def test_a_bus_that_is_killed_keeps_what_it_acknowledged(system: System, figures: Figures) -> None:
    """Row 37: clients come back by themselves."""
    for _ in range(count(1, 30)):
        figures.trial()
        contacts = await asyncio.gather(*(add_contact(system, "Killed") for _ in range(5)))
        pid = await system.kill("nats")
        contacts += await asyncio.gather(*(add_contact(system, "After") for _ in range(5)))
        with figures.timed("kill to rest"):
            await system.wait_restarted("nats", pid)
            await asyncio.to_thread(system.stack.wait_ready, RELAY, CONSUMER)
            await system.settle(within=120)
        assert await copies(system, contacts) == 10


async def test_a_client_that_has_given_up_ends_its_process_and_the_next_one_works(
    system: System, figures: Figures
) -> None:
    """Row 37: a client is closed for good where the server refuses who it is; its process must not stay on deaf."""
    for _ in range(count(1, 20)):
        figures.trial()
        pid = await asyncio.to_thread(system.stack.pid, CONSUMER)
        password = system.stack.env_for(CONSUMER)["CRM_NATS_PASSWORD"]
        with figures.timed("refusal to the next process at work"):
            await refuse_password(system, password)
            try:
                contact = await add_contact(system, "Deaf")
                await until(lambda: system_restarted(system, pid), what="the supervisor restarts it")  # noqa: B023
            finally:
                await accept_password(system)
            await asyncio.to_thread(system.stack.wait_ready, CONSUMER)
            await system.settle()
        assert await copies(system, [contact]) == 1


async def system_restarted(system: System, pid: int) -> bool:
    state = (await asyncio.to_thread(system.stack.status))[CONSUMER]
    return bool(state.pid and state.pid != pid)


async def refuse_password(system: System, password: str) -> None:
    config = system.stack.nats.config_file
    config.write_text(config.read_text().replace(password, "another password"))
    await system.kill("nats", signal.SIGHUP)


async def accept_password(system: System) -> None:
    system.stack.nats.write_config()
    await system.kill("nats", signal.SIGHUP)


async def test_poison_becomes_a_dead_letter_and_the_rest_flows(system: System, figures: Figures) -> None:
    """Row 38: visible to the administrator, and nobody waits behind it."""
    poison = count(2, 200)
    figures.trial(poison)
    before = await system.value("messaging", "SELECT count(*) FROM dead_letter")
    async with deploy_client(system.stack) as client:
        for _ in range(poison):
            await client.jetstream().publish("campaigns.text.requested.v1", b"{this is no event")
    phones = system.phones(3)
    await system.request_texts(phones)
    await system.settle()
    assert await system.ledger(phones) == dict.fromkeys(phones, 1)
    assert await system.value("messaging", "SELECT count(*) FROM dead_letter") == before + poison
    shown = await system.get("/api/v1/system/dead-letters")
    assert "campaigns.text.requested.v1" in str(shown)


async def test_a_consumer_that_dies_before_the_acknowledgement_has_one_effect(system: System, figures: Figures) -> None:
    """Row 39."""
    for _ in range(count(1, 100)):
        figures.trial()
        contact = await add_contact(system, "Consumer")
        await system.settle()
        pid = await system.arm(CONSUMER, "consumer.after_commit=kill")
        await withdraw_consent(system, contact)
        await system.wait_restarted(CONSUMER, pid)
        assert await ledger_lines(system, contact) == 1, "it died after the commit"
        with figures.timed("restart to redelivery"):
            await system.settle()
        assert await ledger_lines(system, contact) == 1
