"""Opt-outs: in the transaction of their message, before everything that is queued, never lost."""

import asyncio
from datetime import datetime, timedelta

import pytest
from messaging.models import Message
from messaging.provider import ProviderMessage
from messaging.services.consent import ConsentService
from messaging.services.contacts import ContactCopyService
from messaging.services.inbound import InboundService
from messaging.states import Direction, Kind, Status
from shared.events.contacts import ConsentRecorded
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .system import ANA, BEN, NUMBER, System, phone


async def test_stop_cancels_what_is_queued_and_the_provider_confirms_it(system: System) -> None:
    await system.api.post("/api/v1/sending-holds", json={"scope": "all", "reason": "a test"})
    queued = await system.request()
    await system.receives(ANA, "STOP")
    await system.settle()
    assert ((await system.message(queued)).status, (await system.message(queued)).reason) == (
        Status.CANCELLED,
        "opted_out",
    )
    assert await system.messages(kind=Kind.CONFIRMATION) == []
    [event] = await system.events("messaging.opt_out.recorded.v1")
    assert (event["phone"], event["source"]) == (ANA, "text_keyword")
    [received] = await system.events("messaging.message.received.v1")
    assert received["text"] == "STOP"


async def test_free_wording_is_confirmed_once(system: System) -> None:
    await system.receives(ANA, "please stop texting me")
    await system.receives(ANA, "take me off your list!!")
    await system.settle()
    [confirmation] = await system.messages(kind=Kind.CONFIRMATION)
    assert confirmation.status is Status.DELIVERED
    assert len(await system.ledger()) == 1


async def test_a_confirmation_that_is_held_too_long_is_not_sent(system: System) -> None:
    await system.api.post("/api/v1/sending-holds", json={"scope": "all", "reason": "a test"})
    await system.receives(ANA, "please stop texting me")
    await system.settle()
    await system.advance(timedelta(minutes=6))
    await system.settle()
    [confirmation] = await system.messages(kind=Kind.CONFIRMATION)
    assert confirmation.status is Status.EXPIRED
    assert await system.ledger() == []


async def test_start_lifts_it_and_an_older_stop_that_comes_late_does_not_bring_it_back(system: System) -> None:
    await system.receives(ANA, "STOP")
    await system.settle()
    await system.advance(timedelta(minutes=1))
    await system.receives(ANA, "START")
    await system.settle()
    assert not (await system.phone_state(ANA)).is_opted_out
    await _receive(system, "AClate", "stop", at=await system.now() - timedelta(seconds=30))
    assert not (await system.phone_state(ANA)).is_opted_out
    consent = (await system.api.get(f"/api/v1/consent/{ANA}")).json()
    assert [entry["action"] for entry in consent["entries"]] == ["opt_out", "opt_in", "opt_out"]
    assert (consent["may_text"], consent["is_chain_intact"]) == (True, True)


async def test_whether_a_phone_could_be_texted_is_answered_for_any_time(system: System) -> None:
    before = await system.now()
    await system.advance(timedelta(minutes=1))
    await system.receives(ANA, "unsubscribe")
    await system.settle()
    then = (await system.api.get(f"/api/v1/consent/{ANA}", params={"at": before.isoformat()})).json()
    now = (await system.api.get(f"/api/v1/consent/{ANA}")).json()
    assert (then["may_text"], now["may_text"]) == (True, False)
    assert "unsubscribe" in now["why"]


async def test_doubt_suppresses_and_asks_a_person(system: System) -> None:
    await _receive(system, "AC1", "Why do you keep texting me")
    state = await system.phone_state(ANA)
    assert (state.is_opted_out, state.needs_review) == (True, True)
    assert await system.messages(kind=Kind.CONFIRMATION) == []
    [item] = (await system.api.get("/api/v1/opt-outs", params={"needs_review": True})).json()["items"]
    assert item["phone"] == ANA
    cleared = await system.api.post(f"/api/v1/opt-outs/{ANA}/opt-in", json={"evidence": "She asked who we are."})
    assert (cleared.json()["is_opted_out"], cleared.json()["needs_review"]) == (False, False)


async def test_doubt_after_a_clear_opt_out_leaves_it_clear(system: System) -> None:
    await _receive(system, "AC1", "STOP")
    await _receive(system, "AC2", "Why do you keep texting me")
    state = await system.phone_state(ANA)
    assert (state.is_opted_out, state.needs_review) == (True, False)


async def test_a_grant_never_outdates_a_stop(system: System) -> None:
    now = await system.now()
    await _grant(system, at=now + timedelta(hours=1))
    await _receive(system, "AC1", "STOP", at=now)
    assert (await system.phone_state(ANA)).is_opted_out
    later = (now + timedelta(hours=2)).isoformat()
    for at in ({}, {"at": later}):
        consent = (await system.api.get(f"/api/v1/consent/{ANA}", params=at)).json()
        assert (consent["may_text"], consent["is_chain_intact"]) == (False, True)


async def test_a_grant_is_the_reason_why_a_phone_may_be_texted(system: System) -> None:
    await _grant(system, at=await system.now())
    consent = (await system.api.get(f"/api/v1/consent/{ANA}")).json()
    assert (consent["may_text"], "a form" in consent["why"]) == (True, True)
    assert await system.events("messaging.opt_in.recorded.v1") == []


async def _grant(system: System, *, at: datetime) -> None:
    event = ConsentRecorded(phone=ANA, purpose="all", source="form", evidence="a form", is_granted=True, recorded_at=at)
    async with system.begin() as tx:
        await (await tx.aget(ContactCopyService)).record_consent(event)


