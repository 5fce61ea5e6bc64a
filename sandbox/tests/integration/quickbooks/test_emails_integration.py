"""The outbox: which forms were e-mailed, to whom, and what they said then."""

from datetime import timedelta
from typing import Any

import httpx
from shared.testing.plugin import FakeClock

from .app import CONTROL, REALM, App, form, payment

EMAILS = f"{CONTROL}/{REALM}/emails"


async def emails(control: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = await control.get(EMAILS, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def send(app: App, kind: str, object_id: str, **parameters: str) -> httpx.Response:
    return await app.call("POST", f"{kind}/{object_id}/send", **parameters)


async def test_a_form_that_is_sent_stands_in_the_outbox(app: App, control: httpx.AsyncClient) -> None:
    ana = await app.customer()
    estimate = await app.write("Estimate", form(ana, DocNumber="E-1", BillEmail={"Address": "ana@example.com"}))
    invoice = await app.invoice(ana, "80.00", DocNumber="I-1")
    await app.write("Payment", payment(ana, invoice, "30.00"))
    assert await emails(control) == []
    await send(app, "estimate", estimate["Id"])
    await send(app, "invoice", invoice["Id"], sendTo="office@example.com")
    first, second = await emails(control)
    assert first.pop("seq") < second.pop("seq")
    assert first.pop("sent_at") < second.pop("sent_at")
    assert first == {
        "kind": "Estimate",
        "entity_id": estimate["Id"],
        "doc_number": "E-1",
        "address": "ana@example.com",
        "total": "100.00",
        "balance": None,
    }
    assert second == {
        "kind": "Invoice",
        "entity_id": invoice["Id"],
        "doc_number": "I-1",
        "address": "office@example.com",
        "total": "80.00",
        "balance": "50.00",
    }


async def test_an_email_says_what_the_form_said_then(
    app: App, control: httpx.AsyncClient, crm_clock: FakeClock
) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana)
    await send(app, "invoice", invoice["Id"], sendTo="ana@example.com")
    await crm_clock.advance(timedelta(minutes=5))
    await app.write("Payment", payment(ana, invoice, "100.00"))
    await send(app, "invoice", invoice["Id"])
    first, second = await emails(control)
    assert (first["balance"], second["balance"]) == ("100.00", "0.00")
    assert first["sent_at"] < second["sent_at"]
    assert await emails(control, after=first["seq"]) == [second]


async def test_what_is_refused_or_repeated_sends_nothing(app: App, control: httpx.AsyncClient) -> None:
    invoice = await app.invoice(await app.customer())
    assert (await send(app, "invoice", invoice["Id"])).status_code == 400
    for _ in range(2):
        await send(app, "invoice", invoice["Id"], sendTo="ana@example.com", requestid="r-1")
    assert [one["address"] for one in await emails(control)] == ["ana@example.com"]
    assert (await control.get(f"{CONTROL}/12/emails")).status_code == 404


async def test_a_reset_empties_the_outbox(app: App, control: httpx.AsyncClient) -> None:
    invoice = await app.invoice(await app.customer())
    await send(app, "invoice", invoice["Id"], sendTo="ana@example.com")
    assert (await control.post("/sandbox/v1/reset")).status_code == 200
    assert await emails(control) == []
