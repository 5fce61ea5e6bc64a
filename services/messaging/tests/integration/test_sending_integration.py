"""Texts from their request to their receipt, and everything that may keep them from leaving."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import svcs
from messaging.models import CampaignState, Message
from messaging.services.outbound import ClaimService
from messaging.services.queueing import RequestService
from messaging.services.sender import SenderProcess
from messaging.states import Status
from shared.events.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .system import ANA, BEN, System, phone


async def test_a_requested_text_goes_out_once_and_comes_back_delivered(system: System) -> None:
    event = await system.requested()
    await system.bus.publish_event(event)
    await system.settle()
    message = await system.message(event.message_id)
    assert message.status is Status.DELIVERED
    assert await system.moves(message.id) == ["queued", "in_flight", "accepted", "delivered"]
    [row] = await system.ledger()
    assert (row["recipient"], row["message_id"]) == (ANA, message.provider_id)
    [accepted] = await system.events("messaging.message.accepted.v1")
    assert (accepted["text"], accepted["recipient_id"]) == (event.text, str(event.recipient_id))
    assert len(await system.events("messaging.message.delivered.v1")) == 1


async def test_a_request_that_is_delivered_again_is_one_text(system: System) -> None:
    event = await system.requested()
    for _ in range(3):
        await system.bus.publish_event(event)
    await system.settle()
    assert len(await system.ledger()) == 1


async def test_another_turn_of_the_same_step_is_refused_once_the_first_may_have_left(system: System) -> None:
    first = await system.request()
    await system.settle()
    again = await system.request(turn=2)
    await system.settle()
    assert (await system.message(first)).status is Status.DELIVERED
    refused = await system.message(again)
    assert (refused.status, refused.reason) == (Status.SUPPRESSED, "already_sent")
    assert len(await system.ledger()) == 1


async def test_an_expired_turn_may_come_again(system: System) -> None:
    expired = await system.request(expires_at=await system.now() - timedelta(seconds=1))
    again = await system.request(turn=2)
    await system.settle()
    assert (await system.message(expired)).status is Status.EXPIRED
    assert (await system.message(again)).status is Status.DELIVERED
    [event] = await system.events("messaging.message.expired.v1")
    assert event["message_id"] == str(expired)


async def test_the_same_words_do_not_go_to_a_phone_twice_in_a_day(system: System) -> None:
    await system.request()
    other = await system.request(campaign_id=uuid4())
    await system.settle()
    assert ((await system.message(other)).status, (await system.message(other)).reason) == (
        Status.SUPPRESSED,
        "same_text",
    )


@pytest.mark.parametrize("more_settings", [{"provider_timeout_seconds": 30, "send_deadline_seconds": 40}])
async def test_sixteen_senders_send_each_text_once(system: System) -> None:
    await system.turn(life={"stuck": 1.0})
    wanted = {phone(i) for i in range(120)}
    for to in sorted(wanted):
        await system.request(to)
    processes = [await _sender(system) for _ in range(16)]
    await asyncio.gather(*(_until_done(process) for process in processes))
    rows = await system.ledger()
    assert sorted(row["recipient"] for row in rows) == sorted(wanted)


async def _until_done(process: SenderProcess) -> None:
    while await process.run_once():
        pass


async def _sender(system: System) -> SenderProcess:
    async with svcs.Container(system.registry) as container:
        return await container.aget(SenderProcess)


async def test_human_replies_go_before_campaigns(system: System) -> None:
    await system.request(ANA)
    await system.receives(BEN, "Can you come on Tuesday?")
    await system.settle()
    await _hold(system, scope="all")
    for i in range(5):
        await system.request(phone(i))
    reply = (await system.reply(BEN, "Yes, at ten.")).json()
    async with system.begin() as tx:
        assert await (await tx.aget(ClaimService)).claim(10, 0.0) == []
    await _lift_all(system)
    async with system.begin() as tx:
        [first] = await (await tx.aget(ClaimService)).claim(1, 0.0)
    assert str(first.message_id) == reply["id"]


async def test_a_held_campaign_stays_and_another_goes(system: System) -> None:
    held, free = await system.request(ANA), await system.request(BEN, campaign_id=uuid4())
    await _hold(system, scope="campaign", campaign_id=str(system.campaign_id))
    await system.settle()
    assert (await system.message(held)).status is Status.QUEUED
    assert (await system.message(free)).status is Status.DELIVERED
    await _lift_all(system)
    await system.settle()
    assert (await system.message(held)).status is Status.DELIVERED


async def test_a_held_text_expires_when_its_turn_is_over(system: System) -> None:
    await _hold(system, scope="number", number_id=str((await system.number()).id))
    held = await system.request()
    await system.advance(timedelta(minutes=16))
    await system.settle()
    assert (await system.message(held)).status is Status.EXPIRED
    assert await system.ledger() == []


async def test_campaigns_that_pause_and_resume_hold_and_release_in_their_own_order(system: System) -> None:
    moved = {"campaign_id": system.campaign_id, "name": "Spring", "occurred_at": await system.now()}
    await system.bus.publish_event(CampaignResumed(version=3, **moved))
    await system.bus.publish_event(CampaignPaused(version=2, **moved))
    await system.run()
    late = await system.request()
    await system.settle()
    assert (await system.message(late)).status is Status.DELIVERED
    await system.bus.publish_event(CampaignPaused(version=4, **moved))
    await system.run()
    held = await system.request(BEN)
    await system.settle()
    assert (await system.message(held)).status is Status.QUEUED
    await system.bus.publish_event(CampaignCancelled(version=5, **moved))
    await system.run()
    assert (await system.message(await system.request(phone(7)))).status is Status.CANCELLED


async def test_a_cancelled_campaign_takes_back_what_is_queued_and_leaves_no_hold(system: System) -> None:
    moved = {"campaign_id": system.campaign_id, "name": "Spring", "occurred_at": await system.now()}
    await system.bus.publish_event(CampaignPaused(version=2, **moved))
    await system.run()
    queued, other = await system.request(ANA), await system.request(BEN, campaign_id=uuid4())
    await system.bus.publish_event(CampaignCancelled(version=3, **moved))
    await system.settle()
    message = await system.message(queued)
    assert (message.status, message.reason) == (Status.CANCELLED, "campaign_cancelled")
    assert (await system.message(other)).status is Status.DELIVERED
    [told] = await system.events("messaging.message.cancelled.v1")
    assert told["message_id"] == str(queued)
    assert (await system.api.get("/api/v1/sending-holds", params={"in_place": True})).json()["items"] == []


async def test_a_text_queued_while_its_campaign_is_being_cancelled_never_leaves(system: System) -> None:
    message_id = await system.request()
    async with system.begin() as tx:
        state = CampaignState(campaign_id=system.campaign_id, version=9, state="cancelled", name="Spring")
        (await tx.aget(AsyncSession)).add(state)
    await system.settle()
    assert (await system.message(message_id)).status is Status.CANCELLED
    assert await system.ledger() == []


async def test_quiet_hours_of_the_recipient_send_the_turn_back(system: System) -> None:
    # Half past nine in the evening in Boston.
    await system.set_clock(datetime(2031, 3, 5, 2, 30, tzinfo=UTC))
    message_id = await system.request()
    await system.settle()
    message = await system.message(message_id)
    assert (message.status, message.reason) == (Status.EXPIRED, "quiet_hours")
    assert await system.ledger() == []


async def test_a_reply_in_a_conversation_passes_quiet_hours_and_another_waits(system: System) -> None:
    await system.set_clock(datetime(2031, 3, 5, 4, 30, tzinfo=UTC))
    await system.receives(ANA, "Are you there? Water everywhere")
    await system.settle()
    answer = (await system.reply(ANA, "We are on our way.")).json()
    cold = (await system.reply(BEN, "Good evening!")).json()
    await system.settle()
    assert (await system.message(answer["id"])).status is Status.DELIVERED
    waiting = await system.message(cold["id"])
    assert (waiting.status, waiting.reason) == (Status.QUEUED, "quiet_hours")
    assert waiting.not_before.astimezone(UTC).hour in (13, 14, 15)


async def test_the_daily_cap_counts_campaign_texts_of_the_number(system: System) -> None:
    number = await system.number()
    answer = await system.api.patch(
        f"/api/v1/phone-numbers/{number.id}", json={"daily_cap": 3}, headers={"If-Match": f'"{number.version}"'}
    )
    assert answer.status_code == 200
    ids = [await system.request(phone(i)) for i in range(5)]
    await system.settle()
    statuses = [(await system.message(i)).status for i in ids]
    assert statuses.count(Status.DELIVERED) == 3
    assert statuses.count(Status.EXPIRED) == 2
    assert (await system.reply(BEN, "A person may still write.")).status_code == 202
    await system.settle()
    assert len(await system.ledger()) == 4


async def test_a_refused_text_gives_its_place_back(system: System) -> None:
    number = await system.number()
    await system.api.patch(
        f"/api/v1/phone-numbers/{number.id}", json={"daily_cap": 1}, headers={"If-Match": f'"{number.version}"'}
    )
    await system.turn(faults={"recipients": {ANA: {"send": ["invalid_number"]}}})
    refused = await system.request(ANA)
    await system.settle()
    assert (await system.message(refused)).status is Status.REJECTED
    passed = await system.request(BEN)
    await system.settle()
    assert (await system.message(passed)).status is Status.DELIVERED


async def test_too_many_requests_are_tried_again_and_nothing_is_sent_twice(system: System) -> None:
    await system.turn(faults={"recipients": {ANA: {"send": ["rate_limited", "rate_limited", None]}}})
    message_id = await system.request()
    for _ in range(3):
        await system.settle()
        await system.advance(timedelta(seconds=5))
    await system.settle()
    assert (await system.message(message_id)).status is Status.DELIVERED
    assert len(await system.ledger()) == 1


async def test_an_account_without_credits_holds_everything_until_somebody_lifts_it(system: System) -> None:
    await system.turn(account={"has_credits": False})
    message_id = await system.request()
    await system.settle()
    [hold] = (await system.api.get("/api/v1/sending-holds", params={"in_place": True})).json()["items"]
    assert (hold["scope"], hold["source"]) == ("all", "provider")
    assert (await system.message(message_id)).status is Status.QUEUED
    await system.turn(account={"has_credits": True})
    await _lift_all(system)
    await system.advance(timedelta(minutes=2))
    await system.settle()
    assert (await system.message(message_id)).status is Status.DELIVERED


async def test_a_failed_text_is_reported_with_the_carriers_code(system: System) -> None:
    await system.turn(life={"recipients": {ANA: {"ending": "failed", "error_code": "30007"}}})
    message_id = await system.request()
    await system.settle()
    message = await system.message(message_id)
    assert (message.status, message.reason) == (Status.FAILED, "30007")
    assert not (await system.phone_state(ANA)).is_opted_out


@pytest.mark.parametrize("code", ["21610", "30005", "30006"])
async def test_codes_that_end_texting_are_copied_in(system: System, code: str) -> None:
    await system.turn(life={"recipients": {ANA: {"ending": "failed", "error_code": code}}})
    await system.request()
    await system.settle()
    state = await system.phone_state(ANA)
    assert (state.is_opted_out, state.consent_source) == (True, f"carrier_{code}")
    assert (await system.reply(ANA, "Hello?")).status_code == 403


@pytest.mark.parametrize("more_settings", [{"rate_per_second": 20.0}])
async def test_the_provider_never_sees_more_than_the_rate(system: System) -> None:
    await system.turn(life={"stuck": 1.0})
    for i in range(50):
        await system.request(phone(i))
    await system.run()
    stats = (await system.control.get("/sandbox/v1/stats")).json()
    [tally] = [t for t in stats["requests"] if t["key_name"] == "default"]
    assert stats["accepted"] == 50
    assert tally["most_in_any_second"] <= 22


async def _hold(system: System, **values: str) -> None:
    answer = await system.api.post("/api/v1/sending-holds", json={"reason": "a test", **values})
    assert answer.status_code == 201, answer.text


async def _lift_all(system: System) -> None:
    holds = (await system.api.get("/api/v1/sending-holds", params={"in_place": True})).json()["items"]
    for hold in holds:
        assert (await system.api.post(f"/api/v1/sending-holds/{hold['id']}/lift")).status_code == 200


async def test_a_batch_of_requests_queues_each_person_once(system: System) -> None:
    first, again, other = await system.requested(ANA), await system.requested(ANA), await system.requested(BEN)
    async with system.begin() as tx:
        await (await tx.aget(RequestService)).queue([first, again, first, other])
    async with system.begin() as tx:
        session = await tx.aget(AsyncSession)
        found = {message.id: message for message in await session.scalars(select(Message))}
    assert {event.message_id: found[event.message_id].status.value for event in (first, again, other)} == {
        first.message_id: "queued",
        again.message_id: "suppressed",
        other.message_id: "queued",
    }
    assert found[again.message_id].reason == "already_sent"
