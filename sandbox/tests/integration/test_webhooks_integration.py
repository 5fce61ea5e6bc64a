"""Webhooks as a receiver sees them: both schemes, retries on the movable clock, faults, STOP and replies."""

import asyncio
import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from shared.testing.plugin import FakeClock
from shared.testing.waiting import until

from . import steps
from .conftest import Received, Receiver
from .steps import ANA, QUICK, send, subscribe, subscribe_dated, text_us, turn


def is_signed(received: Received, key: str) -> bool:
    """An implementation of its own, from the reference: the sandbox must not be held against itself."""
    headers, raw = received.headers, received.raw
    secret = base64.b64decode(key.removeprefix("whsec_"))
    if "openphone-signature" in headers:
        _, _, timestamp, signature = headers["openphone-signature"].split(";")
        signed = f"{timestamp}.".encode() + raw
        expected = [base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()]
        return signature in expected
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")


async def idle(control: httpx.AsyncClient) -> bool:
    return bool((await control.get("/sandbox/v1/queue")).json()["idle"])


async def settled(control: httpx.AsyncClient) -> None:
    await until(lambda: idle(control), what="the queue is empty")


async def test_a_delivered_text_reaches_both_schemes(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    legacy = await subscribe(provider, receiver.url)
    dated = await subscribe_dated(provider, receiver.url)
    await turn(control, **QUICK)
    message = (await send(provider)).json()["data"]
    await until(lambda: len(receiver.received) == 2)
    by_scheme = {"openphone-signature" in r.headers: r for r in receiver.received}
    assert is_signed(by_scheme[True], legacy["key"])
    assert is_signed(by_scheme[False], dated["key"])
    old, new = by_scheme[True].body, by_scheme[False].body
    assert old["data"]["object"]["id"] == new["data"]["resource"]["id"] == message["id"]
    assert old["data"]["object"]["to"] == ANA
    assert new["data"]["context"]["recipientIdentifiers"] == [ANA]
    assert new["data"]["resource"]["status"] == "delivered"
    assert old["id"] != new["id"]
    assert abs(time.time() - int(by_scheme[False].headers["webhook-timestamp"])) < 60


@pytest.mark.parametrize(("ending", "event"), [("undelivered", "message.undelivered"), ("failed", "message.failed")])
async def test_failures_reach_the_dated_scheme_only(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, ending: str, event: str
) -> None:
    await subscribe(provider, receiver.url)
    await subscribe_dated(provider, receiver.url)
    chosen = {"ending": ending, "error_code": "30006"}
    await turn(control, life={**QUICK["life"], "recipients": {ANA: chosen}})
    await send(provider)
    await settled(control)
    (received,) = receiver.received
    assert received.body["type"] == event
    assert received.body["data"]["resource"]["errorCode"] == "30006"


async def test_an_unanswered_webhook_is_tried_eight_times_over_a_day(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock
) -> None:
    await subscribe(provider, receiver.url)
    await subscribe_dated(provider, receiver.url)
    receiver.status = 500
    await text_us(control, "hello")
    await until(lambda: len(receiver.received) == 2)
    await settled(control)
    for attempt, pause in enumerate((5, 300, 1800, 7200, 18_000, 36_000, 36_000), start=2):
        queue = (await control.get("/sandbox/v1/queue")).json()
        assert queue["waiting"]["deliveries"] == 2
        await crm_clock.advance(timedelta(seconds=pause + 1))
        await until(lambda expected=2 * attempt: len(receiver.received) == expected)
        await settled(control)
    await crm_clock.advance(timedelta(days=30))
    await settled(control)
    assert len(receiver.received) == 16
    legacy = [r for r in receiver.received if "openphone-signature" in r.headers]
    dated = [r for r in receiver.received if "webhook-id" in r.headers]
    assert len({r.headers["openphone-signature"] for r in legacy}) == 1, "the original timestamp is kept"
    assert len({r.headers["webhook-id"] for r in dated}) == 1
    assert all(abs(time.time() - int(r.headers["webhook-timestamp"])) < 120 for r in dated), "wall time"
    assert (await control.get("/sandbox/v1/stats")).json()["deliveries"] == {"failed": 2}


async def test_a_receiver_that_recovers_gets_the_event_once(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock
) -> None:
    webhook = await subscribe_dated(provider, receiver.url)
    receiver.status = 503
    await text_us(control, "hello")
    await settled(control)
    receiver.status = 204
    await crm_clock.advance(timedelta(seconds=6))
    await until(lambda: len(receiver.received) == 2)
    await settled(control)
    log = (await provider.get(f"/webhooks/{webhook['id']}/events", headers=steps.DATED)).json()["data"]
    assert [(entry["status"], entry["attempts"], entry["responseStatus"]) for entry in log] == [("delivered", 2, 204)]
    again = await provider.post(f"/webhooks/{webhook['id']}/events/{log[0]['id']}/retry", headers=steps.DATED)
    assert again.status_code == 202
    await until(lambda: len(receiver.received) == 3)
    assert receiver.received[2].headers["webhook-id"] == log[0]["id"]


async def test_a_receiver_that_is_away_is_tried_again(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock
) -> None:
    webhook = await subscribe_dated(provider, "http://127.0.0.1:9/nobody")
    await text_us(control, "hello")
    await settled(control)
    moved = await provider.patch(f"/webhooks/{webhook['id']}", headers=steps.DATED, json={"url": receiver.url})
    assert "key" not in moved.json()["data"]
    await crm_clock.advance(timedelta(seconds=6))
    await until(lambda: len(receiver.received) == 1)


async def test_a_rotated_key_signs_beside_the_former_one(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    webhook = await subscribe_dated(provider, receiver.url)
    rotated = await provider.post(f"/webhooks/{webhook['id']}/rotate", headers=steps.DATED)
    await text_us(control, "hello")
    await until(lambda: receiver.received)
    assert is_signed(receiver.received[0], webhook["key"])
    assert is_signed(receiver.received[0], rotated.json()["data"]["key"])


async def test_deleted_and_disabled_webhooks_get_nothing(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    gone = await subscribe(provider, receiver.url)
    assert (await provider.delete(f"/v1/webhooks/{gone['id']}")).status_code == 204
    assert (await provider.get(f"/v1/webhooks/{gone['id']}")).status_code == 404
    off = await subscribe_dated(provider, receiver.url)
    await provider.patch(f"/webhooks/{off['id']}", headers=steps.DATED, json={"status": "disabled"})
    await text_us(control, "hello")
    await settled(control)
    assert receiver.received == []


async def test_a_test_event_can_be_asked_for(provider: httpx.AsyncClient, receiver: Receiver) -> None:
    webhook = await subscribe_dated(provider, receiver.url)
    asked = await provider.post(
        f"/webhooks/{webhook['id']}/events/test", headers=steps.DATED, json={"eventType": "message.failed"}
    )
    assert asked.status_code == 202
    await until(lambda: receiver.received)
    assert is_signed(receiver.received[0], webhook["key"])
    assert receiver.received[0].body["type"] == "message.failed"


async def struck(control: httpx.AsyncClient, fault: str, **more: Any) -> None:
    await turn(control, faults={"recipients": {ANA: {"webhook": {"*": fault}}}, **more})


async def test_a_missing_event_can_still_be_listed(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(provider, receiver.url)
    await struck(control, "missing")
    message = await text_us(control, "hello")
    await settled(control)
    assert receiver.received == []
    assert [m["id"] for m in (await steps.find_messages(provider))["data"]] == [message["id"]]
    assert (await control.get("/sandbox/v1/stats")).json()["delivery_faults"] == {"missing": 1}


async def test_a_duplicate_has_the_same_identity(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe_dated(provider, receiver.url)
    await struck(control, "duplicate")
    await text_us(control, "hello")
    await until(lambda: len(receiver.received) == 2)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.raw == second.raw


@pytest.mark.parametrize("fault", ["late", "reordered"])
async def test_an_event_may_come_after_what_followed_it(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock, fault: str
) -> None:
    await subscribe(provider, receiver.url)
    await turn(control, **QUICK)
    await turn(control, faults={"recipients": {ANA: {"webhook": {"message.delivered": fault}}}})
    await send(provider)
    await text_us(control, "an answer")
    await settled(control)
    await crm_clock.advance(timedelta(hours=2))
    await until(lambda: len(receiver.received) == 2)
    assert [r.body["type"] for r in receiver.received] == ["message.received", "message.delivered"]


@pytest.mark.parametrize("scheme", ["legacy", "dated"])
async def test_a_bad_signature_is_followed_by_a_good_one(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock, scheme: str
) -> None:
    subscribed = await (subscribe if scheme == "legacy" else subscribe_dated)(provider, receiver.url)
    await struck(control, "bad_signature")
    receiver.status = 401
    await text_us(control, "hello")
    await settled(control)
    receiver.status = 200
    await crm_clock.advance(timedelta(seconds=6))
    await until(lambda: len(receiver.received) == 2)
    assert [is_signed(r, subscribed["key"]) for r in receiver.received] == [False, True]


async def test_an_old_timestamp_is_rightly_signed_and_too_old(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    webhook = await subscribe_dated(provider, receiver.url)
    await struck(control, "old_timestamp")
    await text_us(control, "hello")
    await until(lambda: receiver.received)
    assert is_signed(receiver.received[0], webhook["key"])
    assert time.time() - int(receiver.received[0].headers["webhook-timestamp"]) > 3000


async def test_payloads_take_the_shapes_seen_in_the_field(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(provider, receiver.url)
    await turn(
        control,
        shapes={
            "legacy_to": "array",
            "legacy_received_status": "delivered",
            "has_legacy_conversation_id": True,
        },
    )
    picture = [{"url": "https://storage.googleapis.com/x/crack.jpg", "type": "image/jpeg"}]
    message = await text_us(control, "", media=picture)
    await until(lambda: receiver.received)
    resource = receiver.received[0].body["data"]["object"]
    assert resource["to"] == [steps.NUMBER]
    assert (resource["text"], resource["status"], resource["media"]) == ("", "delivered", picture)
    assert resource["conversationId"] == message["conversation_id"]


async def test_stop_blocks_every_number_until_start(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(provider, receiver.url)
    await turn(control, **QUICK)
    await text_us(control, "stop")
    for number in (steps.NUMBER, steps.OTHER_NUMBER):
        refused = await send(provider, **{"from": number})
        assert refused.status_code == 400
        assert "Opted Out" in refused.json()["message"]
    texts = [m["text"] for m in (await steps.find_messages(provider))["data"]]
    assert texts[1] == "stop"
    assert texts[0].startswith("You have successfully been unsubscribed.")
    assert await steps.ledger(control) == [], "the automatic answer is no send of ours"
    await until(lambda: receiver.of("message.received"))
    assert (await control.get(f"/sandbox/v1/recipients/{ANA}")).json()["blocked_at"]
    await text_us(control, "UNSTOP")
    assert (await send(provider)).status_code == 202


@pytest.mark.parametrize("words", ["please stop", "stop.", "STOP PLEASE", "REVOKE", "opt out"])
async def test_other_wordings_do_nothing_at_the_provider(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, words: str
) -> None:
    await text_us(control, words)
    assert (await send(provider)).status_code == 202


async def test_the_automatic_reply_and_the_keyword_can_be_kept_back(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(provider, receiver.url)
    await turn(control, opt_out={"is_reply_listed": False, "is_keyword_delivered": False})
    await text_us(control, "STOP")
    await settled(control)
    assert receiver.received == []
    assert [m["text"] for m in (await steps.find_messages(provider))["data"]] == ["STOP"]


async def test_a_send_and_a_stop_never_both_win_after_the_stop(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    """Whatever the race, nothing is accepted once the STOP is in."""
    for number in range(20):
        phone = f"+1617555{number:04}"
        await asyncio.gather(send(provider, to=phone), text_us(control, "STOP", sender=phone))
        assert (await send(provider, to=phone)).status_code == 400
        assert len(await steps.ledger(control, recipient=phone)) <= 1


async def test_people_answer_as_their_persona_says(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, crm_clock: FakeClock
) -> None:
    await subscribe(provider, receiver.url)
    await turn(
        control,
        **QUICK,
        persona={
            "recipients": {ANA: "yes", "+16175550144": "stop", "+16175550145": "none"},
            "delay_seconds": [600, 600],
        },
    )
    for phone in (ANA, "+16175550144", "+16175550145"):
        await send(provider, to=phone)
    await until(lambda: len(receiver.of("message.delivered")) == 3)
    await settled(control)
    assert receiver.of("message.received") == []
    await crm_clock.advance(timedelta(seconds=601))
    await until(lambda: len(receiver.of("message.received")) == 2)
    senders = {r.body["data"]["object"]["from"] for r in receiver.of("message.received")}
    assert senders == {ANA, "+16175550144"}
    assert (await send(provider, to="+16175550144")).status_code == 400
    assert (await send(provider)).status_code == 202


async def test_webhooks_of_calls_break_too(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    faults = {"recipients": {ANA: {"webhook": {"call.completed": "missing", "call.missed": "duplicate"}}}}
    await turn(control, faults=faults)
    await subscribe_dated(provider, receiver.url, ("call.completed", "call.missed"))
    await control.post("/sandbox/v1/calls", json={"from": ANA, "to": steps.NUMBER})
    await until(lambda: len(receiver.of("call.missed")) == 2)
    assert receiver.of("call.completed") == []


async def test_a_missed_call_is_announced_and_listed(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    answer = await provider.post(
        "/v1/webhooks/calls", json={"url": receiver.url, "events": ["call.completed"], "resourceIds": ["*"]}
    )
    assert answer.status_code == 201
    await subscribe_dated(provider, receiver.url, ("call.missed",))
    made = await control.post("/sandbox/v1/calls", json={"from": ANA, "to": steps.NUMBER})
    await until(lambda: len(receiver.received) == 2)
    assert {r.body["type"] for r in receiver.received} == {"call.completed", "call.missed"}
    params = {"phoneNumberId": steps.NUMBER_ID, "participants": ANA, "maxResults": 10}
    listed = (await provider.get("/v1/calls", params=params)).json()["data"]
    assert [call["id"] for call in listed] == [made.json()["id"]]
    assert listed[0]["answeredAt"] is None
