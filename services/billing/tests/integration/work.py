"""Jobs and visits, as the office sets them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from billing.services.people import PeopleService
from dirty_equals import IsDatetime
from shared.events.contacts import AddressItem, ContactMerged, PropertyChanged, PropertyItem

from .conftest import NOON
from .office import Office

JOBS = "/api/v1/jobs"
CALENDARS = "/api/v1/calendars"
SCHEDULED = "billing.job.scheduled.v1"
COMPLETED = "billing.job.completed.v1"
ELM = {"street": "12 Elm Street", "city": "Quincy", "state": "MA", "zip": "02169"}


def at(**later: float) -> str:
    """An instant after the noon at which the office stands."""
    return as_written(NOON + timedelta(**later))


def about(*, iso_string: bool = True, **later: float) -> Any:
    """Shortly after such an instant: the clock goes on."""
    return IsDatetime(approx=NOON + timedelta(**later, seconds=30), delta=30, iso_string=iso_string)


def as_written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def ana(office: Office, **more: Any) -> UUID:
    person = {"first_name": "Ana", "last_name": "Lima", "phones": ["+16175550100"], "address": ELM}
    return await office.knows(**{**person, **more})


async def a_property(office: Office, street: str = "7 Oak Road") -> UUID:
    item = PropertyItem(property_id=uuid4(), version=1, address=AddressItem(**{**ELM, "street": street}))
    async with office.begin() as tx:
        await (await tx.aget(PeopleService)).record_properties([PropertyChanged(properties=[item])])
    return item.property_id


async def merge(office: Office, secondary: UUID, primary: UUID) -> None:
    merged = ContactMerged(primary_id=primary, secondary_id=secondary, version=9)
    async with office.begin() as tx:
        await (await tx.aget(PeopleService)).record_merge(merged)


async def answered(office: Office, method: str, path: str, status: int = 200, **more: Any) -> dict[str, Any]:
    answer = await office.api.request(method, path, **more)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def a_job(office: Office, contact: UUID | None = None, **more: Any) -> dict[str, Any]:
    body = {"title": "North wall", "contact_id": str(contact or await ana(office)), **more}
    return await answered(office, "POST", JOBS, 201, json=body)


async def a_visit(office: Office, job: dict[str, Any], starts_at: str, **more: Any) -> dict[str, Any]:
    body = {"kind": "repair", "starts_at": starts_at, "minutes": 90, **more}
    return await answered(office, "POST", f"{JOBS}/{job['id']}/visits", 201, json=body)


async def move_visit(office: Office, visit: dict[str, Any], status: int = 200, **changes: Any) -> dict[str, Any]:
    path = f"{JOBS}/{visit['job_id']}/visits/{visit['id']}"
    return await answered(office, "PATCH", path, status, json=changes, headers={"If-Match": f'"{visit["version"]}"'})


async def act(office: Office, job: dict[str, Any], verb: str, status: int = 200) -> dict[str, Any]:
    return await answered(office, "POST", f"{JOBS}/{job['id']}/{verb}", status)


async def edit(office: Office, job: dict[str, Any], status: int = 200, **changes: Any) -> dict[str, Any]:
    headers = {"If-Match": f'"{job["version"]}"'}
    return await answered(office, "PATCH", f"{JOBS}/{job['id']}", status, json=changes, headers=headers)


async def shown(office: Office, job: dict[str, Any]) -> dict[str, Any]:
    return await answered(office, "GET", f"{JOBS}/{job['id']}")


async def found(office: Office, **filters: str) -> set[str]:
    """Titles of the jobs listed."""
    return {item["title"] for item in (await answered(office, "GET", JOBS, params=filters))["items"]}
