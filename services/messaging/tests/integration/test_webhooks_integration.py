"""Webhooks at the edge: signed and durable before they are answered, once whatever is repeated."""

import asyncio
import base64
import itertools
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import svcs
from messaging.clients.openphone.client import OpenPhoneClient, http_client
from messaging.clients.openphone.signatures import sign_legacy
from messaging.models import Message, ProviderReceipt, Scheme, WebhookDelivery, body_hash
from messaging.provider import Accepted, ProviderMessage
from messaging.services.outbound import ClaimService
from messaging.services.receipts import ReceiptService
from messaging.services.reconciler import ReconcilerProcess
from messaging.services.settling import SettleService
from messaging.services.webhooks import Arrival, DeliveryStore
from messaging.settings import MessagingSettings
from messaging.states import Direction, Status
from shared.clock import wall_now
from shared.errors import ProviderUnavailable
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .system import ANA, BEN, NUMBER, PROVIDER_KEY, System
from .test_doubt_integration import Refusing

KEY = base64.b64encode(b"the key of the legacy webhooks").decode()


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {"openphone_webhook_keys": KEY}


def event(text: str = "Hello", *, event_id: str = "EV1", message_id: str = "AC900", kind: str = "received") -> bytes:
    direction = "incoming" if kind == "received" else "outgoing"
    sender, to = (ANA, NUMBER) if kind == "received" else (NUMBER, ANA)
    message = {
        "id": message_id,
        "object": "message",
        "from": sender,
        "to": to,
        "direction": direction,
        "text": text,
        "status": kind,
        "createdAt": "2031-03-04T17:00:10.000Z",
        "phoneNumberId": "PN4e2b9d10",
    }
    body = {
        "id": event_id,
        "object": "event",
        "apiVersion": "v4",
        "type": f"message.{kind}",
        "data": {"object": message},
    }
    return json.dumps(body).encode()


async def post(system: System, body: bytes, signature: str | None = None) -> httpx.Response:
    signature = sign_legacy(KEY, wall_now(), body) if signature is None else signature
    return await system.api.post(
        "/webhooks/openphone", content=body, headers={"openphone-signature": signature, "Authorization": ""}
    )


async def count(system: System, table: type[Any]) -> int:
    async with system.begin() as tx:
        return await (await tx.aget(AsyncSession)).scalar(select(func.count()).select_from(table)) or 0


async def test_a_signed_delivery_is_stored_before_it_is_answered(system: System) -> None:
    assert (await post(system, event())).status_code == 204
    assert await count(system, WebhookDelivery) == 1
    assert await count(system, Message) == 0
    await system.run()
    [message] = await system.messages(direction=Direction.INBOUND)
    assert (message.body, message.phone) == ("Hello", ANA)


