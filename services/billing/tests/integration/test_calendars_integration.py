"""The calendars that show visits, at secret addresses."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

from billing.models import CalendarFeed
from billing.services.people import PeopleService
from dirty_equals import IsPartialDict
from icalendar import Calendar
from shared.events.contacts import ContactErased
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import NOON
from .office import Office
from .work import CALENDARS, a_job, a_visit, about, act, ana, answered, at, edit, merge, move_visit, shown


async def a_calendar(office: Office, name: str = "Crew") -> dict[str, Any]:
    return await answered(office, "POST", CALENDARS, 201, json={"name": name})


async def feed(office: Office, calendar: dict[str, Any]) -> dict[str, Any]:
    """The calendar's events by the id of their visit, read by somebody who is not signed in."""
    office.api.headers.pop("Authorization", None)
    answer = await office.api.get(calendar["url"])
    assert answer.status_code == 200, answer.text
    return {str(event["UID"]).split("@")[0]: event for event in Calendar.from_ical(answer.text).walk("VEVENT")}


async def test_a_calendars_address_is_shown_once_and_only_its_hash_is_kept(office: Office) -> None:
    calendar = await a_calendar(office)
    base, _, token = calendar["url"].removesuffix(".ics").rpartition("/")
    assert base == f"{str(office.api.base_url).rstrip('/')}/public/calendars"
    assert len(token) >= 43
    listed = await answered(office, "GET", CALENDARS)
    assert (listed["total"], listed["items"]) == (1, [{k: v for k, v in calendar.items() if k != "url"}])
    row = await office.one(CalendarFeed)
    assert token not in (row.token_hash, row.name)


async def test_a_feed_tells_a_technician_what_they_need(office: Office) -> None:
    contact = await ana(office, phones=["+16175550100", "+16175550101"], emails=["ana@example.com"])
    job = await a_job(office, contact, notes="Dog, in the yard; bites")
    visit = await a_visit(office, job, at(days=1), assignee="Marco", notes="Long hose")
    answer = await office.api.get((await a_calendar(office))["url"], headers={"Authorization": ""})
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "private, max-age=300"
    (event,) = Calendar.from_ical(answer.text).walk("VEVENT")
    assert (str(event["SUMMARY"]), str(event["LOCATION"])) == ("Repair: Ana Lima", "12 Elm Street, Quincy, MA, 02169")
    assert str(event["DESCRIPTION"]).split("\n") == [
        "North wall",
        "With: Marco",
        "Long hose",
        "Dog, in the yard; bites",
        "Phone: +16175550100",
    ]
    assert (event["SEQUENCE"], event["STATUS"]) == (visit["version"], "CONFIRMED")
    assert event.decoded("DTSTART") == NOON + timedelta(days=1)
    assert "+16175550101" not in answer.text
    assert "ana@example.com" not in answer.text


async def test_a_visit_that_is_moved_or_called_off_is_known_again(office: Office) -> None:
    calendar, job = await a_calendar(office), await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    await office.advance(timedelta(hours=1))
    moved = await move_visit(office, visit, starts_at=at(days=2))
    token = office.api.headers["Authorization"]
    event = (await feed(office, calendar))[visit["id"]]
    assert (event["SEQUENCE"], event.decoded("DTSTART")) == (2, NOON + timedelta(days=2))
    assert event.decoded("LAST-MODIFIED") == about(hours=1, iso_string=False)
    office.api.headers["Authorization"] = token
    await office.advance(timedelta(hours=1))
    await act(office, job, f"visits/{moved['id']}/cancel")
    event = (await feed(office, calendar))[visit["id"]]
    assert (event["SEQUENCE"], event["STATUS"]) == (3, "CANCELLED")
    assert event.decoded("LAST-MODIFIED") == about(hours=2, iso_string=False)


async def test_a_change_of_the_job_is_a_change_of_its_visits_text(office: Office) -> None:
    calendar, job = await a_calendar(office), await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    await office.advance(timedelta(hours=1))
    await edit(office, await shown(office, job), place="Rear gate")
    event = (await feed(office, calendar))[visit["id"]]
    assert (str(event["LOCATION"]), event.decoded("DTSTAMP")) == ("Rear gate", about(hours=1, iso_string=False))


async def test_a_feed_reaches_from_90_days_back_to_400_days_ahead(office: Office) -> None:
    calendar, job = await a_calendar(office), await a_job(office)
    visits = {days: await a_visit(office, job, at(days=days)) for days in (-91, -89, 0, 399, 401)}
    assert set(await feed(office, calendar)) == {visits[days]["id"] for days in (-89, 0, 399)}


