"""What the streams hold, read as the deploy user: every message once, and only what is new since the last look."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from deploy.stack import Stack
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

BATCH = 500


@dataclass(frozen=True)
class Stored:
    """One message of a stream. `event_id` is None where nothing in it names one."""

    seq: int
    subject: str
    event_id: str | None
    body: bytes


@asynccontextmanager
async def deploy_client(stack: Stack) -> AsyncIterator[Client]:
    """NATS as the user who makes streams and may read them."""
    user = next(user for user in stack.nats.users if user.name == "deploy")
    client = await nats.connect(f"nats://{user.name}:{user.password}@127.0.0.1:{stack.nats.port}")
    try:
        yield client
    finally:
        await client.close()


@dataclass
class StreamReader:
    """Streams only grow here, so what was read once need not be read again."""

    stack: Stack
    _read: dict[str, list[Stored]] = field(default_factory=dict)

    async def read(self, client: Client, stream: str) -> list[Stored]:
        """Everything in the stream, oldest first."""
        found = self._read.setdefault(stream, [])
        info = await client.jetstream().stream_info(stream)
        if not found or found[-1].seq < info.state.last_seq:
            found += await _since(client, stream, found[-1].seq + 1 if found else 1)
        return found


async def _since(client: Client, stream: str, first: int) -> list[Stored]:
    jetstream = client.jetstream()
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=60,
    )
    info = await jetstream.add_consumer(stream, config)
    subscription = await jetstream.pull_subscribe_bind(consumer=info.name, stream=stream)
    found: list[Stored] = []
    pending = info.num_pending or 0
    while pending > 0:
        try:
            messages = await subscription.fetch(min(BATCH, pending), timeout=10)
        except NatsTimeout:
            break
        found += [_stored(message) for message in messages]
        pending = messages[-1].metadata.num_pending
    await jetstream.delete_consumer(stream, info.name)
    return found


def _stored(message: Any) -> Stored:
    named = (message.headers or {}).get("Nats-Msg-Id")
    return Stored(message.metadata.sequence.stream, message.subject, named or _id_in(message.data), message.data)


def _id_in(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["id"])
    except (ValueError, KeyError, TypeError):
        return None
