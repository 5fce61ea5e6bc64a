"""POST /v1/messages: what is accepted, what is refused and in which order, and what the ledger holds."""

import asyncio

import httpx
import pytest
from sandbox.spec import SPEC
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database

from . import steps
from .steps import ANA, NUMBER, NUMBER_ID, QUICK, send, turn


async def test_the_models_and_the_migrations_agree(database: Database) -> None:
    from sandbox.models import Base

    await assert_no_drift(database.owner_url, Base.metadata)


async def test_an_accepted_text_is_queued_and_stands_in_the_ledger(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    answer = await send(provider)
    assert answer.status_code == 202
    message = answer.json()["data"]
    assert (message["status"], message["direction"]) == ("queued", "outgoing")
    assert (message["from"], message["to"], message["text"]) == (NUMBER, [ANA], "Hi Ana, your quote is ready.")
    assert message["id"].startswith("AC")
    assert message["conversationId"].startswith("CN")
    (row,) = await steps.ledger(control)
    assert (row["message_id"], row["sender"], row["recipient"], row["body"], row["key_name"]) == (
        message["id"],
        NUMBER,
        ANA,
        message["text"],
        "default",
    )
    assert row["correlation_id"] == answer.headers["x-correlation-id"]


@pytest.mark.parametrize("header", [None, "", "Bearer test-openphone-key", "wrong"])
async def test_only_the_raw_key_is_accepted(provider: httpx.AsyncClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    provider.headers.pop("Authorization")
    answer = await provider.get("/v1/phone-numbers", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["key"] == "Unauthorized"


async def test_a_revoked_key_is_refused_at_once(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    made = (await control.post("/sandbox/v1/keys", json={"name": "second"})).json()
    headers = {"Authorization": made["key"]}
    assert (await provider.get("/v1/phone-numbers", headers=headers)).status_code == 200
    assert (await control.post("/sandbox/v1/keys/second/revoke")).json()["revoked_at"]
    assert (await provider.get("/v1/phone-numbers", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"from": NUMBER, "to": [ANA]}, "/content"),
        ({"content": "   ", "from": NUMBER, "to": [ANA]}, "/content"),
        ({"content": "x" * 1601, "from": NUMBER, "to": [ANA]}, "/content"),
        ({"content": "x", "from": "office", "to": [ANA]}, "/from"),
        ({"content": "x", "from": NUMBER, "to": ANA}, "/to"),
        ({"content": "x", "from": NUMBER, "to": []}, "/to"),
        ({"content": "x", "from": NUMBER, "to": ["5551234"]}, "/to/0"),
        ({"content": "x", "from": NUMBER, "to": [ANA], "setInboxStatus": "open"}, "/setInboxStatus"),
    ],
)
async def test_a_malformed_body_is_refused_with_the_path(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, body: dict[str, object], path: str
) -> None:
    answer = await provider.post("/v1/messages", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "0200400"
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert await steps.ledger(control) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"content": "a\\u0000"}'])
async def test_a_body_that_is_no_object_is_a_bad_request(provider: httpx.AsyncClient, content: bytes) -> None:
    assert (await provider.post("/v1/messages", content=content)).status_code == 400


async def test_refusals_come_in_the_providers_order(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    """Everything is wrong at once; each step mends what was answered last."""
    await steps.text_us(control, "STOP")
    await turn(
        control,
        account={
            "is_subscription_active": False,
            "has_credits": False,
            "is_registered": False,
            "daily_cap": 0,
        },
    )
    stranger = {"userId": "US404"}
    assert (await send(provider, **{**stranger, "from": "+19995550100"})).json()["code"] == "0200404"
    assert (await send(provider, **stranger)).json()["code"] == "0202403"
    assert (await send(provider)).json()["code"] == "0201402"
    await turn(control, account={"is_subscription_active": True})
    assert "prepaid credits" in (await send(provider)).json()["message"]
    await turn(control, account={"has_credits": True})
    assert (await send(provider)).json()["code"] == "0206400"
    await turn(control, account={"is_registered": True})
    assert (await send(provider)).json()["code"] == "0204403"
    await turn(control, account={"daily_cap": 1})
    refused = await send(provider)
    assert refused.status_code == 400
    assert "Opted Out" in refused.json()["message"]
    await steps.text_us(control, "START")
    assert (await send(provider)).status_code == 202
    assert (await send(provider)).json()["code"] == "0204403"


async def test_either_name_of_a_number_may_be_the_sender(provider: httpx.AsyncClient) -> None:
    assert (await send(provider, **{"from": NUMBER_ID})).json()["data"]["from"] == NUMBER


async def test_several_recipients_make_one_group_thread(provider: httpx.AsyncClient) -> None:
    both = [ANA, "+16175550144"]
    message = (await provider.post("/v1/messages", json={"content": "Hi both", "from": NUMBER, "to": both})).json()[
        "data"
    ]
    found = await provider.get(
        "/v1/messages", params={"phoneNumberId": NUMBER_ID, "participants": both[::-1], "maxResults": 10}
    )
    assert [item["id"] for item in found.json()["data"]] == [message["id"]]
    assert (await steps.find_messages(provider))["data"] == []


async def test_a_second_of_one_key_takes_ten_requests(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await turn(control, rate_limit=10)
    answers = await asyncio.gather(*(provider.get("/v1/phone-numbers") for _ in range(35)))
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    # 35 requests of one moment fall into two fixed seconds at most.
    assert 10 <= len(passed) <= 20
    assert len(passed) + len(refused) == 35
    assert passed[0].headers["ratelimit-policy"] == '"per-second"; q=10; w=1'
    assert refused[0].headers["ratelimit"] == '"per-second"; r=0; t=1'
    (tally,) = (await control.get("/sandbox/v1/stats")).json()["requests"]
    assert (tally["requests"], tally["refused"]) == (35, len(refused))
    assert tally["most_in_any_second"] > 10


async def test_the_life_of_a_text_follows_the_movable_clock(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, crm_clock: object
) -> None:
    await turn(control, life={"sent_after_seconds": 100, "final_after_seconds": [200, 200]})
    message_id = (await send(provider)).json()["data"]["id"]
    await _moved(crm_clock, 150)
    assert (await provider.get(f"/v1/messages/{message_id}")).json()["data"]["status"] == "sent"
    await _moved(crm_clock, 60)
    read = (await provider.get(f"/v1/messages/{message_id}")).json()["data"]
    assert read["status"] == "delivered"
    assert read["updatedAt"] > read["createdAt"]


async def _moved(clock: object, seconds: int) -> None:
    from datetime import timedelta

    await clock.advance(timedelta(seconds=seconds))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ending", "v1_status", "dated_status", "code"),
    [
        ("undelivered", "undelivered", "undelivered", "30003"),
        ("failed", "undelivered", "failed", "30006"),
        ("stuck", "sent", "sent", None),
    ],
)
async def test_a_text_may_end_otherwise(
    provider: httpx.AsyncClient,
    control: httpx.AsyncClient,
    ending: str,
    v1_status: str,
    dated_status: str,
    code: str | None,
) -> None:
    chosen = {"ending": ending, "error_code": code}
    await turn(control, life={**QUICK["life"], "recipients": {ANA: chosen}})
    message_id = (await send(provider)).json()["data"]["id"]
    assert (await provider.get(f"/v1/messages/{message_id}")).json()["data"]["status"] == v1_status
    (dated,) = (await provider.get("/messages", headers=steps.DATED, params={"to": ANA})).json()["data"]
    assert (dated["status"], dated["errorCode"]) == (dated_status, code)


async def test_only_a_failure_without_a_code_is_retried(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    recipients = {ANA: {"ending": "failed"}, "+16175550144": {"ending": "failed", "error_code": "30006"}}
    await turn(control, life={**QUICK["life"], "recipients": recipients})
    ours = (await send(provider)).json()["data"]["id"]
    final = (await send(provider, to="+16175550144")).json()["data"]["id"]
    assert (await provider.post(f"/messages/{final}/retry", headers=steps.DATED)).status_code == 422
    again = await provider.post(f"/messages/{ours}/retry", headers=steps.DATED)
    assert (again.status_code, again.json()["data"]["status"]) == (202, "sent")
    rows = [row for row in await steps.ledger(control) if row["message_id"] == ours]
    assert [row["attempt"] for row in rows] == [1, 2]


async def test_a_retry_sends_nothing_to_somebody_who_has_opted_out_since(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await turn(control, life={**QUICK["life"], "recipients": {ANA: {"ending": "failed"}}})
    ours = (await send(provider)).json()["data"]["id"]
    await steps.text_us(control, "STOP")
    refused = await provider.post(f"/messages/{ours}/retry", headers=steps.DATED)
    assert (refused.status_code, len(await steps.ledger(control))) == (422, 1)


async def test_blocked_numbers_may_be_accepted_and_then_fail(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await turn(control, opt_out={"sends_to_blocked": "accept_then_fail", "is_reply_listed": False})
    await steps.text_us(control, "stop")
    assert (await send(provider)).status_code == 202
    params = {"to": ANA, "direction": "outgoing"}
    (dated,) = (await provider.get("/messages", headers=steps.DATED, params=params)).json()["data"]
    assert dated["status"] in ("queued", "failed")
    assert len(await steps.ledger(control, recipient=ANA)) == 1


async def test_a_reset_begins_a_new_run_and_keeps_the_ledger(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await steps.text_us(control, "STOP", sender="+16175550144")
    await send(provider)
    assert (await control.post("/sandbox/v1/reset")).json() == {"run": 2}
    assert await steps.ledger(control) == []
    assert len(await steps.ledger(control, run=1)) == 1
    assert (await send(provider, to="+16175550144")).status_code == 202


async def test_the_ledger_can_only_grow(database: Database, provider: httpx.AsyncClient) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError
    from sqlalchemy.ext.asyncio import create_async_engine

    await send(provider)
    engine = create_async_engine(database.url)
    for statement in ("UPDATE ledger SET body = ''", "DELETE FROM ledger", "TRUNCATE ledger"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
    await engine.dispose()


async def test_the_ledger_is_exported_whole_and_paged_without_gaps(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    phones = [f"+1617555{number:04}" for number in range(25)]
    for phone in phones:
        assert (await send(provider, to=phone)).status_code == 202
    lines = (await control.get("/sandbox/v1/ledger/export")).text.splitlines()
    assert len(lines) == 25
    seen, cursor = [], None
    while True:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = (await control.get("/sandbox/v1/ledger", params=params)).json()
        seen += [row["recipient"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == phones
    stats = (await control.get("/sandbox/v1/stats")).json()
    assert (stats["accepted"], stats["recipients"], stats["repeated_recipients"]) == (25, 25, {})
    await send(provider, to=phones[0])
    repeated = (await control.get("/sandbox/v1/stats")).json()
    assert repeated["repeated_recipients"] == {phones[0]: 2}
    assert repeated["repeated_texts"][0]["times"] == 2


async def test_controls_need_the_control_key(anonymous: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    for caller in (anonymous, client):
        assert (await caller.get("/sandbox/v1/stats")).status_code == 401
        assert (await caller.post("/sandbox/v1/reset")).status_code == 401


async def test_senseless_controls_are_refused_with_the_field(control: httpx.AsyncClient) -> None:
    answer = await control.patch("/sandbox/v1/controls", json={"faults": {"send": {"no_such": 0.5}}})
    assert answer.status_code == 422
    assert answer.json()["field"].startswith("faults.send")
    assert (await control.get("/sandbox/v1/controls")).json()["faults"]["send"] == {}


def test_the_sandbox_runs_in_sandbox_mode_only() -> None:
    values = {"database_url": "postgresql+asyncpg://x", "sandbox_key": "a", "openphone_api_key": "b"}
    with pytest.raises(ValueError, match="sandbox mode only"):
        SPEC.settings(**values, mode="live")
