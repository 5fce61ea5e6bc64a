"""Telling the app of changes: in order, signed, again, and with what goes wrong on the way."""

from datetime import timedelta
from typing import Any

import httpx
import orjson
from sandbox.quickbooks.notices import SIGNATURE, signature
from shared.testing import until
from shared.testing.plugin import FakeClock

from .app import CONTROL, REALM, App, ledger, payment

VERIFIER = "test-verifier-token"


def told(receiver: Any) -> list[str]:
    return [event["type"] for call in receiver.received for event in orjson.loads(call.raw)]


async def told_of(receiver: Any, count: int) -> list[str]:
    await until(lambda: len(told(receiver)) >= count, what=f"{count} changes are told of")
    return told(receiver)


async def test_changes_are_told_in_order_and_signed(app: App, turn: Any, receiver: Any) -> None:
    await turn(webhook_url=receiver.url)
    ana = await app.customer()
    invoice = await app.invoice(ana)
    await app.write("Payment", payment(ana, invoice, "100.00"))
    types = await told_of(receiver, 4)
    assert types[:3] == ["qbo.customer.created.v1", "qbo.invoice.created.v1", "qbo.payment.created.v1"]
    call = receiver.received[0]
    assert call.headers[SIGNATURE] == signature(call.raw, VERIFIER)
    [event, *_] = orjson.loads(call.raw)
    assert (event["intuitaccountid"], event["intuitentityid"], event["data"]) == (REALM, ana["Id"], {})


async def test_what_was_not_acknowledged_holds_up_the_rest(
    app: App, turn: Any, receiver: Any, crm_clock: FakeClock
) -> None:
    await turn(webhook_url=receiver.url)
    receiver.status = 500
    await app.customer()
    await told_of(receiver, 1)
    await app.customer("Ben Ortiz")
    receiver.status = 200
    await crm_clock.advance(timedelta(seconds=10))
    await told_of(receiver, 3)
    assert [len(orjson.loads(call.raw)) for call in receiver.received] == [1, 1, 1]
    assert receiver.received[0].raw == receiver.received[1].raw


async def test_an_event_may_come_twice_late_or_never(app: App, turn: Any, receiver: Any, crm_clock: FakeClock) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"duplicate": 1.0}})
    await app.customer("Twice")
    assert await told_of(receiver, 2) == ["qbo.customer.created.v1"] * 2
    await turn(events={"shares": {"missing": 1.0}})
    await app.customer("Never")
    await turn(events={"shares": {"late": 1.0}})
    late = await app.customer("Late")
    await crm_clock.advance(timedelta(hours=1))
    await told_of(receiver, 3)
    [event] = orjson.loads(receiver.received[-1].raw)
    assert event["intuitentityid"] == late["Id"]


async def test_a_signature_may_be_wrong_once(app: App, turn: Any, receiver: Any, crm_clock: FakeClock) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"bad_signature": 1.0}})
    receiver.status = 401
    await app.customer()
    await told_of(receiver, 1)
    await crm_clock.advance(timedelta(seconds=10))
    await told_of(receiver, 2)
    spoiled, right = (call.headers[SIGNATURE] == signature(call.raw, VERIFIER) for call in receiver.received)
    assert (spoiled, right) == (False, True)


async def test_the_old_form_groups_by_company(app: App, turn: Any, receiver: Any) -> None:
    await turn(webhook_url=receiver.url, shapes={"event_format": "old"})
    ana = await app.customer()
    await until(lambda: receiver.received, what="a change is told of")
    [company] = orjson.loads(receiver.received[0].raw)["eventNotifications"]
    [entity] = company["dataChangeEvent"]["entities"]
    assert (company["realmId"], entity["name"], entity["operation"]) == (REALM, "Customer", "Create")
    assert entity["id"] == ana["Id"]


async def test_test_events_are_signed_and_about_nothing(
    app: App, control: httpx.AsyncClient, turn: Any, receiver: Any
) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"missing": 1.0}})
    events = f"{CONTROL}/{REALM}/test-events"
    assert (await control.post(events, json={"kinds": ["Invoice", "Customer"]})).json() == {"told": 2}
    assert sorted(await told_of(receiver, 2)) == ["qbo.customer.updated.v1", "qbo.invoice.updated.v1"]
    call = receiver.received[0]
    assert call.headers[SIGNATURE] == signature(call.raw, VERIFIER)
    [event, *_] = orjson.loads(call.raw)
    assert event["intuitaccountid"] == REALM
    assert (await app.call("GET", f"invoice/{event['intuitentityid']}")).status_code == 400
    assert await ledger(control) == []
    assert (await control.post(events, json={"kinds": ["Unicorn"]})).status_code == 422
    assert (await control.post(f"{CONTROL}/12/test-events", json={})).status_code == 404
