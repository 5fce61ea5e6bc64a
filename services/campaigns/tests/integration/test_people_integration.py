"""What becomes known of people while an audience is built or a campaign runs: edits, merges, erasures, STOPs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
import svcs
from campaigns.clients.contacts import ContactsClient
from campaigns.clients.messaging import MessagingClient
from campaigns.enrolment import Member
from campaigns.models import LateChange
from campaigns.services.audiences import AudienceBuilder, AudienceService
from campaigns.services.outcomes import OutcomeService
from shared.database import Begin
from shared.events import contacts, messaging
from shared.events.envelope import Event
from shared.ids import uuid7
from shared.testing.plugin import FakeClock
from shared.testing.waiting import until
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from .neighbours import person
from .office import MONDAY_NOON, Office, report_of
from .test_audience_integration import opt_out

NIGHT = MONDAY_NOON + timedelta(hours=10)
MORNING = MONDAY_NOON + timedelta(hours=21)


def contact(n: int) -> UUID:
    return UUID(person(n)["contact_id"])


def item(n: int, version: int, **values: Any) -> contacts.ContactItem:
    phones = [contacts.PhoneItem(e164=f"+1518555{n:04d}")]
    return contacts.ContactItem(contact_id=contact(n), version=version, **{"phones": phones, **values})


def changed(*items: contacts.ContactItem) -> contacts.ContactChanged:
    return contacts.ContactChanged(contacts=list(items))


def merged(primary: int, secondary: int, version: int = 5, primary_version: int = 5) -> contacts.ContactMerged:
    return contacts.ContactMerged(
        primary_id=contact(primary),
        secondary_id=contact(secondary),
        version=version,
        primary_version=primary_version,
    )


async def tell(office: Office, *events: Event) -> None:
    for event in events:
        await office.bus.publish_event(event)
        await office.worker.run_until_idle()


async def texts(office: Office, campaign_id: str) -> dict[UUID, str]:
    """Who would get which text."""
    url = f"/api/v1/campaigns/{campaign_id}/recipients"
    found = (await office.client.get(url, params={"status": "waiting", "limit": 200})).json()["items"]
    return {UUID(recipient["contact_id"]): recipient["text"] for recipient in found}


Build = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def build_with(office: Office, registry: svcs.Registry) -> Build:
    """Builds an audience of people in chunks of two; `meanwhile` happens after the first chunk was stored."""

    async def run(campaign_id: str, people: list[dict[str, Any]], meanwhile: list[Event]) -> dict[str, Any]:
        asked = 0

        async def before_states(_: list[str]) -> None:
            nonlocal asked
            asked += 1
            if asked == 2:
                await tell(office, *meanwhile)

        office.neighbours.before_states = before_states
        wanted = {"lists": [office.neighbours.add_list(people)]}
        await office.client.post(f"/api/v1/campaigns/{campaign_id}/audience", json=wanted)
        async with svcs.Container(registry) as container:
            clients = await container.aget(ContactsClient, MessagingClient)
            assert await AudienceBuilder(office.begin, *clients, chunk=2).run_once() == 1
        built = (await office.client.get(f"/api/v1/campaigns/{campaign_id}/audience")).json()
        assert built["status"] == "ready"
        return built  # type: ignore[no-any-return]

    return run


async def count_late_changes(begin: Begin) -> int:
    async with begin() as tx:
        return await (await tx.aget(AsyncSession)).scalar(select(func.count()).select_from(LateChange)) or 0


async def test_edits_that_come_while_the_audience_is_built_are_not_lost(office: Office, build_with: Build) -> None:
    campaign = await office.draft()
    edits = changed(
        *(item(n, 2, first_name=f"Bea{n}") for n in range(4)),
        item(4, 2, phones=[]),
        item(5, 1, first_name="Older"),
    )
    built = await build_with(campaign["id"], [person(n) for n in range(6)], [edits])
    assert built["exclusions"]["phone_changed"] == 1
    assert await texts(office, campaign["id"]) == {
        **{contact(n): f"Hello Bea{n}" for n in range(4)},
        contact(5): "Hello Ann5",
    }
    assert await count_late_changes(office.begin) == 0


async def test_a_merge_that_comes_while_the_audience_is_built_leaves_one_of_the_two(
    office: Office, build_with: Build
) -> None:
    campaign = await office.draft()
    built = await build_with(campaign["id"], [person(n) for n in range(6)], [merged(5, 4), merged(0, 3)])
    assert (built["counts"]["waiting"], built["exclusions"]["merged"]) == (4, 2)
    assert set(await texts(office, campaign["id"])) == {contact(n) for n in (0, 1, 2, 5)}


async def test_an_erasure_that_comes_while_the_audience_is_built_reaches_it(office: Office, build_with: Build) -> None:
    campaign = await office.draft()
    gone = contacts.ContactErased(contact_id=contact(3), phone_hashes=[])
    built = await build_with(campaign["id"], [person(n) for n in range(4)], [gone])
    assert built["exclusions"]["contact_gone"] == 1
    url = f"/api/v1/campaigns/{campaign['id']}/recipients"
    [erased] = (await office.client.get(url, params={"status": "excluded"})).json()["items"]
    assert (erased["name"], erased["text"]) == (None, None)
    assert await count_late_changes(office.begin) == 0


async def test_nothing_is_kept_while_no_audience_is_built(office: Office) -> None:
    await tell(office, changed(item(0, 2)))
    assert await count_late_changes(office.begin) == 0


async def waiting_for_a_lock(begin: Begin) -> bool:
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(await session.scalar(text(blocked)))


@pytest.mark.parametrize("stop_commits", ["before the chunk", "after the last chunk"])
async def test_a_stop_during_the_build_is_not_missed(office: Office, stop_commits: str) -> None:
    """The STOP is consumed between the reading of a chunk's states and its commit: neither sees the other."""
    campaign = await office.draft()
    await office.client.post(
        f"/api/v1/campaigns/{campaign['id']}/audience", json={"lists": [office.neighbours.add_list([])]}
    )
    async with office.begin() as tx:
        build = await (await tx.aget(AudienceService)).claim()
    assert build is not None
    members = [Member.model_validate(person(n)) for n in range(2)]
    async with office.begin() as consumer:
        async with office.begin() as builder:
            await (await builder.aget(AudienceService)).store(build, members, {})
            if stop_commits == "before the chunk":
                async with office.begin() as other:
                    await (await other.aget(OutcomeService)).record_opt_out(opt_out("+15185550000"))
            else:
                await (await consumer.aget(OutcomeService)).record_opt_out(opt_out("+15185550000"))

        async def finish() -> None:
            async with office.begin() as tx:
                await (await tx.aget(AudienceService)).finish(build)

        finishing = asyncio.create_task(finish())
        if stop_commits == "after the last chunk":
            await until(lambda: waiting_for_a_lock(office.begin), what="the build waits for the consumer")
    await finishing
    built = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/audience")).json()
    assert (built["counts"]["waiting"], built["counts"]["opted_out"]) == (1, 1)


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_a_merge_and_the_end_of_the_alias_may_come_in_any_order(
    office: Office, crm_clock: FakeClock, order: tuple[int, ...]
) -> None:
    """The secondary is alone in the audience: it stays, and follows the primary, whichever event comes first."""
    await crm_clock.set(NIGHT)
    campaign = await office.running(1)
    moved = [contacts.PhoneItem(e164="+15185550009"), contacts.PhoneItem(e164="+15185550000")]
    events = [
        merged(9, 0),
        changed(
            item(9, 5, first_name="Bea", phones=moved),
            item(0, 5, is_active=False, phones=[], merged_into_id=contact(9)),
        ),
    ]
    await tell(office, *(events[place] for place in order))
    assert await texts(office, campaign) == {contact(0): "Hello Bea"}
    # What the primary was before the merge does not count; what it becomes afterwards does.
    await tell(office, changed(item(9, 4, first_name="Old")), changed(item(0, 9, is_active=False, phones=[])))
    assert await texts(office, campaign) == {contact(0): "Hello Bea"}
    await tell(office, changed(item(9, 6, first_name="Cleo", phones=moved)))
    assert await texts(office, campaign) == {contact(0): "Hello Cleo"}


