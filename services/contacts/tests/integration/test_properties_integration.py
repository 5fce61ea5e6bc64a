"""Properties through the API: create, edit, find, and say whose they are."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from shared.ids import uuid7
from shared.testing.plugin import ClientAs
from shared.testing.streams import TestBus
from shared.worker import Worker

PROPERTIES = "/api/v1/properties"
HOUSE = {"street": "1 Elm Street", "city": "Quincy", "zip": "02169", "square_feet": 1500, "baths": "2.5"}


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PROPERTIES, json={**HOUSE, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def person(client: httpx.AsyncClient, name: str) -> str:
    return (await client.post("/api/v1/contacts", json={"first_name": name})).json()["id"]  # type: ignore[no-any-return]


async def test_a_property_is_created_found_and_published(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus
) -> None:
    made = await create(client, apn="A-1", estimated_value_cents=45_000_000)
    assert (made["square_feet"], made["baths"], made["owners"]) == (1500, "2.50", [])
    got = await client.get(f"{PROPERTIES}/{made['id']}")
    assert (got.json(), got.headers["etag"]) == (made, '"1"')
    assert [item["id"] for item in (await client.get(PROPERTIES, params={"q": "elm 1"})).json()["items"]] == [
        made["id"]
    ]
    await worker.run_until_idle()
    [event] = await bus.envelopes("contacts.property.changed.v1")
    assert (event.data["properties"][0]["apn"], event.data["properties"][0]["version"]) == ("A-1", 1)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        ({}, "body"),
        ({"street": "1 Elm St"}, "body"),
        ({**HOUSE, "year_built": 20240}, "body.year_built"),
        ({**HOUSE, "square_feet": "1500"}, "body.square_feet"),
        ({**HOUSE, "latitude": 91}, "body.latitude"),
        ({**HOUSE, "estimated_value_cents": 10**16}, "body.estimated_value_cents"),
        ({**HOUSE, "colour": "red"}, "body.colour"),
        ({**HOUSE, "city": "x" * 301}, "body.city"),
    ],
)
async def test_a_malformed_property_names_the_field(client: httpx.AsyncClient, draft: Any, field: str) -> None:
    answer = await client.post(PROPERTIES, json=draft)
    assert answer.status_code == 422
    assert any(problem["field"].startswith(field) for problem in answer.json()["errors"])


async def test_a_house_is_stored_once(client: httpx.AsyncClient) -> None:
    first = await create(client, apn="A-1")
    for same in ({**HOUSE, "apn": "A-1"}, {"street": "1 ELM ST", "zip": "02169"}):
        again = await client.post(PROPERTIES, json=same)
        assert (again.status_code, again.json()["code"]) == (409, "property_exists")
        assert again.json()["property_id"] == first["id"]
    await create(client, apn="A-2")  # Another flat at the same address.


async def test_an_edit_needs_the_version_and_changes_only_what_it_gives(client: httpx.AsyncClient) -> None:
    made = await create(client)
    url = f"{PROPERTIES}/{made['id']}"
    assert (await client.patch(url, json={"city": "Boston"})).status_code == 428
    edited = await client.patch(url, json={"city": "Boston", "square_feet": None}, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.headers["etag"]) == (200, '"2"')
    assert (edited.json()["city"], edited.json()["square_feet"], edited.json()["street"]) == (
        "Boston",
        None,
        "1 Elm Street",
    )
    assert (await client.patch(url, json={"city": "X"}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.get(PROPERTIES, params={"q": "boston"})).json()["total"] == 1
    nameless = await client.patch(url, json={"street": None}, headers={"If-Match": '"2"'})
    assert (nameless.status_code, nameless.json()["errors"][0]["field"]) == (422, "body.apn")
    assert (await client.patch(f"{PROPERTIES}/{uuid7()}", json={}, headers={"If-Match": '"1"'})).status_code == 404


async def test_contacts_are_linked_with_their_roles(client: httpx.AsyncClient, worker: Worker, bus: TestBus) -> None:
    made, ann, bob = await create(client), await person(client, "Ann"), await person(client, "Bob")
    url = f"{PROPERTIES}/{made['id']}/contacts"
    await client.put(f"{url}/{ann}", json={"role": "owner", "share": "50", "is_primary": True})
    linked = await client.put(f"{url}/{bob}", json={"role": "tenant", "is_primary": True})
    assert (linked.status_code, linked.headers["etag"]) == (200, '"3"')
    assert [(o["first_name"], o["role"], o["share"], o["is_primary"]) for o in linked.json()["owners"]] == [
        ("Bob", "tenant", None, True),
        ("Ann", "owner", "50.0000", False),
    ]
    [link] = (await client.get(f"/api/v1/contacts/{ann}")).json()["properties"]
    assert (link["property_id"], link["role"]) == (made["id"], "owner")
    unlinked = await client.delete(f"{url}/{bob}")
    assert [owner["first_name"] for owner in unlinked.json()["owners"]] == ["Ann"]
    assert (await client.delete(f"{url}/{bob}")).status_code == 404
    await worker.run_until_idle()
    events = await bus.envelopes("contacts.property.changed.v1")
    assert [UUID(owner["contact_id"]) for owner in events[-1].data["properties"][0]["owners"]] == [UUID(ann)]


async def test_who_is_unknown_or_merged_cannot_be_linked(client: httpx.AsyncClient) -> None:
    made, ann, bob = await create(client), await person(client, "Ann"), await person(client, "Bob")
    await client.post(f"/api/v1/contacts/{ann}/merge", json={"secondary_id": bob})
    url = f"{PROPERTIES}/{made['id']}/contacts"
    merged = await client.put(f"{url}/{bob}", json={})
    assert (merged.status_code, merged.json()["code"]) == (409, "contact_merged")
    assert (await client.put(f"{url}/{uuid7()}", json={})).status_code == 404
    assert (await client.put(f"{PROPERTIES}/{uuid7()}/contacts/{ann}", json={})).status_code == 404


async def test_readers_change_no_property(client_as: ClientAs) -> None:
    reader = client_as(["contacts:read"])
    assert (await reader.post(PROPERTIES, json=HOUSE)).status_code == 403
