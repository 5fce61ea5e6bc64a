"""NATS JetStream behind one small class: connect for ever, publish with an acknowledgement, pull, acknowledge."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.errors import FetchTimeoutError

from shared import telemetry
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

# Longer than the stall of a leader election (4 to 8 s): a timeout says nothing about whether it was stored.
PUBLISH_TIMEOUT_SECONDS = 15


def stream_of(event_type: str) -> str:
    """The stream of an event type: its publisher's name."""
    return event_type.split(".", 1)[0].upper()


class RefusedForGood(Exception):
    """The client will never send this; trying again is of no use."""


class Bus:
    """One connection to NATS."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=PUBLISH_TIMEOUT_SECONDS)

    @classmethod
    async def connect(cls, settings: ServiceSettings, name: str, *, exit_when_closed: bool = True) -> "Bus":
        """Connect and reconnect for ever. A client that is closed for good ends the process: it would be deaf."""

        async def on_error(error: Exception) -> None:
            telemetry.BUS_ERRORS.inc()
            log.error("bus.error", error=str(error))

        client = Client()

        async def on_closed() -> None:
            if exit_when_closed and not getattr(client, "closed_on_purpose", False):
                log.error("bus.closed_for_good")
                os._exit(70)

        try:
            await client.connect(
                settings.nats_url,
                name=name,
                user=settings.nats_user or None,
                password=settings.nats_password.get_secret_value() or None,
                inbox_prefix=f"_INBOX_{settings.nats_user or name}",
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                ping_interval=20,
                error_cb=on_error,
                closed_cb=on_closed,
            )
        except BaseException:
            # Whoever gives up while it connects leaves no open socket behind.
            client.closed_on_purpose = True  # type: ignore[attr-defined]
            await client.close()
            raise
        return cls(client)

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        """Store one message in its stream. A timeout does not mean that it was not stored."""
        try:
            await self.jetstream.publish(subject, payload, headers={"Nats-Msg-Id": message_id})
        except (MaxPayloadError, ValueError) as error:
            raise RefusedForGood(str(error)) from error

    async def publish_live(self, subject: str, payload: bytes) -> None:
        """A hint to whoever listens now; it is not stored."""
        await self.client.publish(subject, payload)

    async def subscribe_live(self, subject: str, receive: Callable[[Msg], Awaitable[None]]) -> Any:
        return await self.client.subscribe(subject, cb=receive)

    async def puller(self, stream: str, durable: str) -> "Puller":
        subscription = await self.jetstream.pull_subscribe_bind(durable=durable, stream=stream)
        return Puller(self, subscription, stream, durable)

    async def close(self) -> None:
        self.client.closed_on_purpose = True  # type: ignore[attr-defined]
        await self.client.close()


class Puller:
    """A durable pull consumer; several processes may pull the same one."""

    def __init__(self, bus: Bus, subscription: JetStreamContext.PullSubscription, stream: str, durable: str) -> None:
        self._bus = bus
        self._subscription = subscription
        self.stream = stream
        self.durable = durable

    async def fetch(self, batch: int, wait: float) -> list[Msg]:
        """At most `batch` messages, after at most `wait` seconds."""
        try:
            return await self._subscription.fetch(batch, timeout=wait)
        except (FetchTimeoutError, NatsTimeout, TimeoutError):
            return []

    async def backlog(self) -> tuple[int, int]:
        """Messages not yet delivered, and those delivered but not acknowledged."""
        info = await self._bus.jetstream.consumer_info(self.stream, self.durable)
        return info.num_pending or 0, info.num_ack_pending or 0