async def test_changes_and_erasures_reach_recipients_through_a_chain_of_merges(
    office: Office, crm_clock: FakeClock
) -> None:
    await crm_clock.set(NIGHT)
    campaign = await office.running(2)
    await tell(office, merged(8, 0), merged(9, 8))
    everything = [contacts.PhoneItem(e164=f"+1518555{n:04d}") for n in (9, 8, 0)]
    await tell(office, changed(item(9, 6, first_name="Bea", phones=everything)))
    assert await texts(office, campaign) == {contact(0): "Hello Bea", contact(1): "Hello Ann1"}
    await tell(office, contacts.ContactErased(contact_id=contact(9), phone_hashes=[]))
    assert await texts(office, campaign) == {contact(1): "Hello Ann1"}


async def test_what_is_told_late_of_somebody_erased_is_not_written_down(office: Office) -> None:
    campaign = await office.running(1)
    url = f"/api/v1/campaigns/{campaign}/recipients"
    assert [row["name"] for row in (await office.client.get(url, params={"status": "requested"})).json()["items"]]
    await tell(office, contacts.ContactErased(contact_id=contact(0), phone_hashes=[]))
    await tell(office, changed(item(0, 9, first_name="Ann")))
    [erased] = (await office.client.get(url, params={"status": "requested"})).json()["items"]
    assert (erased["name"], erased["text"]) == (None, None)


