"""The receiver of QuickBooks's webhooks: signed is 200 and kept, whatever it holds; anything else is 401."""

import base64
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import pytest
from billing.clients.quickbooks.webhooks import check_signature
from billing.models import Notice as Told
from billing.models import WebhookDelivery
from hypothesis import given
from hypothesis import strategies as st
from sandbox.quickbooks.controls import Shapes
from sandbox.quickbooks.notices import SIGNATURE, Notice, payload, signature

from contract.boundaries import VERIFIER_TOKEN, Boundary
from contract.conftest import KeepBooks
from contract.desk import Desk
from contract.fuzzing import FUZZED, JSON

REALM, OTHER_REALM = "9130350000000001", "9130350000000009"
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
NOTICES = (
    Notice("e1", REALM, "invoice", "145", "updated", AT),
    Notice("e2", OTHER_REALM, "customer", "7", "merged", AT, deleted_id="8"),
    Notice("e3", REALM, "payment", "9", "created", AT),
)
KEPT = [
    (REALM, "Invoice", "145", "updated", None),
    (REALM, "Payment", "9", "created", None),
    (OTHER_REALM, "Customer", "7", "merged", "8"),
]
# Section 13.4 of the reference.
VECTOR_KEY = "sim-verifier-token"
VECTOR_SIGNATURE = "LI0W/uUXqut4S3QdNfL/8ehOmbrXbgSQo7ACT9CwmT8="
VECTOR_BODY = (
    b'[{"specversion":"1.0","id":"7d1f0c1e-2c6c-4a3b-9a57-0f1d5a8c2e11","source":"intuit.sim",'
    b'"type":"qbo.invoice.updated.v1","datacontenttype":"application/json","time":"2026-11-22T10:00:00.123456789Z",'
    b'"intuitentityid":"145","intuitaccountid":"9130350000000001","data":{}}]'
)
FORGERIES, PARTS = 5_000, 20

ID = st.text(max_size=300) | st.integers() | JSON
TIME = st.sampled_from(["2026-11-22T10:00:00.123456789Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["qbo.invoice.updated.v1", "qbo.customer.merged.v1", "qbo.vendor.created.v1", "", "qbo"])},
    optional={"id": ID, "time": TIME | JSON, "intuitentityid": ID, "intuitaccountid": ID, "data": JSON},
)
ENTITY = st.fixed_dictionaries(
    {"name": st.sampled_from(["Invoice", "Customer", "Vendor"]), "operation": st.sampled_from(["Update", "Merge", ""])},
    optional={"id": ID, "lastUpdated": TIME | JSON, "deletedId": ID},
)
OLD = st.fixed_dictionaries({"realmId": ID, "dataChangeEvent": st.fixed_dictionaries({"entities": st.lists(ENTITY)})})
DELIVERIES = (
    JSON | st.lists(EVENT, max_size=4) | st.lists(OLD, max_size=3).map(lambda all_: {"eventNotifications": all_})
)
BODIES = st.binary(max_size=60) | DELIVERIES.map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="session")
def books(keep_books: KeepBooks, quickbooks: Boundary) -> Iterator[tuple[Boundary, Desk]]:
    with keep_books(quickbooks, "9130350000000004") as kept:
        yield kept


def _sign(body: bytes) -> dict[str, str]:
    return {SIGNATURE: signature(body, VERIFIER_TOKEN)}


def _deliver(
    books: tuple[Boundary, Desk], body: bytes, headers: dict[str, str], kind: str = "application/json"
) -> httpx.Response:
    sent = {"Content-Type": kind, **headers}
    return books[0].anonymous.post("/webhooks/quickbooks", content=body, headers=sent)


def _kept(books: tuple[Boundary, Desk]) -> tuple[int, int]:
    return len(books[1].rows(WebhookDelivery)), len(books[1].rows(Told))


def test_the_vector_of_the_reference() -> None:
    assert len(VECTOR_BODY) == 268
    check_signature(VECTOR_BODY, VECTOR_SIGNATURE, VECTOR_KEY)


@given(body=BODIES)
@FUZZED
def test_a_signed_delivery_is_kept_whatever_it_holds(books: tuple[Boundary, Desk], body: bytes) -> None:
    answer = _deliver(books, body, _sign(body))
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "a\0b"},
        {"intuitentityid": "1\0"},
        {"intuitaccountid": random.Random(1).randbytes(4000).hex()},
        {"intuitentityid": "9" * 100_000},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-12:00"},
        {"data": {"deletedId": "\0"}},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_what_no_column_holds_is_kept_as_it_came(books: tuple[Boundary, Desk], odd: dict[str, Any]) -> None:
    body = json.dumps([{**json.loads(VECTOR_BODY)[0], "id": str(odd)[:60], **odd}]).encode()
    assert _deliver(books, body, _sign(body)).status_code == 200
    (kept,) = books[1].rows(WebhookDelivery, WebhookDelivery.body == body)
    assert kept.error is not None


@pytest.mark.parametrize(
    "kind", ["application/json", "application/cloudevents+json", "application/json; charset=utf-8"]
)
@pytest.mark.parametrize("shape", ["cloudevents", "old"])
def test_changes_of_several_companies_are_each_kept_once(books: tuple[Boundary, Desk], shape: str, kind: str) -> None:
    own = [Notice(f"{notice.id} {shape} {kind}", *_rest(notice, shape, kind)) for notice in NOTICES]
    body = payload(own, Shapes(event_format=shape))
    before = _kept(books)
    for _ in range(3):
        assert _deliver(books, body, _sign(body), kind).status_code == 200
    # The same in other words is another delivery of the same changes.
    spaced = body + b"\n"
    assert _deliver(books, spaced, _sign(spaced), kind).status_code == 200
    after = _kept(books)
    assert (after[0] - before[0], after[1] - before[1]) == (2, 3)
    told = books[1].rows(Told)[before[1] :]
    assert sorted((row.realm_id, row.entity, row.qb_id, row.operation, row.gone_id) for row in told) == KEPT