async def test_a_feed_has_the_names_of_now(office: Office) -> None:
    primary, secondary = await ana(office), await ana(office, first_name="A.")
    calendar = await a_calendar(office)
    job = await a_job(office, secondary, notes="Ask for Ana's brother")
    visit = await a_visit(office, job, at(days=1), notes="The key is under the mat")
    await merge(office, secondary, primary)
    await ana(office, contact_id=primary, last_name="Costa", version=2)
    office_token = office.api.headers["Authorization"]
    assert str((await feed(office, calendar))[visit["id"]]["SUMMARY"]) == "Repair: Ana Costa"
    office.api.headers["Authorization"] = office_token
    async with office.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_erasure(ContactErased(contact_id=primary, phone_hashes=[]))
    event = (await feed(office, calendar))[visit["id"]]
    assert str(event["SUMMARY"]) == "Repair: Erased"
    assert not {"mat", "brother", "Phone", "Ana"}.intersection(re.findall(r"\w+", str(event["DESCRIPTION"])))
    assert "LOCATION" not in event
    office.api.headers["Authorization"] = office_token
    assert await shown(office, job) == IsPartialDict(
        contact_name=None, contact_id=str(secondary), title="Erased", notes=None, place=None, property_id=None
    )


async def test_a_change_of_the_person_is_a_change_of_their_visits(office: Office) -> None:
    primary, secondary = await ana(office), await ana(office, first_name="A.")
    calendar = await a_calendar(office)
    visit = await a_visit(office, await a_job(office, secondary), at(days=1))

    async def moment() -> Any:
        event = (await feed(office, calendar))[visit["id"]]
        assert event["DTSTAMP"].dt == event["LAST-MODIFIED"].dt
        return event["LAST-MODIFIED"].dt

    first = await moment()
    await office.advance(timedelta(hours=1))
    await ana(office, contact_id=secondary, first_name="A.", phones=["+16175550109"], version=2)
    changed = await moment()
    await office.advance(timedelta(hours=1))
    await merge(office, secondary, primary)
    merged = await moment()
    await office.advance(timedelta(hours=1))
    assert first < changed < merged
    assert await moment() == merged


async def test_a_company_is_called_by_its_name(office: Office) -> None:
    calendar = await a_calendar(office)
    job = await a_job(office, await office.knows(company="Elm Condo Trust"))
    visit = await a_visit(office, job, at(days=1), kind="assessment")
    assert job["contact_name"] == "Elm Condo Trust"
    assert str((await feed(office, calendar))[visit["id"]]["SUMMARY"]) == "Assessment: Elm Condo Trust"


async def test_a_feed_that_did_not_change_is_not_sent_again(office: Office) -> None:
    calendar, job = await a_calendar(office), await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    first = await office.api.get(calendar["url"])
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        unchanged = await office.api.get(calendar["url"], headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    await move_visit(office, visit, notes="Gate code 12")
    changed = await office.api.get(calendar["url"], headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] == tag) == (200, False)


async def test_a_revoked_address_answers_as_an_unknown_one_does(office: Office) -> None:
    kept, lost = await a_calendar(office, "Kept"), await a_calendar(office, "Lost")
    revoked = await answered(office, "POST", f"{CALENDARS}/{lost['id']}/revoke")
    assert revoked["revoked_at"] == about()
    await office.advance(timedelta(hours=1))
    assert await answered(office, "POST", f"{CALENDARS}/{lost['id']}/revoke") == revoked
    await answered(office, "POST", f"{CALENDARS}/{uuid4()}/revoke", 404)
    unknown = await office.api.get("/public/calendars/nobody-has-this.ics")
    gone = await office.api.get(lost["url"])
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")
    for answer in (gone, unknown):
        assert answer.json() == IsPartialDict(code="not_found", detail="There is no calendar at this address.")
    assert await feed(office, kept) == {}


async def test_the_address_of_a_calendar_is_not_kept_among_repeatable_answers(office: Office) -> None:
    for _ in range(2):
        answer = await office.api.post(CALENDARS, json={"name": "Crew"}, headers={"Idempotency-Key": "one"})
        assert answer.status_code == 201
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        assert (await session.execute(text("SELECT count(*) FROM idempotency_key"))).scalar_one() == 0
    assert len(await office.rows(CalendarFeed)) == 2
