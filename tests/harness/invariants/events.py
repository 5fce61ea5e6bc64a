"""I8, I9 and I15: state, outbox, streams and consumers hold the same events."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError
from shared.bootstrap import ADVISORIES

from harness.streams import Stored, deploy_client
from harness.system import System

Check = Callable[[System], Awaitable[list[str]]]

SERVICES = ("contacts", "campaigns", "messaging", "billing")
PUBLISHED_WITHIN = "60 seconds"

# Service → what its state is, and what its outbox says of it: (id, version) rows that must be the same both ways.
VERSIONS = {
    "contacts": {
        "contact": (
            "SELECT id::text, version FROM contact",
            "SELECT item->>'contact_id', max((item->>'version')::int) FROM outbox,"
            " jsonb_array_elements(envelope::jsonb->'data'->'contacts') item"
            " WHERE type = 'contacts.contact.changed.v1' GROUP BY 1",
        ),
        "property": (
            "SELECT id::text, version FROM property",
            "SELECT item->>'property_id', max((item->>'version')::int) FROM outbox,"
            " jsonb_array_elements(envelope::jsonb->'data'->'properties') item"
            " WHERE type = 'contacts.property.changed.v1' GROUP BY 1",
        ),
    },
    "campaigns": {
        "campaign": (
            "SELECT id::text, version FROM campaign WHERE status IN ('running', 'paused', 'completed')",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'campaigns.campaign.%' GROUP BY 1",
        ),
    },
    "messaging": {
        "text": (
            # A text that waits or is on the wire is nobody else's business yet.
            "SELECT id::text, version FROM message WHERE direction = 'outbound' AND status NOT IN"
            " ('queued', 'in_flight')",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'messaging.message.%' AND type <> 'messaging.message.received.v1' GROUP BY 1",
        ),
        "consent": (
            "SELECT phone, max(version) FROM consent_entry WHERE is_effective GROUP BY 1",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'messaging.opt_%' GROUP BY 1",
        ),
        "hold": (
            "SELECT id::text, version FROM hold",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'messaging.hold.%' GROUP BY 1",
        ),
        "number": (
            "SELECT id::text, version FROM phone_number",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type = 'messaging.phone_number.changed.v1' GROUP BY 1",
        ),
    },
    "billing": {
        "invoice": (
            # One that is still to be written is nobody else's business yet.
            "SELECT id::text, version FROM invoice WHERE qb_id IS NOT NULL",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'billing.invoice.%' GROUP BY 1",
        ),
        "payment": (
            "SELECT id::text, version FROM payment WHERE amount_cents <> 0",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'billing.payment.%' GROUP BY 1",
        ),
        "link": (
            "SELECT id::text, link_version FROM customer WHERE link_version > 0",
            "SELECT envelope::jsonb->>'subject', max((envelope::jsonb->>'aggregateversion')::int) FROM outbox"
            " WHERE type LIKE 'billing.customer.%' GROUP BY 1",
        ),
    },
}


async def every_change_published(system: System) -> list[str]:
    """I8: the newest version of each aggregate is in the outbox, every row of which is published and in the stream."""
    found = []
    async with deploy_client(system.stack) as client:
        for service in SERVICES:
            for aggregate, (state, told) in VERSIONS[service].items():
                found += await _untold(system, service, aggregate, state, told)
            found += await _outbox_against_stream(system, client, service)
    return found


async def _untold(system: System, service: str, aggregate: str, state: str, told: str) -> list[str]:
    versions = {row[0]: row[1] for row in await system.rows(service, told)}
    return [
        f"{aggregate} {row[0]} is at version {row[1]}, the outbox at {versions.get(row[0])}"
        for row in await system.rows(service, state)
        if versions.get(row[0]) != row[1]
    ]


async def _outbox_against_stream(system: System, client: Client, service: str) -> list[str]:
    left = await system.value(
        service,
        "SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL OR published_at IS NULL"
        f" AND created_at < clock_timestamp() - interval '{PUBLISHED_WITHIN}'",
    )
    published = {
        str(row["id"]) for row in await system.rows(service, "SELECT id FROM outbox WHERE published_at IS NOT NULL")
    }
    stored = {message.event_id for message in await system.streams.read(client, service.upper()) if message.event_id}
    found = [f"{service}: {left} outbox rows are not published"] if left else []
    if lost := published - stored:
        found.append(f"{service}: {len(lost)} published events are not in the stream, such as {min(lost)}")
    if strange := stored - published - system.published_by_tests:
        found.append(f"{service}: {len(strange)} events of the stream are of no outbox, such as {min(strange)}")
    return found


async def every_event_consumed_or_buried(system: System) -> list[str]:
    """I9 and I15: a consumer has consumed each event of its filter or keeps it as an open dead letter, never both."""
    found = []
    async with deploy_client(system.stack) as client:
        for service in SERVICES:
            for stream in map(str.upper, SERVICES):
                found += await _stream_against_inbox(system, client, service, stream)
        found += await _advisories_against_dead_letters(system, client)
    return found


async def _stream_against_inbox(system: System, client: Client, service: str, stream: str) -> list[str]:
    try:
        consumer = await client.jetstream().consumer_info(stream, service)
    except NotFoundError:
        return []
    wanted = set(consumer.config.filter_subjects or [consumer.config.filter_subject])
    messages = [message for message in await system.streams.read(client, stream) if message.subject in wanted]
    consumed = {
        str(row["event_id"])
        for row in await system.rows(service, "SELECT event_id FROM consumed_event WHERE stream = $1", stream)
    }
    buried = {
        row["stream_seq"]
        for row in await system.rows(
            service, "SELECT stream_seq FROM dead_letter WHERE stream = $1 AND replayed_at IS NULL", stream
        )
    }
    found = _unread(consumer, messages) + _two_ways(messages, consumed, buried)
    return [f"{service} of {stream}: {line}" for line in found]


def _two_ways(messages: list[Stored], consumed: set[str], buried: set[int]) -> list[str]:
    missing = [m.seq for m in messages if m.event_id not in consumed and m.seq not in buried]
    both = [m.seq for m in messages if m.event_id in consumed and m.seq in buried]
    invented = consumed - {m.event_id for m in messages}
    return [
        *([f"{len(missing)} neither consumed nor buried, such as message {missing[0]}"] if missing else []),
        *([f"{len(both)} consumed and buried, such as message {both[0]}"] if both else []),
        *([f"{len(invented)} consumed that are not in the stream, such as {min(invented)}"] if invented else []),
    ]


def _unread(consumer: Any, messages: list[Stored]) -> list[str]:
    """Nothing pending is not enough: a message that was given up on is not pending either."""
    last = messages[-1].seq if messages else 0
    floor = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
    found = []
    if consumer.num_pending or consumer.num_ack_pending:
        found.append(f"{consumer.num_pending} pending, {consumer.num_ack_pending} not acknowledged")
    return [*found, f"acknowledged up to {floor} of {last}"] if floor < last else found


async def _advisories_against_dead_letters(system: System, client: Client) -> list[str]:
    """The server tells of every message that a consumer ended or never acknowledged; each is a dead letter."""
    told = Counter(_told(message) for message in await system.streams.read(client, ADVISORIES))
    kept = {
        (service, row["stream"], row["stream_seq"])
        for service in SERVICES
        for row in await system.rows(service, "SELECT stream, stream_seq FROM dead_letter")
    }
    return [
        *(f"{key} was given up on and is no dead letter" for key in told if key not in kept),
        *(f"{key} is a dead letter of which the server told nothing" for key in kept if key not in told),
    ]


def _told(advisory: Stored) -> tuple[str, str, int]:
    fields = json.loads(advisory.body)
    return fields["consumer"], fields["stream"], fields["stream_seq"]


EVENTS: dict[str, Check] = {
    "I8 every change published": every_change_published,
    "I9, I15 every event consumed or buried": every_event_consumed_or_buried,
}
