"""Rows 1 to 11 of the failure catalogue: whatever dies while texts go out, nobody gets one twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

import asyncpg
import pytest
from harness.counts import count, draw, time_limit
from harness.figures import Figures
from harness.invariants.sending import opt_out_windows, times_to_the_wire
from harness.processes import extra_workers
from harness.system import ACK_WAIT_SECONDS, System, set_ack_waits
from shared.testing import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

WORKER = "messaging-worker"
SENT, NOT_SENT = {"accepted", "delivered"}, {"not_found"}


async def resolved(system: System, ids: list[UUID]) -> dict[UUID, str]:
    """The states of these texts once the resolver has had its say."""

    async def off_the_wire() -> bool:
        found = await system.statuses(ids)
        return len(found) == len(ids) and not {"queued", "in_flight"} & set(found.values())

    async def nothing_in_flight() -> bool:
        await system.advance(seconds=1)
        return await off_the_wire()

    await until(nothing_in_flight, within=count(90, 900), what="every text leaves the wire")
    await system.advance(minutes=25)
    return await system.statuses(ids)


async def test_a_sender_that_dies_after_the_answer_has_sent_once(system: System, figures: Figures) -> None:
    """Row 1: what the provider has is found out, what was still on its way to it is not sent later."""
    for _ in range(count(1, 50)):
        phones = system.phones(3)
        figures.trial(len(phones))
        pid = await system.arm(WORKER, "send.after_response=kill")
        ids = await system.request_texts(phones)
        await system.wait_restarted(WORKER, pid)
        states = await resolved(system, ids)
        assert set(states.values()) <= SENT | NOT_SENT
        sent = [phone for phone, one in zip(phones, ids, strict=True) if states[one] in SENT]
        assert sent, "one had its answer"
        assert await system.ledger(phones) == dict.fromkeys(sent, 1)


async def test_a_sender_that_dies_before_the_first_byte_has_not_sent_and_nothing_sends_later(
    system: System, figures: Figures
) -> None:
    """Row 2."""
    for _ in range(count(1, 50)):
        phones = system.phones(1)
        figures.trial()
        pid = await system.arm(WORKER, "send.before_first_byte=kill")
        ids = await system.request_texts(phones)
        await system.wait_restarted(WORKER, pid)
        assert set((await resolved(system, ids)).values()) == NOT_SENT
        await system.advance(hours=1)
        assert await system.ledger(phones) == {}


UNCLEAR = {
    "reset_after_accept": SENT,  # row 3: the reply was lost
    "unreadable_after_accept": SENT,  # row 3: the reply was garbled
    "error_after_accept": SENT,  # row 4: 500, but sent
    "error_before_accept": NOT_SENT,  # row 4: 500, not sent
    "timeout_after_accept": SENT,  # row 5: no answer in time, but sent
    "hang_before_accept": NOT_SENT,  # row 5: hangs, not sent
}


async def test_an_unclear_answer_is_looked_up_and_never_resent(system: System, figures: Figures) -> None:
    """Rows 3 to 5: the unlucky are resolved, and others are sent meanwhile."""
    unlucky = {fault: system.phones(count(2, 100)) for fault in UNCLEAR}
    lucky = system.phones(3)
    figures.trial(sum(map(len, unlucky.values())))
    await system.faults({phone: [fault] for fault, phones in unlucky.items() for phone in phones})
    ids = {fault: await system.request_texts(phones) for fault, phones in unlucky.items()}
    await system.request_texts(lucky)

    async def lucky_sent() -> bool:
        return len(await system.ledger(lucky)) == len(lucky)

    await until(lucky_sent, within=count(30, 300), what="the others are sent while the unlucky hang")
    states = await resolved(system, [one for of_fault in ids.values() for one in of_fault])
    for fault, expected in UNCLEAR.items():
        assert {states[one] for one in ids[fault]} <= expected, fault
        accepted = unlucky[fault] if expected is SENT else []
        assert await system.ledger(unlucky[fault]) == dict.fromkeys(accepted, 1), fault


async def test_many_workers_under_a_storm_of_429_stay_within_the_limit_and_lose_nothing(
    system: System, figures: Figures
) -> None:
    """Rows 6 and 7: one limiter for all; one intent per text, whoever claims it."""
    phones = system.phones(count(40, 2000))
    figures.trial(len(phones))
    await system.controls(faults={"seed": 6, "send": {"rate_limited": 0.3}})
    # The product's own deadline: three workers on two busy cores need longer for a turn than the other tests allow.
    short = system.stack.env_for(WORKER)["CRM_SEND_DEADLINE_SECONDS"]
    await system.restart_with(WORKER, CRM_SEND_DEADLINE_SECONDS="20")
    try:
        async with extra_workers(system, 2):
            ids = await system.request_texts(phones)

            async def all_sent() -> bool:
                return len(await system.ledger(phones)) == len(phones)

            # Domain time goes on by itself, which is all a text that was put off needs: moved, it would pass expiries.
            with figures.timed("all sent"):
                await until(all_sent, within=count(120, 800), what="every text is sent")
    finally:
        await system.restart_with(WORKER, CRM_SEND_DEADLINE_SECONDS=short)
    figures.note("intent to wire", *await times_to_the_wire(system, phones))
    states = await resolved(system, ids)
    assert set(states.values()) <= SENT
    assert await system.ledger(phones) == dict.fromkeys(phones, 1)


async def test_a_double_click_sends_one_reply(system: System, figures: Figures) -> None:
    """Row 8: fifty identical requests at once are one text; the same key with another text is refused."""
    (phone,) = system.phones(1)
    number_id = str(await system.number_id())
    body = {"to": phone, "body": "We can come on Tuesday.", "number_id": number_id}
    headers = {"Idempotency-Key": f"double-click {phone}"}
    figures.trial(50)
    answers = await asyncio.gather(
        *(system.public.post("/api/v1/messages", json=body, headers=headers) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {202}, answers[0].text
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await system.public.post("/api/v1/messages", json={**body, "body": "Or Friday."}, headers=headers)
    assert other.status_code == 409
    await system.settle()
    assert await system.ledger([phone]) == {phone: 1}


async def test_a_sender_that_was_frozen_past_the_deadline_does_not_send(system: System, figures: Figures) -> None:
    """Row 9: frozen between claim and wire; another worker resolves, a person resends, then the frozen one wakes."""
    phones = system.phones(1)
    figures.trial()
    pid = await system.arm(WORKER, "send.after_claim=stop")
    try:
        ids = await system.request_texts(phones)

        async def is_claimed() -> bool:
            return (await system.statuses(ids)).get(ids[0]) == "in_flight"

        await until(is_claimed)
        async with extra_workers(system):
            await _resolved_without(system, ids[0])
            resend = await system.post(f"/api/v1/messages/{ids[0]}/resend")

            async def is_resent() -> bool:
                return bool(await system.ledger(phones))

            await until(is_resent, what="the person's resend goes out")
            os.kill(pid, signal.SIGCONT)
            await asyncio.to_thread(system.stack.wait_ready, WORKER)
    finally:
        # Whatever failed: the tests that follow need it awake.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert UUID(resend["id"]) != ids[0]
    await system.settle()
    assert await system.ledger(phones) == {phones[0]: 1}
    assert (await system.statuses(ids))[ids[0]] == "not_found"


async def _resolved_without(system: System, text: UUID) -> None:
    """Resolve while the first worker is frozen: nothing can settle, so move the clock from look to look.

    No further than that: a person's resend waits for the morning once it is night.
    """

    async def is_final() -> bool:
        query = "SELECT status, next_look_at FROM message WHERE id = $1"
        ((status, next_look_at),) = await system.rows("messaging", query, text)
        if status == "unknown":
            await system.move_clock(next_look_at)
        return bool(status == "not_found")

    await until(is_final, within=90, what="another worker resolves it")


async def test_texts_race_with_stop(system: System, figures: Figures) -> None:
    """Row 10: whoever has stopped before the claim gets nothing; check_invariants compares commits and receipts."""
    phones = system.phones(count(40, 2000))
    figures.trial(len(phones))
    ids = await system.request_texts(phones)
    await stop_near_their_turn(system, phones, ids)
    await system.settle(within=count(120, 900))
    out = await system.value(
        "messaging", "SELECT count(*) FROM phone_state WHERE is_opted_out AND phone = ANY($1)", phones
    )
    assert out == len(phones)
    before = await campaign_texts(system, phones)
    assert 0 < before < len(phones), "some STOPs came before their text, some after"
    await system.request_texts(phones, text="Second try of a campaign that must not reach anybody. Reply STOP.")
    await system.settle(within=count(120, 900))
    assert await campaign_texts(system, phones) == before
    figures.note("received after the opt-out's commit", *await opt_out_windows(system, phones))
    figures.note("intent to wire", *await times_to_the_wire(system, phones))


async def stop_near_their_turn(system: System, phones: list[str], ids: list[UUID]) -> None:
    """Each person asks us to stop a little before or after their text is due; the first once one text has left.

    In words that the provider does not act on: it would refuse by itself what we must not send.
    """
    chance = draw("stop")
    pending = {phone: max(1, min(turn - chance.randint(-4, 40), len(phones))) for turn, phone in enumerate(phones)}
    while pending:
        decided = sum(status != "queued" for status in (await system.statuses(ids)).values())
        due = [phone for phone, turn in pending.items() if turn <= decided]
        await asyncio.gather(*(system.text_us(phone, "stop texting me please") for phone in due))
        pending = {phone: turn for phone, turn in pending.items() if phone not in due}


async def campaign_texts(system: System, phones: list[str]) -> int:
    query = "SELECT count(*) FROM ledger WHERE recipient = ANY($1) AND (body LIKE 'Hello %' OR body LIKE 'Second %')"
    return int(await system.value("sandbox", query, phones))


async def test_a_request_that_is_delivered_many_times_is_one_text(system: System, figures: Figures) -> None:
    """Row 11: repeats that the stream does not recognise."""
    phones = system.phones(count(5, 500))
    figures.trial(len(phones))
    ids = await system.request_texts(phones, copies=5)
    await system.settle()
    assert await system.ledger(phones) == dict.fromkeys(phones, 1)
    assert set((await system.statuses(ids)).values()) <= SENT


async def test_two_turns_of_one_step_that_two_workers_queue_at_once_are_one_text(
    system: System, figures: Figures
) -> None:
    """Row 7: both have looked and found nothing before either has stored its own."""
    async with extra_workers(system), patient_streams(system):
        for _ in range(count(1, 100)):
            figures.trial()
            (phone,), campaign = system.phones(1), uuid4()
            turns = [
                await system.text_requests([phone], campaign_id=campaign, turn=turn, text=f"Turn {turn}. Reply STOP.")
                for turn in (1, 2)
            ]
            gate = await asyncpg.connect(system.stack.postgres.url("messaging"))
            try:
                holding = gate.transaction()
                await holding.start()
                await gate.execute(NEW_PHONE, phone)
                await system.publish(*turns[0])
                await until(lambda: waiting_workers(system, 1), what="one worker has looked")
                await system.publish(*turns[1])
                await until(lambda: waiting_workers(system, 2), what="the other has looked, too")
                await holding.commit()
            finally:
                await gate.close()
            await system.settle()
            assert await system.ledger([phone]) == {phone: 1}
            states = await system.statuses([request.message_id for (request,) in turns])
            assert sum(state == "suppressed" for state in states.values()) == 1


@asynccontextmanager
async def patient_streams(system: System) -> AsyncIterator[None]:
    """A request that is held for long would else come again, and wait in the place of the other."""
    await set_ack_waits(system.stack, 60)
    try:
        yield
    finally:
        await set_ack_waits(system.stack, ACK_WAIT_SECONDS)


NEW_PHONE = (
    "INSERT INTO phone_state (phone, is_opted_out, needs_review, consent_version, line_type, line_type_version)"
    " VALUES ($1, false, false, 0, 'unknown', 0)"
)


async def waiting_workers(system: System, wanted: int) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'messaging' AND wait_event_type = 'Lock'"
    return int(await system.value("messaging", query)) >= wanted
