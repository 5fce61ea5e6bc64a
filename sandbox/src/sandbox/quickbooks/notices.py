"""How QuickBooks tells an app of changes: the payload of both forms, its signature, and when it tries again."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.quickbooks.controls import Shapes
from sandbox.quickbooks.entities import BY_PATH
from sandbox.quickbooks.forms import Document
from shared import decimal_json

SIGNATURE = "intuit-signature"
MOST_EVENTS = 100
ANSWER_SECONDS = 3.0
"""An app answers within this, or has not got the call."""
DELAYS = (
    *(timedelta(seconds=seconds) for seconds in (10, 20, 30)),
    *(timedelta(minutes=minutes) for minutes in (5, 20)),
    *(timedelta(hours=hours) for hours in (2, 4, 6)),
)


@dataclass(frozen=True)
class Notice:
    """One change of one entity. `operation`: created, updated, deleted, merged, void, emailed."""

    id: str
    realm_id: str
    kind: str
    entity_id: str
    operation: str
    occurred_at: datetime
    deleted_id: str | None = None


def delay_after(attempts: int) -> timedelta:
    """How long after the last of `attempts` failed ones the next is due; it is tried for ever."""
    return DELAYS[min(attempts, len(DELAYS)) - 1]


def payload(notices: Sequence[Notice], shapes: Shapes) -> bytes:
    if shapes.event_format == "old":
        return decimal_json.write(_old(notices)).encode()
    return decimal_json.write([_cloud_event(notice, shapes) for notice in notices]).encode()


def _cloud_event(notice: Notice, shapes: Shapes) -> Document:
    event = {
        "specversion": "1.0",
        "id": notice.id,
        "source": "intuit.c2FuZGJveA==",
        "type": f"qbo.{notice.kind}.{notice.operation}.v1",
        "datacontenttype": "application/json",
        # Nanoseconds, as the provider writes them.
        "time": notice.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
        "intuitentityid": notice.entity_id,
        "intuitaccountid": notice.realm_id,
        "data": {shapes.merged_key: notice.deleted_id} if notice.deleted_id else {},
    }
    if not notice.deleted_id and shapes.event_data == "absent":
        del event["data"]
    elif not notice.deleted_id and shapes.event_data == "filled":
        about = {"id": notice.entity_id, "name": notice.kind, "operation": notice.operation, shapes.merged_key: ""}
        event["data"] = {"entity": about, shapes.merged_key: None}
    return event


_OLD_NAMES = {path: kind.name for path, kind in BY_PATH.items()}
_OLD_OPERATIONS = {"created": "Create", "updated": "Update", "deleted": "Delete", "merged": "Merge"}


def _old(notices: Sequence[Notice]) -> Document:
    by_realm: dict[str, list[Document]] = {}
    for notice in notices:
        entity = {
            "name": _OLD_NAMES.get(notice.kind, notice.kind.capitalize()),
            "id": notice.entity_id,
            "operation": _OLD_OPERATIONS.get(notice.operation, notice.operation.capitalize()),
            "lastUpdated": notice.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        by_realm.setdefault(notice.realm_id, []).append(
            entity | ({"deletedId": notice.deleted_id} if notice.deleted_id else {})
        )
    return {
        "eventNotifications": [
            {"realmId": realm_id, "dataChangeEvent": {"entities": entities}} for realm_id, entities in by_realm.items()
        ]
    }


def signature(body: bytes, verifier_token: str) -> str:
    return base64.b64encode(hmac.new(verifier_token.encode(), body, hashlib.sha256).digest()).decode()
