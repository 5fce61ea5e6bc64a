"""What QuickBooks tells of changes: the signature, and both forms of the payload (reference, section 13)."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from shared.errors import Unauthorized

from billing.provider import ENTITIES

_ENTITIES = {name.lower(): name for name in (*ENTITIES, "Preferences")}
_MOST_ID = 200
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


class UnsignedDelivery(Unauthorized):
    code = "invalid_signature"


class UnreadableDelivery(Exception):
    """Signed by QuickBooks, and no payload that we know."""


@dataclass(frozen=True)
class Change:
    """One entity of a kind that is mirrored changed."""

    event_id: str
    realm_id: str
    entity: str
    qb_id: str
    operation: str
    occurred_at: datetime
    gone_id: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what no column would hold."""
        names = (self.event_id, self.realm_id, self.qb_id, self.operation, self.gone_id or "")
        if any(len(name) > _MOST_ID or "\0" in name for name in names):
            raise ValueError("an id that QuickBooks does not give")
        if not 2000 <= self.occurred_at.year < 2200:
            raise ValueError("an instant that is none")


def check_signature(body: bytes, signature: str | None, verifier_token: str) -> None:
    """Raises UnsignedDelivery. The signature is over the raw bytes; an empty key signs nothing."""
    expected = base64.b64encode(hmac.new(verifier_token.encode(), body, hashlib.sha256).digest())
    presented = (signature or "").encode("utf-8", "replace")
    if not verifier_token or not hmac.compare_digest(expected, presented):
        raise UnsignedDelivery("The signature of this delivery is missing or wrong.")


@dataclass(frozen=True)
class Told:
    """What a delivery tells: `error` says what of it cannot be read, if anything."""

    changes: list[Change]
    error: str | None


def read_changes(body: bytes) -> Told:
    """Every change in a delivery that is one of ours to know, of whichever companies.

    What cannot be read keeps nothing from the others. Raises UnreadableDelivery where that leaves none.
    """
    try:
        document = orjson.loads(body)
        found = list(_cloud_events(document) if isinstance(document, list) else _notifications(document))
    except _UNREADABLE as error:
        raise UnreadableDelivery(repr(error)) from error
    changes = [one for one in found if isinstance(one, Change)]
    errors = [one for one in found if isinstance(one, Exception)]
    if not errors:
        return Told(changes, error=None)
    said = f"{len(errors)} of {len(found)} cannot be read: {errors[0]!r}"
    if not changes:
        raise UnreadableDelivery(said) from errors[0]
    return Told(changes, said)


Read = Change | Exception | None
"""A change, why it cannot be read, or nothing where it is of a kind that is not mirrored."""


def _attempt(read: Callable[..., Change | None], *given: Any) -> Read:
    try:
        return read(*given)
    except _UNREADABLE as error:
        return error


def _cloud_events(document: list[Any]) -> Iterator[Read]:
    return (_attempt(_cloud_event, event) for event in document)


def _cloud_event(event: dict[str, Any]) -> Change | None:
    # qbo.invoice.updated.v1
    _, entity, operation, *_ = (*str(event["type"]).lower().split("."), "", "")
    if entity not in _ENTITIES:
        return None
    return Change(
        event_id=str(event["id"])[:_MOST_ID],
        realm_id=str(event["intuitaccountid"]),
        entity=_ENTITIES[entity],
        qb_id=str(event["intuitentityid"]),
        operation=operation,
        occurred_at=_instant(str(event["time"])),
        gone_id=_gone(event.get("data")),
    )


def _notifications(document: dict[str, Any]) -> Iterator[Read]:
    for notification in list(document["eventNotifications"]):
        try:
            realm_id, entities = str(notification["realmId"]), list(notification["dataChangeEvent"]["entities"])
        except _UNREADABLE as error:
            yield error
            continue
        yield from (_attempt(_notification, realm_id, entity) for entity in entities)


def _notification(realm_id: str, entity: dict[str, Any]) -> Change | None:
    name, operation = str(entity["name"]), str(entity["operation"]).lower()
    if name.lower() not in _ENTITIES:
        return None
    return Change(
        # This form names no events: what is told twice is told with the same words.
        event_id=":".join((realm_id, name, str(entity["id"]), operation, str(entity["lastUpdated"])))[:_MOST_ID],
        realm_id=realm_id,
        entity=_ENTITIES[name.lower()],
        qb_id=str(entity["id"]),
        operation=_OPERATIONS.get(operation, operation),
        occurred_at=_instant(str(entity["lastUpdated"])),
        gone_id=_gone(entity),
    )


_OPERATIONS = {"create": "created", "update": "updated", "delete": "deleted", "merge": "merged"}


def _gone(members: Any) -> str | None:
    if not isinstance(members, dict):
        return None
    return next((str(value) for name, value in members.items() if name.lower() == "deletedid" and value), None)


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
