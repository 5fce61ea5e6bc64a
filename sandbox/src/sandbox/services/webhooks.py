"""Webhooks of both surfaces: subscribing, keys, the delivery log, re-deliveries and test events."""

from typing import Any

from shared.database import UnitOfWork
from sqlalchemy import func, select

from sandbox.models import Delivery, DeliveryState, Webhook
from sandbox.payloads import dated_event
from sandbox.provider_errors import not_a_member, not_found, unprocessable
from sandbox.provider_ids import dated_webhook_id, provider_id
from sandbox.services.events import EventService
from sandbox.services.workspace import count_change
from sandbox.signing import Scheme, generate_key
from sandbox.workspace import Workspace

MOST_WEBHOOKS = 50


class WebhookService:
    """Lives for one transaction."""

    def __init__(self, uow: UnitOfWork, workspace: Workspace, events: EventService) -> None:
        self._uow = uow
        self._session = uow.session
        self._workspace = workspace
        self._events = events

    async def subscribe(self, scheme: Scheme, body: dict[str, Any]) -> Webhook:
        """A new webhook with a fresh key. At most 50 of the dated surface."""
        user_id = body.get("userId") or self._workspace.owner.id
        if user_id not in self._workspace.users_by_id:
            raise not_a_member()
        resource_ids = body.get("resourceIds") or ["*"]
        self._check_resources(resource_ids)
        if scheme is Scheme.DATED and await self._count_dated() >= MOST_WEBHOOKS:
            raise unprocessable(f"A workspace can have at most {MOST_WEBHOOKS} webhooks")
        webhook = Webhook(
            id=provider_id("WH") if scheme is Scheme.LEGACY else dated_webhook_id(),
            scheme=scheme,
            url=body["url"],
            key=generate_key(scheme),
            events=list(dict.fromkeys(body["events"])),
            resource_ids=resource_ids,
            label=body.get("label"),
            is_enabled=body.get("status", "enabled") == "enabled",
            user_id=user_id,
            created_at=self._uow.now,
            updated_at=self._uow.now,
        )
        self._session.add(webhook)
        await self._session.flush()
        await count_change(self._session)
        return webhook

    def _check_resources(self, resource_ids: list[str]) -> None:
        for resource_id in resource_ids:
            if resource_id != "*" and resource_id not in self._workspace.numbers_by_name:
                raise not_found("Phone number")

    async def _count_dated(self) -> int:
        counted = select(func.count()).where(Webhook.scheme == Scheme.DATED, Webhook.deleted_at.is_(None))
        return int((await self._session.execute(counted)).scalar_one())

    async def get(self, scheme: Scheme, webhook_id: str) -> Webhook:
        webhook = (
            await self._session.execute(
                select(Webhook).where(Webhook.id == webhook_id, Webhook.scheme == scheme, Webhook.deleted_at.is_(None))
            )
        ).scalar_one_or_none()
        if webhook is None:
            raise not_found("Webhook")
        return webhook

    async def update(self, webhook_id: str, body: dict[str, Any]) -> Webhook:
        """Only the dated surface can; arrays replace."""
        webhook = await self.get(Scheme.DATED, webhook_id)
        if "resourceIds" in body:
            self._check_resources(body["resourceIds"])
            webhook.resource_ids = body["resourceIds"]
        webhook.url = body.get("url", webhook.url)
        webhook.events = body.get("events", webhook.events)
        webhook.label = body.get("label", webhook.label)
        webhook.is_enabled = body.get("status", "enabled" if webhook.is_enabled else "disabled") == "enabled"
        return await self._changed(webhook)

    async def rotate(self, webhook_id: str) -> Webhook:
        """A new key; the former one signs beside it until the next rotation."""
        webhook = await self.get(Scheme.DATED, webhook_id)
        webhook.previous_key, webhook.key = webhook.key, generate_key(Scheme.DATED)
        return await self._changed(webhook)

    async def delete(self, scheme: Scheme, webhook_id: str) -> None:
        webhook = await self.get(scheme, webhook_id)
        webhook.deleted_at = self._uow.now
        await self._changed(webhook)

    async def _changed(self, webhook: Webhook) -> Webhook:
        webhook.updated_at = self._uow.now
        await self._session.flush()
        await count_change(self._session)
        return webhook

    async def get_delivery(self, webhook_id: str, key: str) -> Delivery:
        await self.get(Scheme.DATED, webhook_id)
        found = await self._session.execute(
            select(Delivery)
            .where(Delivery.webhook_id == webhook_id, Delivery.key == key)
            .order_by(Delivery.id)
            .limit(1)
        )
        delivery = found.scalar_one_or_none()
        if delivery is None:
            raise not_found("Webhook event")
        return delivery

    async def retry_delivery(self, webhook_id: str, key: str) -> Delivery:
        """Deliver it again now, with the same `webhook-id` and a fresh row of attempts."""
        delivery = await self.get_delivery(webhook_id, key)
        delivery.state = DeliveryState.PENDING
        delivery.attempts = 0
        delivery.next_attempt_at = self._uow.now
        delivery.fault = None
        return delivery

    async def send_test(self, webhook_id: str, event_type: str) -> Delivery:
        webhook = await self.get(Scheme.DATED, webhook_id)
        resource = {"id": provider_id("AC"), "object": event_type.partition(".")[0], "isTest": True}
        event_id = provider_id("EV")
        body = dated_event(event_id, event_type, self._uow.now, resource, {}, "https://my.quo.com/inbox")
        return await self.get_delivery(webhook.id, await self._events.announce_test(webhook, event_type, body))
