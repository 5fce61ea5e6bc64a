"""A running campaign: launch, plan, outcomes, pause, resume, cancel, and what it never does."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from campaigns.services.planning import Planner
from shared.events import contacts, messaging
from shared.events.campaigns import CampaignCancelled, CampaignCompleted, CampaignLaunched, CampaignPaused
from shared.ids import derived
from shared.testing.plugin import FakeClock
from svcs import Container

from shared import failpoints

from .neighbours import person
from .office import MONDAY_NOON, Office, report_of
from .test_audience_integration import opt_out


async def test_from_launch_to_completed(office: Office) -> None:
    campaign = await office.running(3)
    texts = await office.requested()
    assert sorted(text.text for text in texts) == ["Hello Ann0", "Hello Ann1", "Hello Ann2"]
    for text in texts:
        assert text.message_id == derived(text.recipient_id, 1, 1)
        assert MONDAY_NOON <= text.not_before < text.expires_at <= MONDAY_NOON + timedelta(minutes=16)
    await office.report(messaging.MessageAccepted, texts, segments=1, cost_cents=1)
    assert await office.counts(campaign) == {"sent": 3}
    await office.report(messaging.MessageDelivered, texts[:2])
    await office.report(messaging.MessageUndelivered, texts[2:], reason="30006")
    results = await office.results(campaign)
    assert (results["status"], results["sent"], results["segments"]) == ("completed", 3, 3)
    assert await office.counts(campaign) == {"delivered": 2, "undelivered": 1}
    assert len(await office.bus.envelopes(CampaignLaunched.type)) == 1
    completed = await office.bus.envelopes(CampaignCompleted.type)
    assert [envelope.data["counts"]["sent"] for envelope in completed] == [3]


async def test_a_campaign_with_an_unknown_text_is_not_complete(office: Office) -> None:
    campaign = await office.running(1)
    texts = await office.requested()
    await office.report(messaging.MessageUnknown, texts)
    assert (await office.results(campaign))["status"] == "running"
    await office.report(messaging.MessageNotFound, texts)
    assert (await office.results(campaign))["status"] == "completed"
    await office.report(messaging.MessageDelivered, texts)
    assert await office.counts(campaign) == {"delivered": 1}


async def test_the_daily_cap_holds_over_two_campaigns_and_carries_over(office: Office, crm_clock: FakeClock) -> None:
    number = await office.add_number(daily_cap=5)
    one = await office.running(number_ids=[number], people=[person(n) for n in range(4)])
    two = await office.running(number_ids=[number], people=[person(n) for n in range(10, 14)])
    today = await office.requested()
    assert (len(await office.requested(one)), len(await office.requested(two))) == (4, 1)
    assert (await office.worker.idle()).next_due_at is not None
    await office.report(messaging.MessageAccepted, today)
    tomorrow = MONDAY_NOON + timedelta(hours=21)
    await crm_clock.set(tomorrow)
    await office.worker.run_until_idle()
    assert len(await office.requested(two)) == 4
    assert len(await office.requested(one)) == 4


async def test_the_next_due_moment_is_the_opening_of_the_window(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(MONDAY_NOON + timedelta(hours=10))
    campaign = await office.running(2)
    assert await office.requested(campaign) == []
    due = (await office.worker.idle()).next_due_at
    assert due == MONDAY_NOON + timedelta(hours=21)
    await crm_clock.set(due)
    await office.worker.run_until_idle()
    assert len(await office.requested(campaign)) == 2


async def test_a_returned_turn_is_planned_again_as_a_new_text(office: Office, crm_clock: FakeClock) -> None:
    campaign = await office.running(1)
    first = await office.requested()
    await office.report(messaging.MessageExpired, first, reason="expired")
    await crm_clock.advance(timedelta(seconds=30))
    await office.worker.run_until_idle()
    second = (await office.requested())[1:]
    assert [(t.turn, t.message_id) for t in second] == [(2, derived(first[0].recipient_id, 1, 2))]
    # The first text's report once more, and late: it is about a turn that is over.
    await office.report(messaging.MessageExpired, first, reason="expired")
    assert await office.counts(campaign) == {"requested": 1}
    await office.report(messaging.MessageAccepted, second)
    assert await office.counts(campaign) == {"sent": 1}


async def test_a_text_put_off_for_quiet_hours_waits_and_gives_its_cap_back(
    office: Office, crm_clock: FakeClock
) -> None:
    number = await office.add_number(daily_cap=1)
    campaign = await office.running(1, number_ids=[number])
    await office.report(messaging.MessageSuppressed, await office.requested(), reason="quiet_hours")
    assert await office.counts(campaign) == {"waiting": 1}
    due = (await office.worker.idle()).next_due_at
    assert due is not None
    assert due > MONDAY_NOON + timedelta(minutes=14)
    await crm_clock.set(due + timedelta(seconds=1))
    await office.worker.run_until_idle()
    assert len(await office.requested()) == 2


async def test_pause_stops_at_once_and_resume_goes_on(office: Office, crm_clock: FakeClock) -> None:
    campaign = await office.running(40, rate_per_second=1)
    asked = len(await office.requested())
    assert 0 < asked < 40
    assert (await office.move(campaign, "pause")).json()["status"] == "paused"
    await crm_clock.advance(timedelta(minutes=1))
    await office.worker.run_until_idle()
    assert len(await office.requested()) == asked
    assert len(await office.bus.envelopes(CampaignPaused.type)) == 1
    await office.report(messaging.MessageExpired, await office.requested(), reason="hold")
    assert await office.counts(campaign) == {"waiting": 40}
    await office.move(campaign, "resume")
    await office.worker.run_until_idle()
    assert len(await office.requested()) > asked


async def test_cancel_ends_who_waits_and_then_who_was_on_the_way(office: Office) -> None:
    campaign = await office.running(40, rate_per_second=1)
    texts = await office.requested()
    answer = await office.move(campaign, "cancel")
    assert answer.json()["status"] == "cancelled"
    assert await office.counts(campaign) == {"cancelled": 40 - len(texts), "requested": len(texts)}
    await office.worker.run_until_idle()
    assert len(await office.bus.envelopes(CampaignCancelled.type)) == 1
    await office.report(messaging.MessageAccepted, texts[:1])
    await office.report(messaging.MessageCancelled, texts[1:2], reason="campaign_cancelled")
    await office.report(messaging.MessageExpired, texts[2:], reason="expired")
    assert await office.counts(campaign) == {"cancelled": 39, "sent": 1}
    assert (await office.move(campaign, "resume")).status_code == 409
    assert len(await office.requested()) == len(texts)


async def test_only_legal_moves(office: Office) -> None:
    campaign = await office.draft(number_ids=[await office.add_number()])
    for verb in ("pause", "resume"):
        answer = await office.move(campaign["id"], verb)
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert (await office.launch(campaign["id"])).status_code == 404
    assert (await office.move(campaign["id"], "launch")).status_code == 422
    await office.build(campaign["id"], [person(0)])
    assert (await office.launch(campaign["id"])).status_code == 200
    again = await office.launch(campaign["id"])
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    edit = await office.client.patch(
        f"/api/v1/campaigns/{campaign['id']}", json={"name": "x"}, headers={"If-Match": '"2"'}
    )
    assert (edit.status_code, edit.json()["code"]) == (409, "not_a_draft")


async def test_what_a_launch_needs(office: Office) -> None:
    campaign = await office.draft()
    await office.build(campaign["id"], [person(0), person(1, first_name=None)])
    assert (await office.launch(campaign["id"])).json()["code"] == "no_sending_number"
    number, gone = await office.add_number(), await office.add_number(is_active=False)
    url = f"/api/v1/campaigns/{campaign['id']}"
    await office.client.patch(url, json={"number_ids": [number, gone]}, headers={"If-Match": '"1"'})
    assert (await office.launch(campaign["id"])).json()["number_ids"] == [gone]
    await office.client.patch(url, json={"number_ids": [number]}, headers={"If-Match": '"2"'})
    assert (await office.launch(campaign["id"])).json()["code"] == "audience_blocked"
    await office.build(campaign["id"], [person(1, first_name=None)], missing_value="skip")
    assert (await office.launch(campaign["id"], 1)).json()["code"] == "audience_not_ready"
    assert (await office.launch(campaign["id"], 2)).json()["code"] == "empty_audience"


async def test_a_scheduled_campaign_starts_at_its_time(office: Office, crm_clock: FakeClock) -> None:
    start = MONDAY_NOON + timedelta(hours=2)
    campaign = await office.running(1, starts_at=start.isoformat())
    assert (await office.results(campaign))["status"] == "scheduled"
    assert (await office.worker.idle()).next_due_at == start
    await crm_clock.set(start)
    await office.worker.run_until_idle()
    assert (await office.results(campaign))["status"] == "running"
    assert len(await office.requested()) == 1


async def test_who_still_waits_at_the_deadline_expires(office: Office, crm_clock: FakeClock) -> None:
    deadline = MONDAY_NOON + timedelta(hours=1)
    number = await office.add_number(daily_cap=1)
    campaign = await office.running(3, number_ids=[number], deadline_at=deadline.isoformat())
    await office.report(messaging.MessageAccepted, await office.requested())
    assert (await office.worker.idle()).next_due_at == deadline
    await crm_clock.set(deadline)
    await office.worker.run_until_idle()
    assert await office.counts(campaign) == {"sent": 1, "expired": 2}
    assert (await office.results(campaign))["status"] == "completed"


async def test_an_opt_out_ends_waiting_and_requested_texts(office: Office) -> None:
    campaign = await office.running(40, rate_per_second=1)
    texts = await office.requested()
    waiting = next(f"+1518555{n:04d}" for n in range(40) if f"+1518555{n:04d}" not in {t.to for t in texts})
    for phone in (waiting, texts[0].to):
        await office.bus.publish_event(opt_out(phone))
    await office.worker.run_until_idle()
    assert (await office.counts(campaign))["opted_out"] == 2
    # The text had left a moment before STOP after all: what was sent is shown as sent.
    await office.report(messaging.MessageAccepted, texts[:1])
    results = await office.results(campaign)
    assert (results["counts"]["opted_out"], results["counts"]["sent"], results["opted_out"]) == (1, 1, 1)


async def test_a_reply_is_credited_whichever_comes_first(office: Office) -> None:
    campaign = await office.running(2)
    texts = await office.requested()
    for n, text in enumerate(texts):
        reply = messaging.MessageReceived(
            message_id=UUID(int=n + 1),
            conversation_id=UUID(int=9),
            from_phone=text.to,
            text="Yes please",
            received_at=text.not_before + timedelta(minutes=3),
        )
        if n == 0:
            await office.report(messaging.MessageAccepted, [text])
        await office.bus.publish_event(reply)
        await office.worker.run_until_idle()
    assert (await office.results(campaign))["replied"] == 1
    await office.report(messaging.MessageAccepted, texts[1:])
    assert (await office.results(campaign))["replied"] == 2


async def test_two_campaigns_launched_on_the_same_people_text_nobody_twice(office: Office) -> None:
    number = await office.add_number()
    people = [person(n) for n in range(5)]
    drafts = [await office.draft(number_ids=[number]) for _ in range(2)]
    for draft in drafts:
        await office.build(draft["id"], people)
    for draft in drafts:
        assert (await office.launch(draft["id"])).status_code == 200
    await office.worker.run_until_idle()
    texts = await office.requested()
    assert len(texts) == len({text.to for text in texts}) == 5
    excluded = [(await office.results(d["id"]))["exclusions"]["texted_recently"] for d in drafts]
    assert sorted(excluded) == [0, 5]


async def test_a_later_audience_leaves_out_who_is_in_a_running_campaign(office: Office) -> None:
    await office.running(3, daily_cap=1)
    draft = await office.draft()
    built = await office.build(draft["id"], [person(n) for n in range(4)])
    assert built["counts"]["waiting"] == 1
    assert built["exclusions"]["other_campaign"] + built["exclusions"]["texted_recently"] == 3


async def test_a_hold_on_everything_stops_the_plan_until_it_is_lifted(office: Office) -> None:
    hold = {
        "hold_id": UUID(int=5),
        "scope": "all",
        "reason": "drill",
        "occurred_at": MONDAY_NOON,
    }
    await office.bus.publish_event(messaging.HoldPlaced(version=1, **hold))
    await office.worker.run_until_idle()
    campaign = await office.running(2)
    assert await office.counts(campaign) == {"waiting": 2}
    await office.bus.publish_event(messaging.HoldLifted(version=2, **hold))
    await office.bus.publish_event(messaging.HoldPlaced(version=1, **hold))
    await office.worker.run_until_idle()
    assert await office.counts(campaign) == {"requested": 2}


async def test_edits_merges_and_erasures_reach_who_still_waits(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(MONDAY_NOON + timedelta(hours=10))
    campaign = await office.running(5)
    ids = [UUID(person(n)["contact_id"]) for n in range(5)]

    def changed(n: int, version: int, **values: object) -> contacts.ContactItem:
        phones = [contacts.PhoneItem(e164=f"+1518555{n:04d}")]
        return contacts.ContactItem(contact_id=ids[n], version=version, **{"phones": phones, **values})

    await office.bus.publish_event(
        contacts.ContactChanged(
            contacts=[
                changed(0, 3, first_name="Anna"),
                changed(1, 2, first_name="Bob", phones=[]),
            ]
        )
    )
    await office.bus.publish_event(contacts.ContactChanged(contacts=[changed(0, 2, first_name="Old")]))
    await office.bus.publish_event(contacts.ContactMerged(primary_id=ids[0], secondary_id=ids[2], version=4))
    await office.bus.publish_event(contacts.ContactErased(contact_id=ids[3], phone_hashes=[]))
    await office.bus.publish_event(
        messaging.LineTypeDetermined(phone="+15185550004", line_type="landline", source="lookup", version=1)
    )
    await office.worker.run_until_idle()
    results = await office.results(campaign)
    assert {reason: n for reason, n in results["exclusions"].items() if n} == {
        "phone_changed": 1,
        "merged": 1,
        "contact_gone": 1,
        "no_mobile": 1,
    }
    await crm_clock.set(MONDAY_NOON + timedelta(hours=21))
    await office.worker.run_until_idle()
    assert [text.text for text in await office.requested()] == ["Hello Anna"]


async def test_reports_shuffled_and_repeated_in_one_batch_end_the_same(office: Office) -> None:
    campaign = await office.running(6)
    texts = await office.requested()
    reports = []
    for text in texts:
        for kind, after in (
            (messaging.MessageDelivered, 30),
            (messaging.MessageAccepted, 5),
            (messaging.MessageUnknown, 2),
            (messaging.MessageAccepted, 5),
        ):
            reports.append(report_of(kind, text, after=timedelta(seconds=after), segments=1))
    for n in range(len(reports)):
        await office.bus.publish_event(reports[n * 7 % len(reports)])
    await office.worker.run_until_idle()
    assert await office.counts(campaign) == {"delivered": 6}
    recipient = await office.recipient(texts[0].recipient_id)
    assert recipient.sent_at == texts[0].not_before + timedelta(seconds=5)
    assert recipient.billed_segments == 1


@pytest.mark.parametrize(("place", "asked"), [("plan.before_commit", 0), ("plan.after_commit", 3)])
async def test_a_planner_that_dies_asks_for_every_text_once(office: Office, place, asked) -> None:
    campaign = await office.draft(number_ids=[await office.add_number()])
    await office.build(campaign["id"], [person(n) for n in range(3)])
    failpoints.configure(f"{place}=raise")
    try:
        await office.launch(campaign["id"])
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
    finally:
        failpoints.configure("")
    assert (await office.results(campaign["id"]))["counts"]["requested"] == asked
    await office.worker.run_until_idle()
    texts = await office.requested()
    assert len(texts) == len({text.to for text in texts}) == 3


async def test_planners_side_by_side_request_nobody_twice(office: Office, registry) -> None:
    numbers = [await office.add_number(daily_cap=6)]
    drafts = [await office.draft(number_ids=numbers) for _ in range(3)]
    for n, draft in enumerate(drafts):
        await office.build(draft["id"], [person(100 * n + m) for m in range(5)])
        assert (await office.launch(draft["id"])).status_code == 200
    async with Container(registry) as container:
        planner = await container.aget(Planner)
        await asyncio.gather(*(planner.run_once() for _ in range(6)))
    await office.worker.run_until_idle()
    texts = await office.requested()
    assert len({text.recipient_id for text in texts}) == len(texts) == 6


async def test_a_merged_person_who_is_alone_in_the_audience_stays(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(MONDAY_NOON + timedelta(hours=10))
    campaign = await office.running(1)
    secondary = UUID(person(0)["contact_id"])
    merge = contacts.ContactMerged(primary_id=UUID(int=77), secondary_id=secondary, version=4)
    await office.bus.publish_event(merge)
    gone = contacts.ContactItem(contact_id=secondary, version=5, is_active=False)
    await office.bus.publish_event(contacts.ContactChanged(contacts=[gone]))
    await office.worker.run_until_idle()
    assert await office.counts(campaign) == {"waiting": 1}