async def test_a_hundred_replays_at_once_are_one_delivery_and_one_effect(system: System) -> None:
    body = event()
    signature = sign_legacy(KEY, wall_now(), body)
    answers = await asyncio.gather(*(post(system, body, signature) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {204}
    await system.run()
    assert (await count(system, WebhookDelivery), await count(system, Message)) == (1, 1)


async def test_two_subscriptions_that_report_the_same_text_are_one_text(system: System) -> None:
    for event_id in ("EV1", "EV2"):
        assert (await post(system, event(event_id=event_id))).status_code == 204
    await system.run()
    assert (await count(system, WebhookDelivery), await count(system, Message)) == (2, 1)


@pytest.mark.parametrize("signature", ["", "hmac;1;1639710054089;AAAA", "nonsense"])
async def test_a_wrong_signature_is_401_and_leaves_nothing(system: System, signature: str) -> None:
    answer = await post(system, event(), signature)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert await count(system, WebhookDelivery) == 0


async def test_no_signature_at_all_is_401(system: System) -> None:
    assert (await system.api.post("/webhooks/openphone", content=event())).status_code == 401


async def test_too_much_is_413(system: System) -> None:
    assert (await post(system, event("x" * 1_100_000))).status_code == 413
    assert await count(system, WebhookDelivery) == 0


async def test_signed_nonsense_is_kept_and_marked(system: System) -> None:
    body = b'{"id": "EV7", "type": "message.received", "data": "?"}'
    assert (await post(system, body)).status_code == 204
    await system.run()
    async with system.begin() as tx:
        [delivery] = (await (await tx.aget(AsyncSession)).scalars(select(WebhookDelivery))).all()
    assert (delivery.state.value, delivery.body) == ("failed", body)


@pytest.mark.parametrize(
    "body",
    [b"\xff not JSON", b'{"type": "message.received"}', b'{"id": 7}', b"[" * 40 + b"]" * 40, b'{"id": "\\u0000"}'],
)
async def test_signed_bytes_that_name_themselves_by_nothing_are_kept_once_and_marked(
    system: System, body: bytes
) -> None:
    for _ in range(2):
        assert (await post(system, body)).status_code == 204
    await system.run()
    async with system.begin() as tx:
        [delivery] = (await (await tx.aget(AsyncSession)).scalars(select(WebhookDelivery))).all()
    assert (delivery.state.value, delivery.body) == ("failed", body)


async def test_a_delivery_that_cannot_be_stored_does_not_take_others_with_it(system: System) -> None:
    async with svcs.Container(system.registry) as container:
        store = await container.aget(DeliveryStore)
    good, bad = (Arrival(Scheme.LEGACY, name, "message.received", b"{}") for name in ("EV1", "EV\x00"))
    results = await asyncio.gather(store.put(good), store.put(bad), return_exceptions=True)
    assert [result is None for result in results] == [True, False]
    assert await count(system, WebhookDelivery) == 1


async def test_a_nul_in_signed_bytes_does_not_trouble_anybody(system: System) -> None:
    assert (await post(system, event("a\x00b"))).status_code == 204
    await system.run()
    [message] = await system.messages(direction=Direction.INBOUND)
    assert message.body == "ab"


@pytest.mark.parametrize("order", list(itertools.permutations(["answer", "sent", "delivered", "delivered"]))[::5])
async def test_reports_in_any_order_end_delivered(system: System, order: tuple[str, ...]) -> None:
    message_id = await system.request()
    async with system.begin() as tx:
        [text] = await (await tx.aget(ClaimService)).claim(1, 0.0)
    for step in order:
        async with system.begin() as tx:
            if step == "answer":
                await (await tx.aget(SettleService)).settle([(text, Accepted("AC1"))])
            else:
                status = Status.DELIVERED if step == "delivered" else Status.ACCEPTED
                await (await tx.aget(ReceiptService)).apply([await _report(system, message_id, status)], by="provider")
    assert await system.moves(message_id) == ["queued", "in_flight", "accepted", "delivered"]


async def _report(system: System, message_id: UUID, status: Status) -> ProviderMessage:
    message = await system.message(message_id)
    assert message.body_hash == body_hash(message.body)
    return ProviderMessage(
        "AC1", Direction.OUTBOUND, status, message.body, NUMBER, None, ANA, message.intent_at or message.created_at
    )


async def _reconcile(system: System) -> int:
    async with svcs.Container(system.registry) as container:
        return await (await container.aget(ReconcilerProcess)).run_once()


async def test_what_the_provider_never_delivers_is_found_by_listing(system: System) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    message_id = await system.request()
    await system.receives(ANA, "STOP")
    await system.settle()
    await system.advance(timedelta(minutes=4))
    repaired = await _reconcile(system)
    assert repaired >= 1
    assert (await system.phone_state(ANA)).is_opted_out
    assert (await system.message(message_id)).status in (Status.DELIVERED, Status.REJECTED, Status.CANCELLED)
    await system.advance(timedelta(minutes=4))
    assert await _reconcile(system) == 0


async def test_a_receipt_that_never_came_is_asked_for(system: System) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    message_id = await system.request()
    await system.settle()
    assert (await system.message(message_id)).status is Status.ACCEPTED
    await system.advance(timedelta(minutes=20))
    assert await _reconcile(system) == 1
    assert (await system.message(message_id)).status is Status.DELIVERED


async def test_many_reports_about_unknown_texts_are_kept_in_one_go_and_the_first_final_word_stands(
    system: System,
) -> None:
    for number, kind in enumerate(["delivered", "sent", "delivered", "undelivered"]):
        body = event(event_id=f"EV{number}", message_id=f"AC{800 + number // 2}", kind=kind)
        assert (await post(system, body)).status_code == 204
    await system.run()
    async with system.begin() as tx:
        kept = await (await tx.aget(AsyncSession)).scalars(
            select(ProviderReceipt).order_by(ProviderReceipt.provider_id)
        )
        assert {receipt.provider_id: receipt.status for receipt in kept} == {
            "AC800": Status.DELIVERED,
            "AC801": Status.DELIVERED,
        }
    async with system.begin() as tx:
        deliveries = (await (await tx.aget(AsyncSession)).scalars(select(WebhookDelivery))).all()
        # One transaction for all of them: none had to be taken apart.
        assert len({delivery.processed_at for delivery in deliveries}) == 1


class WithoutDatedSurface(httpx.AsyncBaseTransport):
    """An account that has v1 only: the paths of the dated surface are a page that does not exist."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "Quo-Api-Version" in request.headers:
            return httpx.Response(404, text="<html>")
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


async def test_an_account_with_v1_only_is_reconciled_as_well(system: System, settings: MessagingSettings) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    message_id = await system.request(BEN)
    await system.receives(ANA, "STOP")
    await system.settle()
    await system.advance(timedelta(minutes=4))
    async with (
        svcs.Container(system.registry) as container,
        http_client(
            str(system.control.base_url), PROVIDER_KEY, timeout=5, connections=2, transport=WithoutDatedSurface()
        ) as http,
    ):
        provider = OpenPhoneClient(http, _at_once, _at_once)
        reconciler = ReconcilerProcess(system.begin, provider, await container.aget(MessagingSettings))
        assert await reconciler.run_once() == 2
    assert (await system.phone_state(ANA)).is_opted_out
    assert (await system.message(message_id)).status is Status.DELIVERED


async def _at_once(*_: float) -> None:
    """Nothing is limited here."""


async def test_a_number_that_cannot_be_listed_stops_neither_the_others_nor_the_overdue(
    system: System, settings: MessagingSettings
) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    message_id = await system.request()
    await system.settle()
    await system.receives(BEN, "Hello")
    await system.advance(timedelta(minutes=20))
    numbers = (await system.api.get("/api/v1/phone-numbers")).json()["items"]
    async with svcs.Container(system.registry) as container:
        client = await container.aget(OpenPhoneClient)
    other = next(number["provider_id"] for number in numbers if number["e164"] != NUMBER)
    assert await ReconcilerProcess(system.begin, Refusing(client, {other}), settings).run_once() == 2
    assert (await system.message(message_id)).status is Status.DELIVERED
    assert len(await system.messages(direction=Direction.INBOUND)) == 1


async def test_overdue_receipts_are_asked_for_where_no_list_can_be_read(
    system: System, settings: MessagingSettings
) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    message_id = await system.request()
    await system.settle()
    await system.advance(timedelta(minutes=20))
    numbers = (await system.api.get("/api/v1/phone-numbers")).json()["items"]
    async with svcs.Container(system.registry) as container:
        client = await container.aget(OpenPhoneClient)
    provider = Refusing(client, {number["provider_id"] for number in numbers})
    assert await ReconcilerProcess(system.begin, provider, settings).run_once() == 1
    assert (await system.message(message_id)).status is Status.DELIVERED


class Failing(Refusing):
    """The provider is away from the second question about a single text on."""

    asked = 0

    async def get_message(self, provider_id: str) -> ProviderMessage | None:
        self.asked += 1
        if self.asked > 1:
            raise ProviderUnavailable("503", provider="openphone", operation="get_message")
        return await super().get_message(provider_id)


async def test_an_outage_costs_no_look_and_loses_no_answer(system: System, settings: MessagingSettings) -> None:
    await system.turn(faults={"webhook": {"missing": 1.0}})
    ids = [await system.request(to) for to in (ANA, BEN)]
    await system.settle()
    await system.advance(timedelta(minutes=20))
    numbers = (await system.api.get("/api/v1/phone-numbers")).json()["items"]
    async with svcs.Container(system.registry) as container:
        client = await container.aget(OpenPhoneClient)
    provider = Failing(client, {number["provider_id"] for number in numbers})
    await ReconcilerProcess(system.begin, provider, settings).run_once()
    messages = [await system.message(i) for i in ids]
    assert sorted(message.status.value for message in messages) == ["accepted", "delivered"]
    [waiting] = [message for message in messages if message.status is Status.ACCEPTED]
    assert waiting.looks == 0
