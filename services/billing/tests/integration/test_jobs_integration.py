"""Jobs and their visits."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from dirty_equals import IsPartialDict, IsStr

from .office import Office
from .work import (
    CALENDARS,
    COMPLETED,
    JOBS,
    SCHEDULED,
    a_job,
    a_property,
    a_visit,
    about,
    act,
    ana,
    answered,
    at,
    edit,
    found,
    merge,
    move_visit,
    shown,
)

# Jobs


async def test_a_job_is_for_a_contact_and_takes_place_at_their_address(office: Office) -> None:
    contact = await ana(office)
    answer = await office.api.post(JOBS, json={"title": " North wall ", "contact_id": str(contact), "notes": "Dog"})
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert (answer.headers["location"], answer.headers["etag"]) == (f"{JOBS}/{job['id']}", '"1"')
    assert job == IsPartialDict(
        title="North wall",
        contact_id=str(contact),
        contact_name="Ana Lima",
        property_id=None,
        place="12 Elm Street, Quincy, MA, 02169",
        notes="Dog",
        status="open",
        visits=[],
        created_at=about(),
    )
    again = await office.api.get(f"{JOBS}/{job['id']}")
    assert (again.json(), again.headers["etag"]) == (job, '"1"')
    assert await office.published() == []


async def test_a_jobs_place_is_the_propertys_address_unless_another_is_given(office: Office) -> None:
    contact, oak = await ana(office), await a_property(office)
    job = await a_job(office, contact, property_id=str(oak))
    assert (job["property_id"], job["place"]) == (str(oak), "7 Oak Road, Quincy, MA, 02169")
    assert (await a_job(office, contact, property_id=str(oak), place="Rear gate"))["place"] == "Rear gate"
    nowhere = await office.knows(first_name="Bo")
    assert (await a_job(office, nowhere))["place"] is None


async def test_a_job_for_somebody_unknown_is_refused_in_words(office: Office) -> None:
    body = {"title": "Wall", "contact_id": str(uuid4())}
    problem = await answered(office, "POST", JOBS, 404, json=body)
    assert (problem["code"], problem["detail"]) == ("not_found", "There is no such contact.")
    body["contact_id"] = str(await ana(office, is_active=False))
    problem = await answered(office, "POST", JOBS, 409, json=body)
    assert (problem["code"], problem["detail"]) == ("contact_inactive", IsStr(regex=".*archived.*"))
    body |= {"contact_id": str(await ana(office)), "property_id": str(uuid4())}
    problem = await answered(office, "POST", JOBS, 404, json=body)
    assert problem["detail"] == "There is no such property."


async def test_after_a_merge_the_job_is_the_primarys(office: Office) -> None:
    primary, secondary = await ana(office), await ana(office, last_name="Limas")
    before = await a_job(office, secondary, title="Before")
    await merge(office, secondary, primary)
    after = await a_job(office, secondary, title="After")
    assert after["contact_id"] == str(primary)
    assert await shown(office, before) == IsPartialDict(contact_id=str(primary), contact_name="Ana Lima")
    for one in (primary, secondary):
        assert await found(office, contact_id=str(one)) == {"Before", "After"}


async def test_a_job_is_edited_against_the_version_that_was_read(office: Office) -> None:
    job = await a_job(office, notes="Dog")
    path = f"{JOBS}/{job['id']}"
    await answered(office, "PATCH", path, 428, json={"title": "South wall"})
    edited = await edit(office, job, title="South wall", notes=None)
    assert edited == IsPartialDict(title="South wall", notes=None, version=2, place=job["place"])
    stale = await edit(office, job, 412, title="East wall")
    assert (stale["your_version"], stale["current_version"]) == (1, 2)
    assert (await edit(office, edited, title="South wall"))["version"] == 2
    await edit(office, edited, 422, titel="East wall")


async def test_a_job_that_moves_to_another_property_takes_its_address_along(office: Office) -> None:
    job = await edit(office, await a_job(office), property_id=str(await a_property(office)))
    assert job["place"] == "7 Oak Road, Quincy, MA, 02169"
    job = await edit(office, job, place="Rear gate")
    assert (await edit(office, job, place=None))["place"] == "7 Oak Road, Quincy, MA, 02169"
    job = await edit(office, await shown(office, job), property_id=None)
    assert (job["property_id"], job["place"]) == (None, "12 Elm Street, Quincy, MA, 02169")
    await edit(office, job, 404, property_id=str(uuid4()))


async def test_a_scheduled_job_that_was_somebody_elses_is_told_again(office: Office) -> None:
    job = await a_job(office)
    await a_visit(office, job, at(days=1))
    bo = await office.knows(first_name="Bo")
    edited = await edit(office, await shown(office, job), contact_id=str(bo))
    assert edited == IsPartialDict(contact_name="Bo", place=None, version=3)
    *_, told = await office.published(SCHEDULED)
    assert told == IsPartialDict(contact_id=str(bo), version=3, starts_at=at(days=1))
    await edit(office, edited, 404, contact_id=str(uuid4()))


# Visits


async def test_the_first_visit_schedules_a_job_and_the_last_one_called_off_opens_it_again(office: Office) -> None:
    job = await a_job(office)
    first = await a_visit(office, job, at(days=2), assignee="Marco", notes="Long hose")
    assert first == IsPartialDict(
        kind="repair",
        starts_at=at(days=2),
        ends_at=at(days=2, minutes=90),
        minutes=90,
        assignee="Marco",
        notes="Long hose",
        is_cancelled=False,
        version=1,
    )
    second = await a_visit(office, job, at(days=1), kind="inspection")
    assert await shown(office, job) == IsPartialDict(status="scheduled", version=3, visits=[second, first])
    cancelled = await act(office, job, f"visits/{first['id']}/cancel")
    assert cancelled == IsPartialDict(is_cancelled=True, version=2)
    assert (await shown(office, job))["status"] == "scheduled"
    await act(office, job, f"visits/{second['id']}/cancel")
    job = await shown(office, job)
    assert (job["status"], [visit["is_cancelled"] for visit in job["visits"]]) == ("open", [True, True])
    # Calling it off again changes nothing.
    assert await act(office, job, f"visits/{first['id']}/cancel") == cancelled
    assert (await shown(office, job))["version"] == job["version"]


async def test_others_are_told_the_next_visit_when_one_is_set_or_moved(office: Office) -> None:
    contact, oak = await ana(office), await a_property(office)
    job = await a_job(office, contact, property_id=str(oak))
    first = await a_visit(office, job, at(days=2))
    second = await a_visit(office, job, at(days=4), kind="callback")
    assert await office.published(SCHEDULED) == [
        {
            "type": SCHEDULED,
            "job_id": job["id"],
            "version": version,
            "property_id": str(oak),
            "contact_id": str(contact),
            "title": "North wall",
            "starts_at": at(days=2),
            "kind": "repair",
            "occurred_at": about(),
        }
        for version in (2, 3)
    ]
    await move_visit(office, second, starts_at=at(days=1))
    # What a technician reads only is no move.
    noted = await move_visit(office, first, notes="Gate code 12", assignee="Marco")
    told = await office.published(SCHEDULED)
    assert [(event["version"], event["starts_at"], event["kind"]) for event in told[2:]] == [
        (4, at(days=1), "callback")
    ]
    # The next one was called off: the one after it is the next.
    await act(office, job, f"visits/{second['id']}/cancel")
    await move_visit(office, noted, kind="assessment")
    told = await office.published(SCHEDULED)
    assert [(event["version"], event["starts_at"], event["kind"]) for event in told[3:]] == [
        (6, at(days=2), "repair"),
        (7, at(days=2), "assessment"),
    ]


async def test_a_visit_is_next_until_it_is_over(office: Office) -> None:
    job = await a_job(office)
    await a_visit(office, job, at(minutes=-60))
    await a_visit(office, job, at(days=1))
    told = await office.published(SCHEDULED)
    assert [event["starts_at"] for event in told] == [at(minutes=-60), at(minutes=-60)]
    await office.advance(timedelta(minutes=30))
    await a_visit(office, job, at(days=2))
    *_, event = await office.published(SCHEDULED)
    assert event["starts_at"] == at(days=1)


async def test_a_visit_that_was_made_long_ago_can_be_written_down_and_is_not_announced(office: Office) -> None:
    job = await a_job(office)
    await a_visit(office, job, at(days=-3), kind="assessment")
    assert (await shown(office, job))["status"] == "scheduled"
    assert await office.published() == []


async def test_a_visit_is_moved_against_the_version_that_was_read(office: Office) -> None:
    job = await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    path = f"{JOBS}/{job['id']}/visits/{visit['id']}"
    await answered(office, "PATCH", path, 428, json={"minutes": 30})
    answer = await office.api.patch(path, json={"minutes": 30}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    stale = await move_visit(office, visit, 412, minutes=45)
    assert (stale["your_version"], stale["current_version"]) == (1, 2)
    assert (await shown(office, job))["version"] == 3
    emptied = await move_visit(office, answer.json(), assignee=None, kind=None, minutes=30)
    assert (emptied["version"], emptied["kind"]) == (2, "repair")


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": 4},
        {"minutes": 1441},
        {"minutes": "90"},
        {"kind": "party"},
        {"starts_at": "2031-03-06T10:00:00"},
        {"starts_at": 1},
        {"assignee": ""},
    ],
)
async def test_a_malformed_visit_is_refused(office: Office, wrong: dict[str, Any]) -> None:
    job = await a_job(office)
    body = {"kind": "repair", "starts_at": at(days=1), "minutes": 90, **wrong}
    await answered(office, "POST", f"{JOBS}/{job['id']}/visits", 422, json=body)


async def test_visits_belong_to_their_job(office: Office) -> None:
    contact = await ana(office)
    one, other = await a_job(office, contact), await a_job(office, contact)
    visit = await a_visit(office, one, at(days=1))
    await move_visit(office, {**visit, "job_id": other["id"]}, 404, minutes=30)
    await act(office, other, f"visits/{visit['id']}/cancel", 404)
    await act(office, {"id": uuid4()}, f"visits/{visit['id']}/cancel", 404)
    await answered(office, "GET", f"{JOBS}/{uuid4()}", 404)


async def test_a_visit_called_off_stays_so(office: Office) -> None:
    job = await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    cancelled = await act(office, job, f"visits/{visit['id']}/cancel")
    problem = await move_visit(office, cancelled, 409, starts_at=at(days=2))
    assert (problem["code"], problem["detail"]) == ("visit_cancelled", IsStr(regex=".*Set another one.*"))


async def test_visits_set_at_once_are_all_counted(office: Office) -> None:
    job = await a_job(office)
    await asyncio.gather(*(a_visit(office, job, at(days=day)) for day in range(1, 7)))
    job = await shown(office, job)
    assert (job["status"], job["version"], len(job["visits"])) == ("scheduled", 7, 6)
    told = await office.published(SCHEDULED)
    assert sorted(event["version"] for event in told) == [2, 3, 4, 5, 6, 7]


# The end of a job


async def test_a_completed_job_names_its_last_visit_and_calls_off_what_lay_ahead(office: Office) -> None:
    job = await a_job(office)
    await a_visit(office, job, at(days=-2), kind="assessment")
    await a_visit(office, job, at(minutes=-30))
    ahead = await a_visit(office, job, at(days=1))
    completed = await act(office, job, "complete")
    assert (completed["status"], completed["status_at"]) == ("completed", about())
    assert [visit["is_cancelled"] for visit in completed["visits"]] == [False, False, True]
    (told,) = await office.published(COMPLETED)
    assert told == IsPartialDict(
        version=completed["version"], starts_at=at(minutes=-30), kind="repair", title="North wall", occurred_at=about()
    )
    assert (await act(office, job, "complete", 409))["code"] == "invalid_transition"
    past = completed["visits"][0]
    assert (await move_visit(office, past, 409, minutes=30))["code"] == "job_closed"
    assert (await act(office, job, f"visits/{past['id']}/cancel", 409))["code"] == "job_closed"
    assert await act(office, job, f"visits/{ahead['id']}/cancel") == IsPartialDict(is_cancelled=True, version=2)


async def test_a_job_without_a_visit_can_be_completed_and_opened_again(office: Office) -> None:
    job = await a_job(office)
    await act(office, job, "complete")
    (told,) = await office.published(COMPLETED)
    assert (told["starts_at"], told["kind"]) == (None, None)
    assert (await act(office, job, "reopen"))["status"] == "open"


async def test_a_callback_schedules_a_completed_job_again(office: Office) -> None:
    job = await a_job(office)
    await a_visit(office, job, at(days=-2))
    await act(office, job, "complete")
    await a_visit(office, job, at(days=9), kind="callback")
    assert (await shown(office, job))["status"] == "scheduled"
    (told,) = await office.published(SCHEDULED)
    assert (told["starts_at"], told["kind"]) == (at(days=9), "callback")


async def test_a_completed_job_that_is_opened_again_is_scheduled_as_it_was(office: Office) -> None:
    job = await a_job(office)
    visit = await a_visit(office, job, at(days=-2))
    await act(office, job, "complete")
    assert (await act(office, job, "reopen"))["status"] == "scheduled"
    await act(office, job, f"visits/{visit['id']}/cancel")
    assert (await shown(office, job))["status"] == "open"
    assert (await act(office, job, "reopen", 409))["code"] == "invalid_transition"


async def test_a_completed_job_that_was_somebody_elses_is_told_again(office: Office) -> None:
    job = await a_job(office)
    await act(office, job, "complete")
    bo = await office.knows(first_name="Bo")
    await edit(office, await shown(office, job), contact_id=str(bo))
    *_, told = await office.published(COMPLETED)
    assert (told["contact_id"], told["version"]) == (str(bo), 3)


async def test_a_cancelled_job_calls_off_its_visits_and_takes_no_more(office: Office) -> None:
    job = await a_job(office)
    visit = await a_visit(office, job, at(days=1))
    cancelled = await act(office, job, "cancel")
    assert (cancelled["status"], cancelled["visits"][0]["is_cancelled"]) == ("cancelled", True)
    body = {"kind": "repair", "starts_at": at(days=2), "minutes": 60}
    problem = await answered(office, "POST", f"{JOBS}/{job['id']}/visits", 409, json=body)
    assert (problem["code"], problem["detail"]) == ("job_closed", IsStr(regex=".*Reopen it first.*"))
    assert (await act(office, job, "complete", 409))["code"] == "invalid_transition"
    reopened = await act(office, job, "reopen")
    assert (reopened["status"], reopened["visits"][0]["is_cancelled"]) == ("open", True)
    assert visit["id"] == reopened["visits"][0]["id"]


# Lists


async def test_jobs_are_listed_newest_first_with_their_visits(office: Office) -> None:
    contact = await ana(office)
    one = await a_job(office, contact, title="One")
    await a_visit(office, one, at(days=1))
    two = await a_job(office, contact, title="Two")
    first = await answered(office, "GET", JOBS, params={"limit": 1})
    assert (first["total"], first["items"]) == (2, [two])
    rest = await answered(office, "GET", JOBS, params={"limit": 1, "cursor": first["next_cursor"]})
    assert (rest["items"], rest["next_cursor"]) == ([await shown(office, one)], None)
    await answered(office, "GET", JOBS, 422, params={"status": "open", "cursor": first["next_cursor"]})


async def test_jobs_are_found_by_state_contact_and_days(office: Office) -> None:
    contact = await ana(office)
    await a_job(office, contact, title="Open")
    soon = await a_job(office, contact, title="Soon")
    await a_visit(office, soon, at(days=1))
    called_off = await a_visit(office, soon, at(days=9))
    await act(office, soon, f"visits/{called_off['id']}/cancel")
    later = await a_job(office, await office.knows(first_name="Bo"), title="Later")
    await a_visit(office, later, at(days=8))
    assert await found(office, status="scheduled") == {"Soon", "Later"}
    assert await found(office, contact_id=str(contact)) == {"Open", "Soon"}
    assert await found(office, contact_id=str(uuid4())) == set()
    assert await found(office, **{"from": at(days=1), "to": at(days=8)}) == {"Soon"}
    assert await found(office, **{"from": at(days=8)}) == {"Later"}
    assert await found(office, to=at(days=30), status="scheduled") == {"Soon", "Later"}


async def test_jobs_need_their_permissions(office: Office) -> None:
    job = await a_job(office)
    office.api.headers.pop("Authorization")
    for method, path in (("GET", JOBS), ("POST", JOBS), ("POST", f"{JOBS}/{job['id']}/complete"), ("GET", CALENDARS)):
        assert (await office.api.request(method, path, json={})).status_code == 401
