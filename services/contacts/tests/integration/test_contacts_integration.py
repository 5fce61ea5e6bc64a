"""Contacts through the API: create, edit, find, list, merge."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from contacts.services.contacts import ContactService
from shared.database import Begin
from shared.events.messaging import OptOutRecorded
from shared.ids import uuid7
from shared.testing.plugin import ClientAs
from shared.testing.streams import TestBus
from shared.worker import Worker

CONTACTS = "/api/v1/contacts"


async def create(client: httpx.AsyncClient, *phones: str, **fields: Any) -> dict[str, Any]:
    draft = {"phones": [{"phone": phone} for phone in phones], **fields}
    answer = await client.post(CONTACTS, json=draft)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def edit(client: httpx.AsyncClient, contact: dict[str, Any], **changes: Any) -> httpx.Response:
    match = {"If-Match": f'"{contact["version"]}"'}
    return await client.patch(f"{CONTACTS}/{contact['id']}", json=changes, headers=match)


async def names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    return [item["first_name"] for item in (await client.get(CONTACTS, params=params)).json()["items"]]


async def test_a_contact_is_created_found_and_published(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, begin: Begin
) -> None:
    made = await create(
        client,
        "(617) 555-0100",
        "617 555 0101",
        first_name=" Ann ",
        emails=["Ann@Example.com"],
        state="MA",
        tags=["VIP"],
    )
    assert made["first_name"] == "Ann"
    assert [(phone["e164"], phone["is_primary"]) for phone in made["phones"]] == [
        ("+16175550100", True),
        ("+16175550101", False),
    ]
    got = await client.get(f"{CONTACTS}/{made['id']}")
    assert (got.json(), got.headers["etag"]) == (made, '"1"')
    async with begin() as tx:
        found = await (await tx.aget(ContactService)).find_by_phone("+16175550101")
        assert found is not None
        assert found.id == UUID(made["id"])
    await worker.run_until_idle()
    [event] = await bus.envelopes("contacts.contact.changed.v1")
    [item] = event.data["contacts"]
    assert (item["contact_id"], item["zones"], item["region"], item["tags"]) == (
        made["id"],
        ["America/New_York"],
        "MA",
        ["vip"],
    )


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        ({}, "body"),
        ({"phones": [{"phone": "555-0100"}]}, "body.phones.0.phone"),
        ({"first_name": "x" * 301}, "body.first_name"),
        ({"first_name": "A", "emails": ["no mail"]}, "body.emails.0"),
        ({"first_name": "A", "colour": "red"}, "body.colour"),
        ({"first_name": "A", "custom_fields": {"Bad Key": "x"}}, "body.custom_fields.Bad Key"),
        ({"first_name": "A", "tags": [" "]}, "body.tags.0"),
        ({"first_name": "A", "custom_fields": {"size": 2**64}}, "body.custom_fields.size"),
        ({"first_name": "A", "custom_fields": {"size": 2**53 + 1}}, "body.custom_fields.size"),
    ],
)
async def test_a_malformed_contact_names_the_field(client: httpx.AsyncClient, draft: Any, field: str) -> None:
    answer = await client.post(CONTACTS, json=draft)
    assert answer.status_code == 422
    assert any(problem["field"].startswith(field) for problem in answer.json()["errors"])


async def test_what_is_no_number_is_refused_and_not_stored_as_null(client: httpx.AsyncClient) -> None:
    body = b'{"first_name": "A", "custom_fields": {"size": NaN}}'
    answer = await client.post(CONTACTS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    whole = await create(client, first_name="A", custom_fields={"size": 2**53, "share": 0.5, "is_new": True})
    assert whole["custom_fields"] == {"size": 2**53, "share": 0.5, "is_new": True}


async def test_a_header_and_a_cursor_that_are_malformed_are_named(client: httpx.AsyncClient) -> None:
    ann = await create(client, first_name="Ann")
    url = f"{CONTACTS}/{ann['id']}"
    answers = {
        "header.if-match": await client.patch(url, json={"last_name": "Lee"}, headers={"If-Match": "1"}),
        "query.cursor": await client.get(CONTACTS, params={"cursor": "x"}),
    }
    for field, answer in answers.items():
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


async def test_a_list_knows_its_size_whoever_changes_it(client: httpx.AsyncClient) -> None:
    ann, bob, cy = [(await create(client, first_name=name))["id"] for name in ("Ann", "Bob", "Cy")]
    made = (await client.post("/api/v1/lists", json={"name": "Spring"})).json()
    url = f"/api/v1/lists/{made['id']}"

    async def size() -> int:
        return (await client.get(url)).json()["members"]  # type: ignore[no-any-return]

    for _ in range(2):
        await client.post(f"{url}/members", json={"contact_ids": [ann, bob, cy]})
    assert await size() == 3
    await client.post(f"{CONTACTS}/{ann}/merge", json={"secondary_id": bob})
    assert await size() == 2
    await client.post(f"{url}/members/remove", json={"contact_ids": [cy]})
    assert (await size(), (await client.get(f"{url}/members")).json()["total"]) == (1, 1)
    merged = await client.post(f"{url}/members", json={"contact_ids": [bob]})
    assert (merged.status_code, merged.json()["code"]) == (409, "contact_merged")


async def test_a_phone_belongs_to_one_active_contact(client: httpx.AsyncClient) -> None:
    ann = await create(client, "6175550100", first_name="Ann")
    bob = await create(client, "6175550101", first_name="Bob")
    taken = await client.post(CONTACTS, json={"phones": [{"phone": "6175550100"}]})
    assert (taken.status_code, taken.json()["code"], taken.json()["contact_id"]) == (409, "phone_taken", ann["id"])
    moved = await edit(client, bob, phones=[{"phone": "6175550100"}])
    assert (moved.status_code, moved.json()["code"]) == (409, "phone_taken")


async def test_of_many_who_create_one_phone_at_once_one_succeeds(client: httpx.AsyncClient) -> None:
    draft = {"phones": [{"phone": "6175550100"}]}
    answers = await asyncio.gather(*(client.post(CONTACTS, json=draft) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert (await client.get(CONTACTS)).json()["total"] == 1


async def test_an_edit_needs_the_version_that_was_read(client: httpx.AsyncClient) -> None:
    ann = await create(client, "6175550100", first_name="Ann")
    url = f"{CONTACTS}/{ann['id']}"
    assert (await client.patch(url, json={"last_name": "Lee"})).status_code == 428
    assert (await edit(client, ann, last_name="Lee")).json()["version"] == 2
    stale = await edit(client, ann, last_name="Ray")
    assert stale.status_code == 412
    assert (stale.json()["your_version"], stale.json()["current_version"]) == (1, 2)


async def test_an_edit_changes_only_what_it_gives_and_is_told_on_the_timeline(client: httpx.AsyncClient) -> None:
    ann = await create(client, "6175550100", first_name="Ann", company="Acme", custom_fields={"roof": "slate"})
    edited = (
        await edit(client, ann, company=None, custom_fields={"roof": None, "floors": 2}, emails=["ann@example.com"])
    ).json()
    assert (edited["first_name"], edited["company"], edited["custom_fields"]) == ("Ann", None, {"floors": 2})
    assert [phone["e164"] for phone in edited["phones"]] == ["+16175550100"]
    [entry] = (await client.get(f"{CONTACTS}/{ann['id']}/timeline")).json()["items"]
    assert (entry["kind"], entry["details"]["before"]) == ("change", {"company": "Acme"})
    assert await names(client, q="ann@example") == ["Ann"]
    assert await names(client, q="acme") == []


async def test_contacts_are_found_by_name_phone_mail_and_place(client: httpx.AsyncClient) -> None:
    await create(
        client, "6175550100", first_name="José", last_name="Muñoz", emails=["jm@example.com"], street="12 Elm St"
    )
    await create(client, "6175550299", first_name="Ann", last_name="Lee", city="Quincy")
    assert await names(client, q="munoz") == ["José"]
    assert await names(client, q="(617) 555-01") == ["José"]
    assert await names(client, q="0299") == ["Ann"]
    assert await names(client, q="elm 12") == ["José"]
    assert await names(client, q="quin") == ["Ann"]
    assert await names(client, q="an") == ["Ann"]
    assert await names(client, q="50%") == []
    assert await names(client, sort="name") == ["Ann", "José"]


async def test_tags_lists_and_filters(client: httpx.AsyncClient) -> None:
    ann = await create(client, "6175550100", first_name="Ann")
    await create(client, "6175550101", first_name="Bob")
    for _ in range(2):
        tagged = await client.put(f"{CONTACTS}/{ann['id']}/tags/Hot%20Lead")
    assert (tagged.json()["tags"], tagged.json()["version"]) == (["hot lead"], 2)
    assert await names(client, tag="Hot Lead") == ["Ann"]
    assert (await client.get("/api/v1/tags")).json()["items"][0]["contacts"] == 1
    made = (await client.post("/api/v1/lists", json={"name": "Spring"})).json()
    members = f"/api/v1/lists/{made['id']}/members"
    for changed in (1, 0):
        assert (await client.post(members, json={"contact_ids": [ann["id"]]})).json() == {"changed": changed}
    assert await names(client, list=made["id"]) == ["Ann"]
    unknown = await client.post(members, json={"contact_ids": [str(uuid7())]})
    assert (unknown.status_code, len(unknown.json()["contact_ids"])) == (404, 1)
    assert (await client.post(f"{members}/remove", json={"contact_ids": [ann["id"]]})).json() == {"changed": 1}
    assert await names(client, list=made["id"]) == []
    assert (await client.delete(f"/api/v1/lists/{made['id']}")).status_code == 204
    assert (await client.get(f"/api/v1/lists/{made['id']}")).status_code == 404
    untagged = await client.delete(f"{CONTACTS}/{ann['id']}/tags/hot%20lead")
    assert untagged.json()["tags"] == []


@pytest.mark.parametrize("path", ["contacts", "properties"])
async def test_a_total_that_would_cost_too_much_is_unknown(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contacts.queries.totals.COUNTED_ROWS", 2)
    monkeypatch.setattr("contacts.queries.totals.COUNTED_MATCHES", 1)
    totals = []
    for number in range(3):
        home = {"street": f"{number} Elm St", "zip": "02139"}
        draft = {"first_name": "Elm", "phones": [{"phone": f"617555010{number}"}]} if path == "contacts" else home
        assert (await client.post(f"/api/v1/{path}", json=draft)).status_code == 201
        plain, search = [await client.get(f"/api/v1/{path}", params=query) for query in ({}, {"q": "elm"})]
        totals.append((plain.json()["total"], search.json()["total"]))
    assert totals == [(1, 1), (2, None), (None, None)]


async def test_a_list_is_renamed_only_by_who_read_it(client: httpx.AsyncClient) -> None:
    made = (await client.post("/api/v1/lists", json={"name": "Spring"})).json()
    url = f"/api/v1/lists/{made['id']}"
    assert (await client.patch(url, json={"name": "May"})).status_code == 428
    assert (await client.patch(url, json={"name": "May"}, headers={"If-Match": '"1"'})).json()["name"] == "May"
    assert (await client.patch(url, json={"name": "June"}, headers={"If-Match": '"1"'})).status_code == 412


@pytest.mark.parametrize("sort", ["newest", "oldest", "name"])
async def test_pages_miss_and_double_nobody_while_others_write(client: httpx.AsyncClient, sort: str) -> None:
    made = [(await create(client, f"617555{n:04d}", first_name=f"P{n % 3}"))["id"] for n in range(20)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 6, "sort": sort}
    while True:
        page = (await client.get(CONTACTS, params=params)).json()
        seen += [item["id"] for item in page["items"]]
        await create(client, f"617555{len(seen) + 100:04d}", first_name="P1")
        if page["next_cursor"] is None or len(seen) > 60:
            break
        params["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen))
    assert set(made) <= set(seen)


async def test_a_cursor_belongs_to_its_search(client: httpx.AsyncClient) -> None:
    for n in range(3):
        await create(client, f"617555{n:04d}", first_name="Ann")
    cursor = (await client.get(CONTACTS, params={"limit": 2})).json()["next_cursor"]
    other = await client.get(CONTACTS, params={"limit": 2, "cursor": cursor, "q": "ann"})
    assert (other.status_code, other.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "path", [f"{CONTACTS}/{{}}", "/api/v1/properties/{}", "/api/v1/lists/{}", "/api/v1/imports/{}"]
)
async def test_what_does_not_exist_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path.format(uuid7()))).status_code == 404
    assert (await client.get(path.format("no-id"))).status_code == 422


async def test_permissions_are_enforced(client_as: ClientAs, anonymous: httpx.AsyncClient) -> None:
    reader = client_as(["contacts:read"])
    assert (await anonymous.get(CONTACTS)).status_code == 401
    assert (await reader.get(CONTACTS)).status_code == 200
    assert (await reader.post(CONTACTS, json={"first_name": "A"})).status_code == 403
    assert (await reader.post("/api/v1/imports", json={"name": "A", "filename": "a"})).status_code == 403
    assert (await reader.get("/internal/v1/audience", params={"lists": str(uuid7())})).status_code == 403


async def test_notes_and_consent_stand_on_the_timeline(client: httpx.AsyncClient, worker: Worker, bus: TestBus) -> None:
    ann = await create(client, "6175550100", first_name="Ann")
    url = f"{CONTACTS}/{ann['id']}"
    assert (await client.post(f"{url}/notes", json={"text": "Called about the cellar."})).status_code == 201
    said = {"phone": "617 555 0100", "is_granted": False, "evidence": "Said so at the door."}
    assert (await client.post(f"{url}/consent", json=said)).status_code == 202
    foreign = await client.post(f"{url}/consent", json={**said, "phone": "617 555 0199"})
    assert (foreign.status_code, foreign.json()["code"]) == (409, "foreign_phone")
    kinds = [entry["kind"] for entry in (await client.get(f"{url}/timeline")).json()["items"]]
    assert kinds == ["consent", "note"]
    await worker.run_until_idle()
    [event] = await bus.envelopes("contacts.consent.recorded.v1")
    assert (event.data["phone"], event.data["is_granted"]) == ("+16175550100", False)


async def two_contacts(client: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    primary = await create(
        client, "6175550100", first_name="Ann", emails=["both@example.com"], tags=["a"], custom_fields={"roof": "slate"}
    )
    secondary = await create(
        client,
        *("6175550101", "6175550102"),
        first_name="Anna",
        company="Acme",
        street="1 Elm St",
        zip="02169",
        emails=["both@example.com", "anna@example.com"],
        tags=["a", "b"],
        custom_fields={"roof": "tin", "floors": 2},
    )
    made = (await client.post("/api/v1/lists", json={"name": "Spring"})).json()
    await client.post(f"/api/v1/lists/{made['id']}/members", json={"contact_ids": [secondary["id"]]})
    await client.post(f"{CONTACTS}/{secondary['id']}/notes", json={"text": "Hello"})
    return primary, secondary


def timeless(merged: dict[str, Any]) -> dict[str, Any]:
    contact = {key: value for key, value in merged["contact"].items() if key != "updated_at"}
    return {**merged, "contact": contact, "dry_run": None}


async def test_a_dry_run_says_exactly_what_the_merge_does(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus
) -> None:
    primary, secondary = await two_contacts(client)
    url, body = f"{CONTACTS}/{primary['id']}/merge", {"secondary_id": secondary["id"]}
    before = [(await client.get(f"{CONTACTS}/{c['id']}")).json() for c in (primary, secondary)]
    dry = (await client.post(url, json={**body, "dry_run": True})).json()
    assert [(await client.get(f"{CONTACTS}/{c['id']}")).json() for c in (primary, secondary)] == before
    await worker.run_until_idle()
    assert await bus.envelopes("contacts.contact.merged.v1") == []
    real = (await client.post(url, json=body)).json()
    assert timeless(real) == timeless(dry)
    assert real["filled"] == {
        "company": "Acme",
        "street": "1 Elm St",
        "zip": "02169",
        "custom_fields": {"floors": 2},
    }
    assert (real["phones"], real["emails"]) == (["+16175550101", "+16175550102"], ["anna@example.com"])
    assert (real["tags"], real["lists"], real["timeline_entries"]) == (1, 1, 1)
    await worker.run_until_idle()
    [event] = await bus.envelopes("contacts.contact.merged.v1")
    assert (event.data["primary_id"], event.data["secondary_id"]) == (primary["id"], secondary["id"])


async def test_after_a_merge_there_is_one_person_and_an_alias(client: httpx.AsyncClient, begin: Begin) -> None:
    primary, secondary = await two_contacts(client)
    url = f"{CONTACTS}/{primary['id']}/merge"
    await client.post(url, json={"secondary_id": secondary["id"]})
    merged = (await client.get(f"{CONTACTS}/{primary['id']}")).json()
    alias = (await client.get(f"{CONTACTS}/{secondary['id']}")).json()
    assert (merged["first_name"], merged["custom_fields"]) == ("Ann", {"roof": "slate", "floors": 2})
    assert [phone["e164"][-4:] for phone in merged["phones"] if phone["is_primary"]] == ["0100"]
    assert (alias["is_active"], alias["merged_into_id"], alias["phones"]) == (False, primary["id"], [])
    assert await names(client, q="0102") == ["Ann"]
    assert (await client.get(CONTACTS)).json()["total"] == 1
    async with begin() as tx:
        found = await (await tx.aget(ContactService)).find_by_phone("+16175550102")
        assert found is not None
        assert str(found.id) == primary["id"]
    entries = (await client.get(f"{CONTACTS}/{secondary['id']}/timeline")).json()["items"]
    assert [entry["kind"] for entry in entries] == ["merge", "note"]
    for again in (secondary["id"], primary["id"]):
        refused = await client.post(url, json={"secondary_id": again})
        assert (refused.status_code, refused.json()["code"]) == (409, "not_mergeable")
    closed = await edit(client, alias, first_name="X")
    assert (closed.status_code, closed.json()["code"]) == (409, "contact_merged")


async def test_merging_never_loosens_consent(client: httpx.AsyncClient, worker: Worker, bus: TestBus) -> None:
    primary, secondary = await two_contacts(client)
    await bus.publish_event(
        OptOutRecorded(phone="+16175550102", version=1, source="reply", occurred_at="2026-03-02T15:00:00Z")
    )
    await worker.run_until_idle()
    merged = await client.post(f"{CONTACTS}/{primary['id']}/merge", json={"secondary_id": secondary["id"]})
    assert merged.json()["contact"]["consent"] == "opted_out"
    await worker.run_until_idle()
    told = await bus.envelopes("contacts.consent.recorded.v1")
    assert sorted((event.data["phone"], event.data["is_granted"]) for event in told) == [
        ("+16175550100", False),
        ("+16175550101", False),
    ]


async def test_merges_that_cross_end_in_one_person(client: httpx.AsyncClient) -> None:
    primary, secondary = await two_contacts(client)
    pairs = [(primary["id"], secondary["id"]), (secondary["id"], primary["id"])] * 3
    answers = await asyncio.gather(
        *(client.post(f"{CONTACTS}/{one}/merge", json={"secondary_id": other}) for one, other in pairs)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert (await client.get(CONTACTS)).json()["total"] == 1


async def test_chains_of_merges_lead_to_the_one_who_is_left(client: httpx.AsyncClient) -> None:
    one, two, three = [await create(client, f"617555000{n}", first_name=f"P{n}") for n in range(3)]
    await client.post(f"{CONTACTS}/{two['id']}/merge", json={"secondary_id": three["id"]})
    await client.post(f"{CONTACTS}/{one['id']}/merge", json={"secondary_id": two["id"]})
    alias = (await client.get(f"{CONTACTS}/{three['id']}")).json()
    assert alias["merged_into_id"] == one["id"]