async def test_a_person_and_a_refusal_always_stop_whatever_a_clock_said_before(system: System) -> None:
    ahead = await system.now() + timedelta(minutes=10)
    for index, to in enumerate((ANA, BEN)):
        await _receive(system, f"AC{index}", "START", sender=to, at=ahead)
    await system.api.post("/api/v1/opt-outs", json={"phone": ANA, "reason": "by phone"})
    async with system.begin() as tx:
        [message] = await (await tx.aget(AsyncSession)).scalars(select(Message).where(Message.phone == BEN))
        await (await tx.aget(ConsentService)).note_refusal(
            BEN, source="carrier_21610", evidence="carrier code", message_id=message.id
        )
    for to in (ANA, BEN):
        assert (await system.phone_state(to)).is_opted_out
        for at in ({}, {"at": (ahead + timedelta(minutes=1)).isoformat()}):
            assert not (await system.api.get(f"/api/v1/consent/{to}", params=at)).json()["may_text"]


async def test_a_stop_counts_though_the_desks_clock_is_a_little_ahead(system: System) -> None:
    await _receive(system, "AC1", "STOP", at=await system.now() - timedelta(hours=1))
    await system.api.post(f"/api/v1/opt-outs/{ANA}/opt-in", json={"evidence": "She called."})
    assert not (await system.phone_state(ANA)).is_opted_out
    await _receive(system, "AC2", "STOP", at=await system.now() - timedelta(seconds=20))
    assert (await system.phone_state(ANA)).is_opted_out


async def test_an_ordinary_answer_is_no_opt_out(system: System) -> None:
    await system.receives(ANA, "The leak does not stop, please come before the end of the month")
    await system.settle()
    assert not (await system.phone_state(ANA)).is_opted_out


async def test_help_is_answered_with_the_name_of_the_business(system: System) -> None:
    await system.receives(ANA, "HELP")
    await system.settle()
    [answer] = await system.messages(kind=Kind.AUTO)
    assert (answer.status, "Attack-a-Crack" in answer.body) == (Status.DELIVERED, True)


async def test_a_cry_for_help_that_arrives_late_is_left_to_people(system: System) -> None:
    await _receive(system, "AC1", "HELP", at=await system.now() - timedelta(minutes=6))
    await system.settle()
    assert await system.messages(kind=Kind.AUTO) == []
    await _receive(system, "AC2", "HELP", at=await system.now() - timedelta(minutes=4))
    [answer] = await system.messages(kind=Kind.AUTO)
    assert answer.expires_at is not None
    assert answer.expires_at <= await system.now() + timedelta(minutes=1)


async def test_a_refusal_of_the_provider_is_copied_in(system: System) -> None:
    # STOP reached the provider, but its webhook never us.
    await system.turn(opt_out={"is_keyword_delivered": False})
    await system.receives(ANA, "STOP")
    await system.settle()
    message_id = await system.request()
    await system.settle()
    assert (await system.message(message_id)).status is Status.REJECTED
    state = await system.phone_state(ANA)
    assert (state.is_opted_out, state.consent_source) == (True, "provider_refusal")


async def test_an_opt_out_of_the_desk_stops_texts_and_survives_a_grant(system: System) -> None:
    answer = await system.api.post("/api/v1/opt-outs", json={"phone": "(617) 555-0143", "reason": "by phone"})
    assert (answer.status_code, answer.json()["phone"]) == (201, ANA)
    message_id = await system.request()
    await system.settle()
    assert ((await system.message(message_id)).status, (await system.message(message_id)).reason) == (
        Status.SUPPRESSED,
        "opted_out",
    )
    assert (await system.reply(ANA, "Hello")).json()["code"] == "recipient_opted_out"


@pytest.mark.parametrize("more_settings", [{"provider_timeout_seconds": 30, "send_deadline_seconds": 40}])
async def test_stops_that_race_with_sends_are_never_violated(system: System) -> None:
    await system.turn(life={"stuck": 1.0})
    phones = [phone(i) for i in range(60)]
    for to in phones:
        await system.request(to)
    stopped_at = {}
    # Half of the connections: the sends that they race with need some too.
    places = asyncio.Semaphore(5)

    async def stop(to: str, index: int) -> None:
        await asyncio.sleep(index % 20 * 0.02)
        async with places:
            await _receive(system, f"ACstop{index}", "Stop texting me", sender=to)
            stopped_at[to] = await system.now()

    await asyncio.gather(system.run(), *(stop(to, index) for index, to in enumerate(phones)))
    await system.settle()
    rows = {row["recipient"]: row for row in await system.ledger(contains="foundations")}
    messages = {message.phone: message for message in await system.messages(kind=Kind.CAMPAIGN)}
    for to in phones:
        if to in rows:
            intent_at = messages[to].intent_at
            assert intent_at is not None
            assert intent_at <= stopped_at[to]
        else:
            assert messages[to].status in (Status.CANCELLED, Status.SUPPRESSED)


async def _receive(system: System, provider_id: str, text: str, *, sender: str = ANA, at: object = None) -> bool:
    """An inbound text as it comes out of a webhook or a list, at a time of the test's choosing."""
    message = ProviderMessage(
        provider_id=provider_id,
        direction=Direction.INBOUND,
        status=Status.RECEIVED,
        body=text,
        own=NUMBER,
        number_provider_id=None,
        other=sender,
        created_at=at or await system.now(),  # type: ignore[arg-type]
    )
    async with system.begin() as tx:
        return await (await tx.aget(InboundService)).receive(message)


async def test_the_same_inbound_text_by_two_ways_is_one(system: System) -> None:
    assert await _receive(system, "AC7", "Hello", sender=BEN)
    assert not await _receive(system, "AC7", "Hello", sender=BEN)
    results = await asyncio.gather(*(_receive(system, "AC8", "Hi", sender=BEN) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]
