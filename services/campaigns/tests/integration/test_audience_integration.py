"""An audience is one whole snapshot with a reason for everybody who is left out, or it is not launched."""

from datetime import timedelta
from uuid import UUID

import pytest
from campaigns.clients.contacts import ContactsClient
from campaigns.clients.messaging import MessagingClient
from campaigns.models import Audience
from campaigns.services.audiences import AudienceBuilder
from shared.events import messaging
from shared.failpoints import FailpointError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from svcs import Container

from .neighbours import Neighbours, person
from .office import MONDAY_NOON, Office


async def test_everybody_ends_in_exactly_one_count(office: Office) -> None:
    own = await office.add_number(e164="+16175550000")
    office.neighbours.phone_states = {
        "+15185550001": {"is_opted_out": True},
        "+15185550002": {"line_type": "landline"},
        "+15185550003": {"last_texted_at": (MONDAY_NOON - timedelta(days=3)).isoformat()},
        "+15185550004": {"has_conversation": True},
    }
    people = [
        *(person(n) for n in range(6)),
        person(6, phone="+16175550000"),
        person(7, phone=None),
        person(8, phone="+15185550000"),
        person(9, first_name=None),
        person(10, phone="+1518"),
    ]
    campaign = await office.draft(number_ids=[own])
    built = await office.build(campaign["id"], people, missing_value="skip")
    assert (built["status"], built["read"], built["total"]) == ("ready", 11, 11)
    assert {reason: n for reason, n in built["exclusions"].items() if n} == {
        "opted_out": 1,
        "no_mobile": 2,
        "texted_recently": 1,
        "earlier_conversation": 1,
        "office_number": 1,
        "duplicate_phone": 1,
        "missing_value": 1,
        "invalid_phone": 1,
    }
    assert {status: n for status, n in built["counts"].items() if n} == {"excluded": 9, "waiting": 2}
    assert (built["segments"], built["cost"]) == (2, "0.10")


