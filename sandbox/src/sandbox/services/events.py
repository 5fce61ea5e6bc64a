"""From what happened to deliveries: one row per webhook that subscribes to it, with the faults chosen for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import func, insert, select

from sandbox.faults import FaultProfile, WebhookFault, webhook_fault
from sandbox.models import Call, Delivery, DeliveryState, Message, Webhook
from sandbox.payloads import call_event, message_event
from sandbox.provider_ids import delivery_key, provider_id
from sandbox.workspace import Workspace


@dataclass(frozen=True)
class MessageEvent:
    type: str
    message: Message
    at: datetime


class EventService:
    """Lives for one transaction; `save` writes what was announced in it at once."""

    def __init__(self, uow: UnitOfWork, workspace: Workspace) -> None:
        self._uow = uow
        self._workspace = workspace

    async def announce_messages(self, events: Iterable[MessageEvent]) -> int:
        """Queue the deliveries of these events; returns how many."""
        rows = [row for event in events for row in self._message_rows(event)]
        return await self._save(rows)

    def _message_rows(self, event: MessageEvent) -> Iterable[dict[str, Any]]:
        faults, shapes = self._workspace.controls.faults, self._workspace.controls.shapes
        message = event.message
        fault = webhook_fault(faults, event.type, message.counterpart, message.attempt)
        for webhook in self._workspace.webhooks_for(event.type, message.phone_number_id):
            event_id = provider_id("EV")
            body = message_event(webhook.scheme, event_id, event.type, message=message, at=event.at, shapes=shapes)
            row = self._row(webhook, event.type, message.id, body)
            yield from _with_fault(row, fault, faults)

    async def announce_call(self, event_type: str, call: Call) -> int:
        faults = self._workspace.controls.faults
        rows: list[dict[str, Any]] = []
        calls = select(func.count()).select_from(Call).where(Call.counterpart == call.counterpart)
        fault = webhook_fault(faults, event_type, call.counterpart, await self._uow.session.scalar(calls) or 0)
        for webhook in self._workspace.webhooks_for(event_type, call.phone_number_id):
            event_id = provider_id("EV")
            body = call_event(webhook.scheme, event_id, event_type, call=call, at=self._uow.now)
            rows += _with_fault(self._row(webhook, event_type, call.id, body), fault, faults)
        return await self._save(rows)

    async def announce_test(self, webhook: Webhook, event_type: str, body: dict[str, Any]) -> str:
        """Queue a test event of one webhook; returns the delivery's key."""
        row = self._row(webhook, event_type, "", body)
        await self._save([row])
        return str(row["key"])

    def _row(self, webhook: Webhook, event_type: str, object_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": uuid7(),
            "webhook_id": webhook.id,
            "key": delivery_key(),
            "event_id": body["id"],
            "event_type": event_type,
            "object_id": object_id,
            "body": orjson.dumps(body).decode(),
            "fault": None,
            "state": DeliveryState.PENDING,
            "attempts": 0,
            "next_attempt_at": self._uow.now,
            "created_at": self._uow.now,
        }

    async def _save(self, rows: list[dict[str, Any]]) -> int:
        if rows:
            await self._uow.session.execute(insert(Delivery), rows)
        return len(rows)


def _with_fault(row: dict[str, Any], fault: WebhookFault | None, profile: FaultProfile) -> Iterable[dict[str, Any]]:
    if fault is None:
        yield row
        return
    row["fault"] = fault.value
    match fault:
        case WebhookFault.MISSING:
            row |= {"state": DeliveryState.DROPPED, "next_attempt_at": None}
        case WebhookFault.LATE:
            row["next_attempt_at"] += timedelta(seconds=profile.late_seconds)
        case WebhookFault.REORDERED:
            # What happens meanwhile overtakes it: the reply comes before the delivery it answers.
            row["next_attempt_at"] += timedelta(seconds=profile.reorder_seconds)
        case WebhookFault.DUPLICATE:
            yield {**row, "id": uuid7()}
    yield row
