"""What QuickBooks tells of changes: the signature, and both forms of the payload (reference, section 13)."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from billing.clients.quickbooks.webhooks import (
    Change,
    Told,
    UnreadableDelivery,
    UnsignedDelivery,
    check_signature,
    read_changes,
)
from hypothesis import given
from hypothesis import strategies as st

REALM = "9130350000000001"
KEY = "sim-verifier-token"
BODY = (
    b'[{"specversion":"1.0","id":"7d1f0c1e-2c6c-4a3b-9a57-0f1d5a8c2e11","source":"intuit.sim",'
    b'"type":"qbo.invoice.updated.v1","datacontenttype":"application/json","time":"2026-11-22T10:00:00.123456789Z",'
    b'"intuitentityid":"145","intuitaccountid":"9130350000000001","data":{}}]'
)
SIGNATURE = "LI0W/uUXqut4S3QdNfL/8ehOmbrXbgSQo7ACT9CwmT8="
AT = datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC)


def event(kind: str = "qbo.invoice.updated.v1", **more: Any) -> dict[str, Any]:
    return {
        "id": "e1",
        "type": kind,
        "time": "2026-11-22T10:00:00Z",
        "intuitentityid": "145",
        "intuitaccountid": REALM,
        **more,
    }


def told(*events: Any) -> list[Change]:
    return read_changes(orjson.dumps(list(events))).changes


def notified(*entities: dict[str, Any], realm: str = REALM) -> list[Change]:
    return read_changes(
        orjson.dumps({"eventNotifications": [{"realmId": realm, "dataChangeEvent": {"entities": list(entities)}}]})
    ).changes


def test_the_vector_of_the_reference_is_signed() -> None:
    assert len(BODY) == 268
    check_signature(BODY, SIGNATURE, KEY)


@pytest.mark.parametrize(
    ("body", "signature", "key"),
    [
        (BODY, None, KEY),
        (BODY, "", KEY),
        (BODY, SIGNATURE[:-1], KEY),
        (BODY, SIGNATURE + "=", KEY),
        (BODY, SIGNATURE.lower(), KEY),
        (BODY, "Ⅻ" * 44, KEY),
        (BODY, SIGNATURE, "another"),
        (BODY + b" ", SIGNATURE, KEY),
        (b"", SIGNATURE, KEY),
        # Of an empty key, which would sign for anybody.
        (b"", "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=", ""),
    ],
)
def test_whatever_else_is_refused(body: bytes, signature: str | None, key: str) -> None:
    with pytest.raises(UnsignedDelivery):
        check_signature(body, signature, key)


def test_a_cloud_event_with_nanoseconds() -> None:
    change = Change("7d1f0c1e-2c6c-4a3b-9a57-0f1d5a8c2e11", REALM, "Invoice", "145", "updated", AT)
    assert read_changes(BODY) == Told([change], error=None)


def test_the_old_form_says_the_same() -> None:
    changes = notified(
        {"name": "Invoice", "id": "145", "operation": "Update", "lastUpdated": "2026-04-02T10:00:00.000Z"},
        {"name": "Customer", "id": "63", "operation": "Merge", "deletedId": "64",
         "lastUpdated": "2026-04-02T10:00:01.000-07:00"},
    )  # fmt: skip
    assert [(one.entity, one.qb_id, one.operation, one.gone_id) for one in changes] == [
        ("Invoice", "145", "updated", None),
        ("Customer", "63", "merged", "64"),
    ]
    assert changes[1].occurred_at == datetime(2026, 4, 2, 17, 0, 1, tzinfo=UTC)


def test_in_the_old_form_a_repeat_is_known_by_its_words_and_a_further_change_is_not_one() -> None:
    entity = {"name": "Invoice", "id": "145", "operation": "Update", "lastUpdated": "2026-04-02T10:00:00.000Z"}
    (once,), (again,) = notified(entity), notified(entity)
    assert once.event_id == again.event_id
    others = [
        *notified({**entity, "lastUpdated": "2026-04-02T10:00:00.001Z"}),
        *notified({**entity, "operation": "Void"}),
        *notified({**entity, "name": "Estimate"}),
        *notified({**entity, "id": "146"}),
        *notified(entity, realm="2"),
    ]
    assert len({once.event_id, *(one.event_id for one in others)}) == 6


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("customer", "Customer"),
        ("CreditMemo", "CreditMemo"),
        ("creditmemo", "CreditMemo"),
        ("refundreceipt", "RefundReceipt"),
        ("term", "Term"),
        ("preferences", "Preferences"),
        ("vendor", None),
        ("journalentry", None),
    ],
)
def test_kinds_are_known_whatever_their_letters(kind: str, entity: str | None) -> None:
    known = [entity] if entity else []
    assert [one.entity for one in told(event(f"qbo.{kind}.created.v1"))] == known
    old = {"name": kind, "id": "1", "operation": "Create", "lastUpdated": "2026-04-02T10:00:00Z"}
    assert [one.entity for one in notified(old)] == known


@pytest.mark.parametrize("word", ["void", "voided", "Void", "emailed", "merged", "somethingelse"])
def test_any_operation_is_a_reason_to_read(word: str) -> None:
    (change,) = told(event(f"qbo.invoice.{word}.v1"))
    assert (change.entity, change.operation, change.gone_id) == ("Invoice", word.lower(), None)


@pytest.mark.parametrize("key", ["deletedId", "deletedid", "DELETEDID"])
@pytest.mark.parametrize("gone", ["64", 64])
def test_a_merge_names_who_is_gone(key: str, gone: object) -> None:
    (change,) = told(event("qbo.customer.merged.v1", data={key: gone}))
    assert (change.operation, change.gone_id) == ("merged", "64")


@pytest.mark.parametrize("data", [None, {}, [], "", {"deletedId": None}])
def test_data_that_says_nothing_says_nothing(data: object) -> None:
    (change,) = told(event("qbo.customer.merged.v1", data=data))
    assert change.gone_id is None


@pytest.mark.parametrize("kind", ["test", "qbo", "qbo.vendor", "intuit.ping.v1.x.y", "", "com.intuit.something.else"])
def test_a_type_that_nobody_knows_is_passed_over_and_keeps_nothing_from_the_others(kind: str) -> None:
    changes = told(event(kind), {"type": kind}, event(id="e2"))
    assert [one.event_id for one in changes] == ["e2"]


def test_one_delivery_may_tell_of_several_companies() -> None:
    changes = told(event(), event(id="e2", intuitaccountid="2"))
    assert [one.realm_id for one in changes] == [REALM, "2"]
    assert told() == []


@pytest.mark.parametrize("bad", [7, None, {}, event(time=None), event(id="a\0b"), {"type": "qbo.invoice.updated.v1"}])
def test_an_event_that_cannot_be_read_keeps_nothing_from_the_others(bad: object) -> None:
    read = read_changes(orjson.dumps([event(id="e1"), bad, event(id="e2")]))
    assert [one.event_id for one in read.changes] == ["e1", "e2"]
    assert read.error is not None
    assert read.error.startswith("1 of 3 cannot be read: ")


@pytest.mark.parametrize("bad", [7, None, {}, {"name": "Invoice", "id": "1", "operation": "Update"}])
def test_in_the_old_form_neither(bad: object) -> None:
    good = {"name": "Invoice", "id": "145", "operation": "Update", "lastUpdated": "2026-04-02T10:00:00.000Z"}
    notifications = [{"realmId": REALM, "dataChangeEvent": {"entities": [bad, good]}}, {"realmId": REALM}]
    read = read_changes(orjson.dumps({"eventNotifications": notifications}))
    assert [one.qb_id for one in read.changes] == ["145"]
    assert read.error is not None
    assert read.error.startswith("2 of 3 cannot be read: ")


def test_an_id_is_no_longer_than_its_column() -> None:
    (change,) = told(event(id="x" * 500))
    assert len(change.event_id) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"7",
        b'"text"',
        b"[1]",
        b"[null]",
        b"[{}]",
        b'{"eventNotifications":null}',
        b'{"eventNotifications":[{}]}',
        b'{"eventNotifications":[{"realmId":"1","dataChangeEvent":[]}]}',
        orjson.dumps([event(time="yesterday")]),
        orjson.dumps([event(time=None)]),
        BODY[:100],
        b"\xff\xfe",
    ],
)
def test_what_is_no_payload_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnreadableDelivery):
        read_changes(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "type",
                        "time",
                        "intuitaccountid",
                        "eventNotifications",
                        "realmId",
                        "dataChangeEvent",
                        "entities",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_that_is_signed_can_bring_the_receiver_down(document: Any) -> None:
    try:
        read_changes(orjson.dumps(document))
    except UnreadableDelivery:
        return