@pytest.mark.parametrize("shape", ["cloudevents", "old"])
def test_one_that_cannot_be_read_is_noted_and_the_others_are_kept(books: tuple[Boundary, Desk], shape: str) -> None:
    told = [Notice(f"mixed {shape} {n}", OTHER_REALM, "invoice", f"{shape}{n}", "updated", AT) for n in range(3)]
    document = json.loads(payload(told, Shapes(event_format=shape)))
    if shape == "old":
        del document["eventNotifications"][0]["dataChangeEvent"]["entities"][1]["lastUpdated"]
    else:
        del document[1]["time"]
    body = json.dumps(document).encode()
    assert _deliver(books, body, _sign(body)).status_code == 200
    kept = books[1].rows(Told, Told.realm_id == OTHER_REALM, Told.qb_id.like(f"{shape}%"))
    assert sorted(row.qb_id for row in kept) == [f"{shape}0", f"{shape}2"]
    (delivery,) = books[1].rows(WebhookDelivery, WebhookDelivery.body == body)
    assert delivery.error == "1 of 3 cannot be read: KeyError('time')".replace(
        "time", "lastUpdated" if shape == "old" else "time"
    )


def _rest(notice: Notice, shape: str, kind: str) -> tuple[Any, ...]:
    """Changes without an id are told apart by their time."""
    at = notice.occurred_at.replace(year=2001 + len(shape), second=len(kind))
    return notice.realm_id, notice.kind, notice.entity_id, notice.operation, at, notice.deleted_id


def _forged_signatures(right: str, chance: random.Random) -> Iterator[str | None]:
    """Near misses of a signature; never itself."""
    place = chance.randrange(len(right) - 1)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    flipped = alphabet[alphabet.index(right[place]) ^ (1 << chance.randrange(6))]
    raw = base64.b64decode(right)
    yield from (None, "", "=", right.swapcase(), right.lower(), right.upper())
    yield from (
        right[:place],
        right[place + 1 :],
        right.rstrip("="),
        f"{right}=",
        f"sha256={right}",
        f"{right},{right}",
    )
    yield f"{right[:place]}{flipped}{right[place + 1 :]}"
    yield from (raw.hex(), base64.b32encode(raw).decode(), base64.b64encode(raw[:-1]).decode())
    yield from (right.replace("+", "-").replace("/", "_") + "_", base64.b64encode(right.encode()).decode())


def _forged_bodies(body: bytes, chance: random.Random) -> Iterator[bytes]:
    """Near misses of a body; never itself."""
    place = chance.randrange(len(body))
    flipped = bytearray(body)
    flipped[place] ^= 1 << chance.randrange(8)
    yield from (bytes(flipped), body[:place], body[place + 1 :], body + body, b"")
    yield from (body + b" ", body + b"\n", body + b"\0", b" " + body, b"\xef\xbb\xbf" + body, body.swapcase())
    yield json.dumps(json.loads(body), indent=1).encode()


def _forgeries(chance: random.Random) -> Iterator[tuple[bytes, str | None]]:
    while True:
        told = [Notice(chance.randbytes(8).hex(), REALM, "invoice", str(chance.randrange(10**6)), "updated", AT)]
        body = payload(told, Shapes(event_format=chance.choice(["cloudevents", "old"])))
        right = signature(body, VERIFIER_TOKEN)
        yield from ((body, forged) for forged in _forged_signatures(right, chance) if forged != right)
        yield from ((forged, right) for forged in _forged_bodies(body, chance) if forged != body)
        other = payload([Notice("another", REALM, "invoice", "1", "updated", AT)], Shapes())
        yield from ((body, signature(other, VERIFIER_TOKEN)), (body, signature(body, "another token")))


@pytest.mark.parametrize("part", range(PARTS))
def test_none_of_5000_forged_deliveries_is_kept(books: tuple[Boundary, Desk], part: int) -> None:
    before = _kept(books)
    for body, forged in islice(_forgeries(random.Random(20261122 + part)), FORGERIES // PARTS):
        answer = _deliver(books, body, {} if forged is None else {SIGNATURE: forged})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert _kept(books) == before


@given(body=BODIES)
@FUZZED
def test_nothing_unsigned_is_taken_whatever_it_holds(books: tuple[Boundary, Desk], body: bytes) -> None:
    for headers in (_sign(body + b" "), {SIGNATURE: signature(body, "another token")}, {SIGNATURE: ""}, {}):
        answer = _deliver(books, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")


def test_a_delivery_that_is_too_large_is_413(books: tuple[Boundary, Desk]) -> None:
    body = b'{"id": "' + b"x" * 2_200_000 + b'"}'
    assert _deliver(books, body, _sign(body)).status_code == 413


def test_as_many_changes_as_a_delivery_can_hold(books: tuple[Boundary, Desk]) -> None:
    many = [Notice(f"many {n}", OTHER_REALM, "invoice", str(n), "updated", AT) for n in range(6_000)]
    body = payload(many, Shapes())
    assert _deliver(books, body, _sign(body)).status_code == 200
    assert len(books[1].rows(Told, Told.event_id.startswith("many "))) == len(many)