async def phones_once_erased(office: Office, campaign: str, count: int = 1) -> dict[str, str | None]:
    """By state, after the first `count` people of the campaign were erased."""
    await tell(office, *(contacts.ContactErased(contact_id=contact(n), phone_hashes=[]) for n in range(count)))
    url = f"/api/v1/campaigns/{campaign}/recipients"
    found = (await office.client.get(url, params={"limit": 200})).json()["items"]
    return {
        row["status"]: row["phone"] for row in found if UUID(row["contact_id"]) in {contact(n) for n in range(count)}
    }


async def test_nobody_s_phone_is_kept_who_was_never_texted(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(NIGHT)
    office.neighbours.phone_states = {"+15185550001": {"line_type": "landline"}}
    campaign = await office.running(4)
    await tell(office, opt_out("+15185550002", occurred_at=NIGHT + timedelta(minutes=1)))
    assert await phones_once_erased(office, campaign, 3) == {"excluded": None, "opted_out": None}
    assert await texts(office, campaign) == {contact(3): "Hello Ann3"}


@pytest.mark.parametrize(
    ("report", "kept"),
    [
        (None, {"requested": "+15185550000"}),
        (messaging.MessageAccepted, {"sent": "+15185550000"}),
        (messaging.MessageUnknown, {"unknown": "+15185550000"}),
        (messaging.MessageRejected, {"failed": None}),
        (messaging.MessageNotFound, {"not_found": None}),
        (messaging.MessageFailed, {"failed": "+15185550000"}),
    ],
)
async def test_the_phone_of_a_text_that_was_sent_or_may_have_been_is_kept(
    office: Office, report: type[messaging.MessageMoved] | None, kept: dict[str, str | None]
) -> None:
    campaign = await office.running(1)
    if report is not None:
        await office.report(report, await office.requested())
    assert await phones_once_erased(office, campaign) == kept


async def test_the_phone_of_a_text_that_an_opt_out_may_have_come_too_late_for_is_kept(office: Office) -> None:
    campaign = await office.running(1)
    await tell(office, opt_out("+15185550000"))
    assert await phones_once_erased(office, campaign) == {"opted_out": "+15185550000"}


async def test_a_primary_that_is_excluded_takes_nobodys_place(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(NIGHT)
    office.neighbours.phone_states = {"+15185550001": {"line_type": "landline"}}
    campaign = await office.running(3)
    await tell(office, merged(1, 0))
    assert set(await texts(office, campaign)) == {contact(0), contact(2)}


async def test_two_who_were_merged_into_somebody_outside_are_texted_once(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(NIGHT)
    campaign = await office.running(3)
    await tell(office, merged(9, 0), merged(9, 1))
    assert len(await texts(office, campaign)) == 2
    assert (await office.results(campaign))["exclusions"]["merged"] == 1


async def test_who_has_the_text_already_stays_and_the_primary_gets_no_second_one(
    office: Office, crm_clock: FakeClock
) -> None:
    number = await office.add_number(daily_cap=1)
    campaign = await office.running(2, number_ids=[number])
    [first] = await office.requested()
    await office.report(messaging.MessageAccepted, [first])
    one = next(n for n in range(2) if contact(n) == first.contact_id)
    await tell(office, merged(1 - one, one))
    assert await office.counts(campaign) == {"sent": 1, "excluded": 1}


async def test_a_text_that_was_asked_for_stays_as_it_is_and_the_next_turn_gets_the_new_one(
    office: Office, crm_clock: FakeClock
) -> None:
    await office.running(1)
    [first] = await office.requested()
    await tell(office, changed(item(0, 2, first_name="Bea")))
    assert (await office.recipient(first.recipient_id)).text == "Hello Ann0"
    await office.report(messaging.MessageExpired, [first], reason="expired")
    assert (await office.recipient(first.recipient_id)).text == "Hello Bea"
    await crm_clock.advance(timedelta(seconds=30))
    await office.worker.run_until_idle()
    assert [text.text for text in await office.requested()] == ["Hello Ann0", "Hello Bea"]


async def test_a_running_campaign_shows_the_audience_it_was_launched_with(office: Office) -> None:
    campaign = await office.draft(number_ids=[await office.add_number()])
    await office.build(campaign["id"], [person(n) for n in range(3)])
    url = f"/api/v1/campaigns/{campaign['id']}"
    wanted = {"lists": [office.neighbours.add_list([person(7)])]}
    assert (await office.client.post(f"{url}/audience", json=wanted)).json()["version"] == 2
    assert (await office.launch(campaign["id"])).status_code == 200
    await office.worker.run_until_idle()
    shown = (await office.client.get(f"{url}/audience")).json()
    assert (shown["version"], shown["total"]) == (1, 3)
    assert (await office.client.get(f"{url}/recipients")).json()["total"] == 3


@pytest.mark.parametrize("first", ["report", "reply"])
async def test_a_reply_and_the_report_of_its_text_are_recorded_at_the_same_moment(office: Office, first: str) -> None:
    """Two workers, each in a transaction that does not see the other's."""
    await office.running(1)
    [requested] = await office.requested()
    accepted = report_of(messaging.MessageAccepted, requested)
    answer = messaging.MessageReceived(
        message_id=uuid7(),
        conversation_id=uuid7(),
        from_phone=requested.to,
        text="Yes",
        received_at=requested.not_before + timedelta(minutes=1),
    )

    async def record(kind: str) -> None:
        async with office.begin() as tx:
            outcomes = await tx.aget(OutcomeService)
            await (outcomes.record_reports([accepted]) if kind == "report" else outcomes.record_reply(answer))

    second = "reply" if first == "report" else "report"
    async with office.begin() as tx:
        outcomes = await tx.aget(OutcomeService)
        await (outcomes.record_reports([accepted]) if first == "report" else outcomes.record_reply(answer))
        await (await tx.aget(AsyncSession)).flush()
        recording = asyncio.create_task(record(second))
        await until(lambda: waiting_for_a_lock(office.begin), what="the second waits for the first")
    await recording
    assert (await office.recipient(requested.recipient_id)).replied_at == answer.received_at


async def test_an_unmerge_lets_the_secondary_speak_for_itself_again(office: Office, crm_clock: FakeClock) -> None:
    await crm_clock.set(NIGHT)
    campaign = await office.running(1)
    undone = contacts.ContactUnmerged(primary_id=contact(9), secondary_id=contact(0), version=6)
    await tell(office, merged(9, 0, primary_version=50), undone, changed(item(0, 7, first_name="Bea")))
    assert await texts(office, campaign) == {contact(0): "Hello Bea"}


async def test_reports_of_one_batch_add_up_in_any_order(office: Office) -> None:
    await office.running(2)
    one, other = await office.requested()
    batch = [
        report_of(messaging.MessageDelivered, one),
        report_of(messaging.MessageAccepted, other),
        report_of(messaging.MessageAccepted, one),
        report_of(messaging.MessageAccepted, other),
    ]
    async with office.begin() as tx:
        await (await tx.aget(OutcomeService)).record_reports(batch)
    recipients = [await office.recipient(requested.recipient_id) for requested in (one, other)]
    assert [recipient.status.value for recipient in recipients] == ["delivered", "sent"]
    assert all(recipient.sent_at for recipient in recipients)
