"""The provider's shapes, as captured and as documented."""

import json
from typing import Any

import pytest
from messaging.clients.openphone.payloads import listed_message, parse_event, peek, status_of
from messaging.provider import Unparsable
from messaging.states import Direction, Status

RECEIVED: dict[str, Any] = {
    "id": "EV5c1f0e22",
    "object": "event",
    "apiVersion": "v4",
    "createdAt": "2026-11-22T19:31:12.342Z",
    "type": "message.received",
    "data": {
        "object": {
            "id": "AC8812aa",
            "object": "message",
            "from": "+15125550143",
            "to": "+15125550100",
            "direction": "incoming",
            "text": "Yes please, Tuesday works",
            "status": "received",
            "createdAt": "2026-11-22T19:31:10.445Z",
            "phoneNumberId": "PN4e2b9d10",
        }
    },
}
FAILED: dict[str, Any] = {
    "id": "EV01J9",
    "apiVersion": "2026-03-30",
    "createdAt": "2026-11-22T19:40:00.000Z",
    "type": "message.failed",
    "data": {
        "resource": {
            "id": "AC7f3c0a51",
            "direction": "outgoing",
            "text": "Hi Ana, your quote is ready.",
            "status": "failed",
            "createdAt": "2026-11-22T19:30:05.120Z",
            "errorCode": "30006",
        },
        "context": {
            "phoneNumberId": "PN4e2b9d10",
            "senderIdentifier": "+15125550100",
            "recipientIdentifiers": ["+15125550143"],
        },
    },
}


def legacy(**changes: Any) -> bytes:
    message = {**RECEIVED["data"]["object"], **changes}
    return json.dumps({**RECEIVED, "data": {"object": {k: v for k, v in message.items() if v is not ...}}}).encode()


@pytest.mark.parametrize("to", ["+15125550100", ["+15125550100"]])
@pytest.mark.parametrize("status", ["received", "delivered"])
def test_a_received_text_in_the_captured_and_the_documented_shape(to: object, status: str) -> None:
    message = parse_event(legacy(to=to, status=status)).message
    assert message is not None
    assert (message.provider_id, message.direction, message.status) == ("AC8812aa", Direction.INBOUND, Status.RECEIVED)
    assert (message.other, message.own, message.body) == ("+15125550143", "+15125550100", "Yes please, Tuesday works")


def test_the_older_name_of_the_text() -> None:
    message = parse_event(legacy(text=..., body="Hello")).message
    assert message is not None
    assert message.body == "Hello"


def test_a_picture_without_words() -> None:
    message = parse_event(legacy(text=..., media=[{"url": "https://x", "type": "image/jpeg"}])).message
    assert message is not None
    assert (message.body, message.has_media) == ("", True)


def test_a_failure_of_the_dated_surface() -> None:
    message = parse_event(json.dumps(FAILED).encode()).message
    assert message is not None
    assert (message.status, message.error_code, message.other) == (Status.FAILED, "30006", "+15125550143")


def test_the_type_of_the_event_says_more_than_the_status_in_it() -> None:
    event = {**FAILED, "type": "message.delivered"}
    message = parse_event(json.dumps(event).encode()).message
    assert message is not None
    assert message.status is Status.DELIVERED


def test_unknown_types_are_kept_without_effect() -> None:
    event = parse_event(b'{"id": "EV1", "type": "task.created", "data": {"anything": []}}')
    assert (event.type, event.message) == ("task.created", None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"id": 7, "type": "message.received"}',
        b'{"id": "EV1", "type": "message.received"}',
        b'{"id": "EV1", "type": "message.received", "data": {"object": {"id": "AC1"}}}',
        b'{"id": "EV1", "type": "message.received", "data": {"object": []}}',
        legacy(createdAt="yesterday"),
        legacy(**{"from": None}),
        b"[" * 20_000,
    ],
)
def test_what_is_no_event_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(Unparsable):
        parse_event(raw)


def test_a_peek_never_fails() -> None:
    assert peek(b"\xff") == ("", "")
    assert peek(legacy()) == ("EV5c1f0e22", "message.received")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", Status.ACCEPTED),
        ("sent", Status.ACCEPTED),
        ("partially_delivered", Status.ACCEPTED),
        ("delivered", Status.DELIVERED),
        ("undelivered", Status.UNDELIVERED),
        ("failed", Status.FAILED),
        ("something new", Status.ACCEPTED),
        (None, Status.ACCEPTED),
    ],
)
def test_only_final_words_are_more_than_accepted(word: object, status: Status) -> None:
    assert status_of(word) is status


def test_a_nul_in_a_text_is_left_out() -> None:
    item = {**RECEIVED["data"]["object"], "text": "a\x00b"}
    assert listed_message(item).body == "ab"


@pytest.mark.parametrize(("depth", "is_read"), [(31, True), (32, False), (900, False)])
def test_an_event_is_nested_no_deeper_than_it_ever_honestly_is(depth: int, is_read: bool) -> None:
    body = b'{"id": "EV1", "type": "call.completed", "data": ' + b"[" * depth + b"]" * depth + b"}"
    assert (peek(body) == ("EV1", "call.completed")) is is_read


def test_what_names_a_delivery_holds_no_nul() -> None:
    assert peek(rb'{"id": "E\u0000V", "type": "a\u0000"}') == ("EV", "a")
