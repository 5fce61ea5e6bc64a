"""The inbox, single texts, numbers, holds and consent over HTTP."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from messaging.states import Kind, Status
from shared.events.contacts import ContactChanged, ContactItem, PhoneItem

from .system import ANA, BEN, System, phone


async def _hold_all(system: System) -> None:
    await system.api.post("/api/v1/sending-holds", json={"scope": "all", "reason": "a test"})


async def test_the_inbox_shows_who_wrote_and_search_finds_the_rest(system: System) -> None:
    contact_id = uuid4()
    item = ContactItem(
        contact_id=contact_id, version=1, first_name="Ana", last_name="Ruiz", phones=[PhoneItem(e164=ANA)]
    )
    await system.bus.publish_event(ContactChanged(contacts=[item]))
    await system.request(BEN)
    await system.receives(ANA, "There is water in my basement")
    await system.settle()
    [inbox] = (await system.api.get("/api/v1/conversations")).json()["items"]
    assert (inbox["phone"], inbox["contact_name"], inbox["unread"]) == (ANA, "Ana Ruiz", 1)
    for q, found in (("0144", BEN), ("ruiz", ANA), ("water in", ANA), ("foundations", BEN)):
        items = (await system.api.get("/api/v1/conversations", params={"q": q})).json()["items"]
        assert [item["phone"] for item in items] == [found], q
    assert (await system.api.get("/api/v1/conversations", params={"q": "%%%"})).json()["items"] == []


async def test_a_conversation_is_read_and_filed_with_its_version(system: System) -> None:
    await system.receives(ANA, "Hello")
    await system.settle()
    [inbox] = (await system.api.get("/api/v1/conversations")).json()["items"]
    address = f"/api/v1/conversations/{inbox['id']}"
    assert (await system.api.patch(address, json={"state": "done"})).status_code == 428
    stale = await system.api.patch(address, json={"state": "done"}, headers={"If-Match": '"99"'})
    assert stale.status_code == 412
    tag = (await system.api.get(address)).headers["etag"]
    done = await system.api.patch(address, json={"state": "done", "is_read": True}, headers={"If-Match": tag})
    assert (done.json()["state"], done.json()["unread"]) == ("done", 0)
    thread = (await system.api.get(f"{address}/messages")).json()
    assert [message["body"] for message in thread["items"]] == ["Hello"]
    await system.receives(ANA, "One more thing")
    await system.settle()
    assert (await system.api.get(address)).json()["state"] == "open"


async def test_fifty_identical_posts_are_one_text(system: System) -> None:
    await _hold_all(system)
    body = {"to": ANA, "body": "On our way"}
    answers = await asyncio.gather(
        *(system.api.post("/api/v1/messages", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(50))
    )
    done = [answer for answer in answers if answer.status_code == 202]
    assert done
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in done}) == 1
    assert len(await system.messages(kind=Kind.REPLY)) == 1
    other = await system.api.post(
        "/api/v1/messages", json={"to": ANA, "body": "Other"}, headers={"Idempotency-Key": "k1"}
    )
    assert other.status_code == 409


async def test_the_same_words_need_an_override(system: System) -> None:
    assert (await system.reply(ANA, "On our way")).status_code == 202
    again = await system.reply(ANA, "On our way ")
    assert (again.status_code, again.json()["code"]) == (409, "same_text_recently")
    assert (await system.reply(ANA, "On our way", repeats_text=True)).status_code == 202
    await system.settle()
    assert len(await system.ledger()) == 2


async def test_a_waiting_text_can_be_taken_back(system: System) -> None:
    await _hold_all(system)
    message_id = (await system.reply(ANA, "Wrong window")).json()["id"]
    assert (await system.api.post(f"/api/v1/messages/{message_id}/cancel")).json()["status"] == "cancelled"
    assert (await system.api.post(f"/api/v1/messages/{message_id}/cancel")).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.body"),
        ({"to": "12", "body": "x"}, "body.to"),
        ({"to": "(617) 555-0100 x12", "body": "x"}, "body.to"),
        ({"to": ANA, "body": ""}, "body.body"),
        ({"to": ANA, "body": "   "}, "body.body"),
        ({"to": ANA, "body": "x" * 1601}, "body.body"),
        ({"to": ANA, "body": "\u2026" * 600}, "body.body"),
        ({"to": ANA, "conversation_id": str(uuid4()), "body": "x"}, "body"),
        ({"to": ANA, "body": "x", "colour": "red"}, "body.colour"),
    ],
)
async def test_malformed_texts_are_422_and_the_field_is_named(
    client: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    answer = await client.post("/api/v1/messages", json=body)
    assert (answer.status_code, field in [error["field"] for error in answer.json()["errors"]]) == (422, True)


async def test_a_nul_is_422(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/v1/messages", json={"to": ANA, "body": "a\u0000b"})).status_code == 422


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/opt-outs?q=abc", "query.q"),
        ("/api/v1/opt-outs?q=a6b1c", "query.q"),
        ("/api/v1/messages?phone=12", "query.phone"),
        ("/api/v1/consent/12", "path.phone"),
    ],
)
async def test_what_is_no_phone_is_422_and_the_field_is_named(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


async def test_opt_outs_are_found_by_a_part_of_the_phone(client: httpx.AsyncClient) -> None:
    for to in (ANA, BEN):
        await client.post("/api/v1/opt-outs", json={"phone": to, "reason": "by phone"})
    found = (await client.get("/api/v1/opt-outs", params={"q": "555-0143"})).json()["items"]
    assert [item["phone"] for item in found] == [ANA]


async def test_only_a_phone_that_is_out_is_confirmed_or_let_in_again(client: httpx.AsyncClient) -> None:
    await client.post("/api/v1/opt-outs", json={"phone": ANA, "reason": "by phone"})
    evidence = {"evidence": "She called."}
    assert (await client.post(f"/api/v1/opt-outs/{ANA}/confirm")).status_code == 200
    assert (await client.post(f"/api/v1/opt-outs/{ANA}/opt-in", json=evidence)).status_code == 200
    for answer in (
        await client.post(f"/api/v1/opt-outs/{ANA}/opt-in", json=evidence),
        await client.post(f"/api/v1/opt-outs/{ANA}/confirm"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert (await client.post(f"/api/v1/opt-outs/{BEN}/confirm")).status_code == 404


async def test_unknown_things_are_404(client: httpx.AsyncClient) -> None:
    for path in ("conversations", "messages", "phone-numbers"):
        assert (await client.get(f"/api/v1/{path}/{uuid4()}")).status_code == 404
    answer = await client.post("/api/v1/messages", json={"conversation_id": str(uuid4()), "body": "x"})
    assert answer.status_code == 404
    for scope in ("number", "campaign"):
        hold = {"scope": scope, f"{scope}_id": str(uuid4()), "reason": "x"}
        assert (await client.post("/api/v1/sending-holds", json=hold)).status_code == 404


async def test_without_a_number_nothing_is_queued(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/messages", json={"to": ANA, "body": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_sending_number")


async def test_a_hold_is_placed_once_and_lifted_once(system: System) -> None:
    wanted = {"scope": "campaign", "reason": "Too many complaints"}
    answers = await asyncio.gather(*(system.api.post("/api/v1/sending-holds", json=wanted) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    [hold_id] = {answer.json()["id"] for answer in answers}
    assert (await system.api.post(f"/api/v1/sending-holds/{hold_id}/lift")).status_code == 200
    assert (await system.api.post(f"/api/v1/sending-holds/{hold_id}/lift")).status_code == 409
    assert [event["scope"] for event in await system.events("messaging.hold.placed.v1")] == ["campaign"]
    assert len(await system.events("messaging.hold.lifted.v1")) == 1


async def test_numbers_are_the_providers_and_their_caps_are_ours(system: System) -> None:
    numbers = (await system.api.get("/api/v1/phone-numbers")).json()["items"]
    assert [number["name"] for number in numbers] == ["Outreach 1", "Outreach 2"]
    address = f"/api/v1/phone-numbers/{numbers[0]['id']}"
    refused = await system.api.patch(address, json={"zone": "Mars/Olympus"}, headers={"If-Match": '"1"'})
    assert refused.status_code == 422
    edited = await system.api.patch(
        address, json={"daily_cap": 7, "zone": "America/Chicago"}, headers={"If-Match": '"1"'}
    )
    assert (edited.json()["daily_cap"], edited.headers["etag"]) == (7, '"2"')
    events = await system.events("messaging.phone_number.changed.v1")
    assert [event["version"] for event in events if event["number_id"] == numbers[0]["id"]] == [1, 2]


async def test_campaigns_learn_what_is_known_of_phones(system: System) -> None:
    await system.request(ANA)
    await system.receives(BEN, "STOP")
    await system.settle()
    answer = await system.api.post("/internal/v1/phone-states", json={"phones": [ANA, BEN, phone(1)]})
    facts = {item["phone"]: item for item in answer.json()["items"]}
    assert set(facts) == {ANA, BEN}
    assert facts[ANA]["last_texted_at"] is not None
    assert (facts[ANA]["is_opted_out"], facts[ANA]["has_conversation"]) == (False, False)
    assert (facts[BEN]["is_opted_out"], facts[BEN]["has_conversation"]) == (True, True)


async def test_a_text_costs_what_the_provider_bills(system: System) -> None:
    # An accented letter doubles the price, even one that GSM 7-bit has.
    text = "Señora, " + "x" * 100
    requested = await system.message(await system.request(ANA, text))
    replied = (await system.reply(BEN, text)).json()
    assert (requested.segments, requested.cost_cents) == (2, 10)
    assert (replied["segments"], replied["cost_cents"]) == (2, 10)


async def test_an_unknown_sender_is_announced(system: System) -> None:
    await system.receives(ANA, "Hi")
    await system.settle()
    [seen] = await system.events("messaging.contact.seen.v1")
    assert seen["phone"] == ANA


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("messages:send", "POST", "/api/v1/messages"),
        ("conversations:read", "GET", "/api/v1/conversations"),
        ("consent:write", "POST", "/api/v1/opt-outs"),
        ("sending-holds:write", "POST", "/api/v1/sending-holds"),
        ("internal", "POST", "/internal/v1/phone-states"),
    ],
)
async def test_permissions_are_enforced(client_as, permission: str, method: str, path: str) -> None:  # type: ignore[no-untyped-def]
    assert (await client_as(None).request(method, path, json={})).status_code == 401
    assert (await client_as(["contacts:read"]).request(method, path, json={})).status_code == 403
    assert (await client_as([permission]).request(method, path, json={})).status_code in (200, 422)


async def test_a_reply_names_the_text_it_answers(system: System) -> None:
    message_id = await system.request()
    await system.settle()
    await system.advance(timedelta(hours=1))
    await system.receives(ANA, "Yes please")
    await system.settle()
    [received] = await system.events("messaging.message.received.v1")
    assert received["in_reply_to"] == str(message_id)
    assert (await system.message(message_id)).status is Status.DELIVERED
