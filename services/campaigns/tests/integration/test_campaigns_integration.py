"""Drafts over HTTP: creating, editing, listing, and refusing what makes no sense."""

from uuid import uuid4

import httpx
import pytest
from campaigns.models import Base
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database

CAMPAIGNS = "/api/v1/campaigns"


async def test_models_and_migrations_agree(database: Database) -> None:
    await assert_no_drift(database.owner_url, Base.metadata)


async def test_a_campaign_begins_as_a_draft(client: httpx.AsyncClient) -> None:
    answer = await client.post(CAMPAIGNS, json={"name": "Test Campaign", "message": "Hello {first_name}"})
    assert answer.status_code == 201
    assert answer.json()["status"] == "draft"
    assert answer.json()["daily_cap"] == 125
    assert answer.headers["etag"] == '"1"'
    assert (await client.get(answer.headers["location"])).json() == answer.json()


MALFORMED = [
    {"name": ""},
    {"name": "x" * 201},
    {"message": "   "},
    {"message": "Hello {frist_name}"},
    {"message": "Hello {first_name"},
    {"message": "x" * 1601},
    {"variants": [{"message": "a"}]},
    {"message": None},
    {"message": None, "variants": []},
    {"message": None, "variants": [{"message": "x"}] * 5},
    {"message": None, "variants": [{"message": "x", "label": "A"}, {"message": "y", "label": "A"}]},
    {"message": None, "variants": [{"message": "x", "weight": 0}]},
    {"weekdays": []},
    {"weekdays": [7]},
    {"window_start": "19:00", "window_end": "09:00"},
    {"window_start": "09:00+02:00"},
    {"starts_at": "2026-11-23T09:00:00"},
    {"starts_at": "9999-12-31T23:00:00Z"},
    {"deadline_at": "0001-01-01T00:00:00+14:00"},
    {"starts_at": "2026-11-23T09:00:00Z", "deadline_at": "2026-11-22T09:00:00Z"},
    {"daily_cap": 0},
    {"rate_per_second": 0},
    {"rate_per_second": "NaN"},
    {"number_ids": ["none"]},
    {"dayly_cap": 10},
]


async def test_a_malformed_draft_is_refused_and_nothing_is_stored(client: httpx.AsyncClient) -> None:
    for wrong in MALFORMED:
        answer = await client.post(CAMPAIGNS, json={"name": "Cracks", "message": "Hello", **wrong})
        assert (answer.status_code, wrong) == (422, wrong)
        assert answer.headers["content-type"] == "application/problem+json"
        assert all(error["field"].startswith("body") for error in answer.json()["errors"])
        assert answer.json()["errors"], wrong
    assert (await client.get(CAMPAIGNS)).json()["total"] == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"window_start": "19:00", "window_end": "09:00"}, "body.window_end"),
        ({"starts_at": "2026-11-23T09:00:00Z", "deadline_at": "2026-11-22T09:00:00Z"}, "body.deadline_at"),
        ({"message": "Hello {frist_name}"}, "body.message"),
        ({"message": None, "variants": [{"message": "a"}, {"message": "Hello {"}]}, "body.variants.1.message"),
        (
            {"message": None, "variants": [{"message": "x", "label": "A"}, {"message": "y", "label": "A"}]},
            "body.variants",
        ),
    ],
)
async def test_a_rule_that_is_broken_names_the_field(client: httpx.AsyncClient, wrong: dict, field: str) -> None:
    answer = await client.post(CAMPAIGNS, json={"name": "Cracks", "message": "Hello", **wrong})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


