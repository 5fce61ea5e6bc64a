"""Calls: what is remembered of them, what goes wrong with them, and how many there may be."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import svcs
from sandbox.settings import SandboxSettings
from sandbox.spec import SPEC
from shared.testing.plugin import FakeClock

from shared import decimal_json

from .app import CONTROL, REALM, App, form, ledger


async def test_a_repeated_request_has_one_effect_and_the_same_answer(app: App, control: httpx.AsyncClient) -> None:
    ana = await app.customer()
    first = await app.call("POST", "invoice", form(ana), requestid="r-1")
    again = await app.call("POST", "invoice", form(ana), requestid="r-1")
    assert first.content == again.content
    assert [line["operation"] for line in await ledger(control) if line["kind"] == "Invoice"] == ["created"]
    assert [line["request_id"] for line in await ledger(control)] == [None, "r-1"]


async def test_another_body_under_the_same_requestid_is_turned(app: App, turn: Any) -> None:
    ana = await app.customer()
    first = await app.write("Invoice", form(ana, "1.00"), requestid="r-1")
    assert (await app.write("Invoice", form(ana, "2.00"), requestid="r-1"))["Id"] == first["Id"]
    await turn(requests={"differing_body": "refuse"})
    assert await app.fault("Invoice", form(ana, "2.00"), requestid="r-1") == "600"


async def test_a_forgotten_requestid_is_a_new_one(app: App, turn: Any, crm_clock: FakeClock) -> None:
    ana = await app.customer()
    first = await app.write("Invoice", form(ana), requestid="r-1")
    await crm_clock.advance(timedelta(days=1))
    await app.refresh()
    assert (await app.write("Invoice", form(ana), requestid="r-1"))["Id"] != first["Id"]
    await turn(requests={"retention_seconds": 0})
    second = await app.write("Invoice", form(ana), requestid="r-2")
    assert (await app.write("Invoice", form(ana), requestid="r-2"))["Id"] != second["Id"]


async def test_a_refused_write_does_not_use_its_requestid_up(app: App) -> None:
    ana = await app.customer()
    assert await app.fault("Invoice", form(ana) | {"Line": []}, requestid="r-1") == "2020"
    assert (await app.write("Invoice", form(ana), requestid="r-1"))["Id"]


async def test_each_item_of_a_batch_is_remembered_by_its_own_id(app: App, turn: Any) -> None:
    def named(bid: str, name: str) -> dict[str, Any]:
        return {"bId": bid, "operation": "create", "Customer": {"DisplayName": name}}

    async def batch(*items: dict[str, Any]) -> dict[str, dict[str, Any]]:
        answer = await app.call("POST", "batch", {"BatchItemRequest": items}, requestid="r-1")
        return {item["bId"]: item for item in answer.json()["BatchItemResponse"]}

    first = await batch(named("1", "Ana Lima"), {"bId": "2", "operation": "create", "Customer": {}})
    second = await batch(named("1", "Ana Lima"), named("2", "Ben Ortiz"), named("3", "Cy Doe"))
    assert second["1"] == first["1"]
    # What was refused did not use its id up, and what was not in the first batch is done.
    assert [second[bid]["Customer"]["DisplayName"] for bid in ("2", "3")] == ["Ben Ortiz", "Cy Doe"]
    assert await app.query("select count(*) from Customer") == {"totalCount": 3}
    await turn(requests={"differing_body": "refuse"})
    third = await batch(named("1", "Dan Evans"), named("4", "Eve Hall"))
    assert third["1"]["Fault"]["Error"][0]["code"] == "600"
    assert third["4"]["Customer"]["DisplayName"] == "Eve Hall"


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("expired_token", 401, "application/json"),
        ("expired_token_xml", 401, "application/xml"),
        ("forbidden", 403, "application/json"),
        ("throttled", 429, "application/json"),
        ("throttled_xml", 429, "application/xml"),
        ("application_error", 500, "application/json"),
        ("unavailable_html", 503, "text/html"),
        ("fault_in_200", 200, "application/json"),
    ],
)
async def test_a_chosen_fault_has_its_shape_and_no_effect(
    app: App, control: httpx.AsyncClient, turn: Any, fault: str, status: int, content_type: str
) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": [fault]}})
    answer = await app.call("POST", "invoice", form(ana))
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, content_type)
    assert answer.headers["intuit_tid"]
    assert [line["kind"] for line in await ledger(control)] == ["Customer"]
    await app.invoice(ana)


async def test_an_error_after_the_commit_leaves_its_effect(app: App, turn: Any) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": ["error_after_commit"]}})
    broken = await app.call("POST", "invoice", form(ana, DocNumber="INV-1"), requestid="r-1")
    assert (broken.status_code, broken.json()["Fault"]["type"]) == (500, "SystemFault")
    found = await app.query("select * from Invoice where DocNumber = 'INV-1'")
    again = await app.write("Invoice", form(ana, DocNumber="INV-1"), requestid="r-1")
    assert [invoice["Id"] for invoice in found["Invoice"]] == [again["Id"]]


async def test_an_answer_may_be_cut_short(app: App, turn: Any) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": ["truncated_after_commit"]}})
    broken = await app.call("POST", "invoice", form(ana))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        decimal_json.read(broken.text)
    assert await app.query("select count(*) from Invoice") == {"totalCount": 1}


async def test_a_connection_may_be_reset_or_hang_after_the_commit(
    app: App, turn: Any, serve: Any, registry: svcs.Registry, settings: SandboxSettings
) -> None:
    """Over a socket: only there is a connection that can be reset."""
    ana = await app.customer()
    faults = ["reset_after_commit", "timeout_after_commit", "reset_before_commit"]
    await turn(calls={"chosen": {"create invoice": faults}, "hang_seconds": 30.0})
    served = SPEC.app(registry, settings)
    async with (
        served.router.lifespan_context(served),
        serve(served) as url,
        httpx.AsyncClient(base_url=url, timeout=2) as http,
    ):
        far = replace(app, http=http)
        for error in (httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.RemoteProtocolError):
            with pytest.raises((error, httpx.ReadError)):
                await far.call("POST", "invoice", form(ana))
        assert await far.query("select count(*) from Invoice") == {"totalCount": 2}


async def test_the_company_is_called_so_often_and_no_more(app: App, control: httpx.AsyncClient, turn: Any) -> None:
    await turn(limits={"per_second": 3, "retry_after": 7})
    answers = await asyncio.gather(*(app.call("GET", "preferences") for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert refused[0].headers["retry-after"] == "7"
    calls = (await control.get(f"{CONTROL}/{REALM}/grants")).json()["calls"]
    assert (calls["most_in_a_second"], calls["refused"]) == (3, len(refused))
    await turn(limits={"per_second": None, "per_minute": 4, "throttled_shape": "xml"})
    answers = await asyncio.gather(*(app.call("GET", "preferences") for _ in range(4)))
    assert "ThrottleExceeded" in next(answer.text for answer in answers if answer.status_code == 429)
