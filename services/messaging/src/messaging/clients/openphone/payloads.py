"""The provider's JSON, both surfaces and all the shapes seen in the field, read into our own words."""

import re
from datetime import UTC, datetime
from typing import Any

import orjson

from messaging.provider import ProviderEvent, ProviderMessage, ProviderNumber, Unparsable
from messaging.states import Direction, Status

MESSAGE_EVENTS = frozenset({"message.received", "message.delivered", "message.failed", "message.undelivered"})

_STATUSES = {
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "undelivered": Status.UNDELIVERED,
    "failed": Status.FAILED,
    "canceled": Status.FAILED,
    "received": Status.RECEIVED,
}
_MOST_NESTING = 32
_OPENERS = re.compile(rb"[\[{]")


def status_of(word: object) -> Status:
    """Queued, sent and whatever is invented next mean that the provider has it; only the final words say more."""
    return _STATUSES.get(str(word), Status.ACCEPTED)


def parse_event(raw: bytes) -> ProviderEvent:
    """Read a webhook body. Raises Unparsable where it is no event; unknown types come back without a message."""
    event = _object(_loads(raw))
    event_id, type_ = event.get("id"), event.get("type")
    if not isinstance(event_id, str) or not isinstance(type_, str):
        raise Unparsable("an event has an id and a type")
    if type_ not in MESSAGE_EVENTS:
        return ProviderEvent(event_id, type_, None)
    data = _object(event.get("data"))
    parse = _dated_message if "resource" in data else _legacy_message
    return ProviderEvent(event_id, type_, parse(data, type_))


def peek(raw: bytes) -> tuple[str, str]:
    """(event id, type) of verified bytes, empty where they have none: enough to store and to order the work."""
    try:
        event = _object(_loads(raw))
    except Unparsable:
        return "", ""
    event_id, type_ = event.get("id"), event.get("type")
    return _storable(event_id), _storable(type_)


def _storable(value: Any) -> str:
    return value.replace("\x00", "") if isinstance(value, str) else ""


def listed_message(item: Any) -> ProviderMessage:
    """A message of either surface's list, of GET by id, or of the 202 of a send."""
    item = _object(item)
    direction = _direction(item)
    own, other = _sides(direction, item.get("from"), item.get("to"))
    return ProviderMessage(
        provider_id=_text(item, "id"),
        direction=direction,
        status=Status.RECEIVED if direction is Direction.INBOUND else status_of(item.get("status")),
        body=_body(item),
        own=own,
        number_provider_id=_optional(item, "phoneNumberId"),
        other=other,
        created_at=_instant(item.get("createdAt")),
        error_code=_optional(item, "errorCode"),
        has_media=bool(item.get("media")),
    )


def participants(item: Any) -> list[str]:
    """The other sides of a listed conversation; empty where it names none that can be asked for."""
    found = item.get("participants") if isinstance(item, dict) else None
    return [other for other in found if isinstance(other, str) and other] if isinstance(found, list) else []


def number(item: Any) -> ProviderNumber:
    item = _object(item)
    return ProviderNumber(
        provider_id=_text(item, "id"),
        e164=_text(item, "number"),
        name=_optional(item, "name") or "",
    )


def _legacy_message(data: dict[str, Any], type_: str) -> ProviderMessage:
    item = dict(_object(data.get("object")))
    # A received message is "received" in captures and "delivered" in the documentation: the event's type decides.
    item["direction"] = "incoming" if type_ == "message.received" else "outgoing"
    item["status"] = type_.removeprefix("message.")
    return listed_message(item)


def _dated_message(data: dict[str, Any], type_: str) -> ProviderMessage:
    resource, context = dict(_object(data.get("resource"))), _object(data.get("context"))
    resource["direction"] = "incoming" if type_ == "message.received" else "outgoing"
    resource["status"] = type_.removeprefix("message.")
    resource["from"] = context.get("senderIdentifier") or resource.get("from")
    resource["to"] = context.get("recipientIdentifiers") or resource.get("to")
    resource["phoneNumberId"] = context.get("phoneNumberId")
    return listed_message(resource)


def _sides(direction: Direction, sender: Any, recipients: Any) -> tuple[str | None, str]:
    """(our number, the other side). `to` is a string in captures and an array in the documentation."""
    to = recipients[0] if isinstance(recipients, list) and recipients else recipients
    own, other = (sender, to) if direction is Direction.OUTBOUND else (to, sender)
    if not isinstance(other, str) or not other:
        raise Unparsable("a message has another side")
    return (own if isinstance(own, str) else None), other


def _direction(item: dict[str, Any]) -> Direction:
    word = item.get("direction")
    if word not in ("incoming", "outgoing"):
        raise Unparsable("a message has a direction")
    return Direction.INBOUND if word == "incoming" else Direction.OUTBOUND


def _body(item: dict[str, Any]) -> str:
    text = item.get("text", item.get("body"))
    # PostgreSQL holds no NUL; a text with one is kept readable rather than refused.
    return text.replace("\x00", "") if isinstance(text, str) else ""


def _instant(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise Unparsable("a message has a createdAt") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise Unparsable(f"{key} is missing")
    return value


def _optional(item: dict[str, Any], key: str) -> str | None:
    value = item.get(key)
    return str(value) if value not in (None, "") else None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unparsable("an object is expected")
    return value


def _loads(raw: bytes) -> Any:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unparsable("no JSON") from error
    if len(_OPENERS.findall(raw)) > _MOST_NESTING and _is_too_deep(value):
        raise Unparsable("too much nesting")
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MOST_NESTING):
        level = [inner for outer in level for inner in _members(outer)]
    return any(isinstance(inner, dict | list) for inner in level)


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