async def test_an_edit_needs_the_version_that_was_read(client: httpx.AsyncClient) -> None:
    created = await client.post(CAMPAIGNS, json={"name": "Cracks", "message": "Hello"})
    url = created.headers["location"]
    assert (await client.patch(url, json={"name": "New"})).status_code == 428
    edited = await client.patch(url, json={"name": "New", "message": "Hi"}, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.json()["name"], edited.headers["etag"]) == (200, "New", '"2"')
    stale = await client.patch(url, json={"name": "Newer"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    assert (await client.get(url)).json()["variants"] == [{"label": "A", "message": "Hi", "weight": 1}]


async def test_four_variants_keep_their_order(client: httpx.AsyncClient) -> None:
    variants = [{"message": f"Text {n}", "weight": n} for n in range(1, 5)]
    created = (await client.post(CAMPAIGNS, json={"name": "AB", "variants": variants})).json()
    assert [(v["label"], v["weight"]) for v in created["variants"]] == [("A", 1), ("B", 2), ("C", 3), ("D", 4)]


async def test_the_list_pages_newest_first_and_filters(client: httpx.AsyncClient) -> None:
    for n in range(5):
        await client.post(CAMPAIGNS, json={"name": f"Campaign {n}", "message": "Hello"})
    first = (await client.get(CAMPAIGNS, params={"limit": 3})).json()
    rest = (await client.get(CAMPAIGNS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["name"][-1] for item in first["items"] + rest["items"]] == list("43210")
    assert (first["total"], rest["next_cursor"]) == (5, None)
    assert (await client.get(CAMPAIGNS, params={"status": "running"})).json()["items"] == []
    other = await client.get(CAMPAIGNS, params={"status": "draft", "cursor": first["next_cursor"]})
    assert other.status_code == 422


async def test_an_unknown_campaign_is_not_found(client: httpx.AsyncClient) -> None:
    reads = [("GET", path) for path in ("", "/audience", "/recipients", "/preview", "/simulation", "/results")]
    moves = [("POST", path) for path in ("/launch", "/approve", "/pause", "/resume", "/cancel")]
    for method, path in reads + moves:
        answer = await client.request(method, f"{CAMPAIGNS}/{uuid4()}{path}", json={"audience_version": 1})
        assert (answer.status_code, answer.json()["code"], path) == (404, "not_found", path)


async def test_reading_does_not_allow_writing_and_writing_not_launching(client_as) -> None:
    reader, writer = client_as(["campaigns:read"]), client_as(["campaigns:write"])
    draft = {"name": "Cracks", "message": "Hello"}
    assert (await reader.post(CAMPAIGNS, json=draft)).status_code == 403
    url = (await writer.post(CAMPAIGNS, json=draft)).headers["location"]
    assert (await writer.post(f"{url}/launch", json={"audience_version": 1})).status_code == 403
    assert (await reader.get(url)).status_code == 200
    assert (await client_as(None).get(url)).status_code == 401


async def test_the_same_idempotency_key_makes_one_campaign(client: httpx.AsyncClient) -> None:
    draft, key = {"name": "Cracks", "message": "Hello"}, {"Idempotency-Key": "k1"}
    one, two = [await client.post(CAMPAIGNS, json=draft, headers=key) for _ in range(2)]
    assert one.json() == two.json()
    assert (await client.get(CAMPAIGNS)).json()["total"] == 1


async def test_templates_live_in_a_library(client: httpx.AsyncClient) -> None:
    created = await client.post("/api/v1/templates", json={"name": "First", "message": "Hi {first_name|there}"})
    url = created.headers["location"]
    again = await client.post("/api/v1/templates", json={"name": "First", "message": "x"})
    assert (created.status_code, again.status_code) == (201, 409)
    edited = await client.patch(url, json={"message": "Hi"}, headers={"If-Match": '"1"'})
    assert edited.json()["message"] == "Hi"
    assert (await client.get("/api/v1/templates")).json()["total"] == 1
    assert (await client.delete(url, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete(url, headers={"If-Match": '"2"'})).status_code == 204
    assert (await client.get(url)).status_code == 404


async def test_a_preview_says_what_the_text_costs_and_lacks(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/templates/preview", json={"message": "Hi {first_name}, it’s us"})
    found = answer.json()
    assert (found["text"], found["segments"], found["encoding"]) == ("Hi Maria, it's us", 1, "gsm7")
    assert {warning["code"] for warning in found["warnings"]} == {"no_business_name", "no_opt_out_words"}