async def test_recipients_can_be_paged_filtered_and_previewed(office: Office) -> None:
    campaign = await office.draft(
        variants=[{"message": "Hello {first_name}"}, {"message": "Hi {first_name}, long time no see"}]
    )
    office.neighbours.phone_states = {"+15185550001": {"has_conversation": True}}
    await office.build(campaign["id"], [person(n) for n in range(7)])
    url, seen, cursor = f"/api/v1/campaigns/{campaign['id']}/recipients", [], None
    while True:
        page = (await office.client.get(url, params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["contact_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [person(n)["contact_id"] for n in range(7)]
    review = (await office.client.get(url, params={"status": "excluded", "reason": "earlier_conversation"})).json()
    assert [item["contact_id"] for item in review["items"]] == [person(1)["contact_id"]]
    preview = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/preview")).json()
    longest = [len(item["text"]) for item in preview["longest"]]
    assert longest == sorted(longest, reverse=True)
    assert all("{" not in item["text"] for item in preview["random"])


async def test_a_second_build_assigns_everybody_to_the_same_arm(office: Office) -> None:
    campaign = await office.draft(variants=[{"message": "A"}, {"message": "B"}])
    url = f"/api/v1/campaigns/{campaign['id']}/recipients"
    arms = []
    for size in (20, 25):
        await office.build(campaign["id"], [person(n) for n in range(size)])
        items = (await office.client.get(url, params={"limit": 200})).json()["items"]
        arms.append({item["contact_id"]: item["variant"] for item in items})
    assert arms[0] == {contact: arms[1][contact] for contact in arms[0]}
    assert set(arms[0].values()) == {"A", "B"}


async def test_excluded_lists_are_left_out(office: Office) -> None:
    campaign = await office.draft()
    without = office.neighbours.add_list([person(0), person(1)])
    built = await office.build(campaign["id"], [person(n) for n in range(3)], exclude_lists=[without])
    assert built["total"] == 1


async def test_a_build_that_dies_half_way_is_begun_again_and_never_launched_half(
    office: Office, neighbours: Neighbours, registry
) -> None:
    campaign = await office.draft(number_ids=[await office.add_number()])

    def die_at_the_last_chunk(phones: list[str]) -> None:
        if "+15185550004" in phones:
            raise FailpointError("the builder's process is gone")

    neighbours.before_states = die_at_the_last_chunk
    wanted = {"lists": [neighbours.add_list([person(n) for n in range(6)])]}
    await office.client.post(f"/api/v1/campaigns/{campaign['id']}/audience", json=wanted)
    async with Container(registry) as container:
        clients = await container.aget(ContactsClient, MessagingClient)
        builder = AudienceBuilder(office.begin, *clients, chunk=2)
        with pytest.raises(FailpointError):
            await builder.run_once()
        half = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/audience")).json()
        assert (half["status"], half["counts"]["waiting"], half["read"]) == ("building", 4, 4)
        assert (await office.launch(campaign["id"])).json()["code"] == "audience_not_ready"
        assert await builder.run_once() == 0, "the dead builder's lease still holds"

        neighbours.before_states = lambda _: None
        await expire_leases(office)
        assert await builder.run_once() == 1
    whole = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/audience")).json()
    assert (whole["status"], whole["read"], whole["counts"]["waiting"]) == ("ready", 6, 6)


async def expire_leases(office: Office) -> None:
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        for audience in (await session.execute(select(Audience))).scalars():
            audience.leased_until = None


async def test_lists_that_do_not_exist_fail_the_build_with_a_sentence(office: Office) -> None:
    campaign = await office.draft()
    wanted = {"lists": [str(UUID(int=1))]}
    await office.client.post(f"/api/v1/campaigns/{campaign['id']}/audience", json=wanted)
    await office.worker.run_until_idle()
    failed = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/audience")).json()
    assert (failed["status"], failed["error"], failed["read"]) == ("failed", "There is no such list.", 0)


async def test_an_opt_out_that_is_known_here_counts_before_messaging_tells_of_it(
    office: Office, neighbours: Neighbours
) -> None:
    campaign = await office.draft()
    await office.bus.publish_event(opt_out("+15185550000"))
    await office.worker.run_until_idle()
    neighbours.phone_states = {"+15185550000": {"is_opted_out": False}}
    built = await office.build(campaign["id"], [person(0), person(1)])
    assert (built["counts"]["waiting"], built["exclusions"]["opted_out"]) == (1, 1)


def opt_out(phone: str, **changes: object) -> messaging.OptOutRecorded:
    values: dict = {"version": 1, "source": "sms", "occurred_at": MONDAY_NOON + timedelta(minutes=1), **changes}
    return messaging.OptOutRecorded(phone=phone, **values)


async def test_an_opt_out_reaches_a_draft_and_its_restoration_only_later_audiences(office: Office) -> None:
    campaign = await office.draft()
    await office.build(campaign["id"], [person(0), person(1)])
    await office.bus.publish_event(opt_out("+15185550000"))
    await office.worker.run_until_idle()
    audience = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/audience")).json()
    assert (audience["counts"]["waiting"], audience["counts"]["opted_out"]) == (1, 1)
    restored = messaging.OptInRecorded(
        phone="+15185550000", version=2, source="sms", occurred_at=MONDAY_NOON + timedelta(minutes=2)
    )
    await office.bus.publish_event(restored)
    # The older fact arrives again, late: the newer one stands.
    await office.bus.publish_event(opt_out("+15185550000"))
    await office.worker.run_until_idle()
    rebuilt = await office.build(campaign["id"], [person(0), person(1)])
    assert rebuilt["counts"]["waiting"] == 2


async def test_new_wordings_make_the_audience_stale(office: Office) -> None:
    campaign = await office.draft(number_ids=[await office.add_number()])
    await office.build(campaign["id"], [person(0)])
    url = f"/api/v1/campaigns/{campaign['id']}"
    await office.client.patch(url, json={"message": "Other"}, headers={"If-Match": '"1"'})
    answer = await office.launch(campaign["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "audience_not_ready")


async def test_the_simulation_spreads_the_campaign_over_days(office: Office) -> None:
    numbers = [await office.add_number(daily_cap=4), await office.add_number(daily_cap=4)]
    campaign = await office.draft(number_ids=numbers)
    await office.build(campaign["id"], [person(n) for n in range(20)])
    found = (await office.client.get(f"/api/v1/campaigns/{campaign['id']}/simulation")).json()
    assert found["days"] == [
        {"on": "2026-11-23", "texts": 8},
        {"on": "2026-11-24", "texts": 8},
        {"on": "2026-11-25", "texts": 4},
    ]
    assert (found["recipients"], found["left_over"], found["cost"]) == (20, 0, "1.00")
