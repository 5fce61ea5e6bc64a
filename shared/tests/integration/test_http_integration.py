"""The HTTP habits, on the probe service."""

import asyncio

import httpx
from shared.database import Begin
from shared.testing.plugin import ClientAs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

NOTES = "/api/v1/notes"


async def count_notes(begin: Begin) -> int:
    async with begin() as tx:
        return (await (await tx.aget(AsyncSession)).execute(text("SELECT count(*) FROM note"))).scalar_one()


async def test_a_route_that_fails_after_writing_leaves_nothing(client: httpx.AsyncClient, begin: Begin) -> None:
    answer = await client.post(NOTES, json={"topic": "a", "body": "refuse"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert await count_notes(begin) == 0


async def test_the_commit_happens_before_the_answer(client: httpx.AsyncClient, begin: Begin) -> None:
    assert (await client.post(NOTES, json={"topic": "a"})).status_code == 201
    assert await count_notes(begin) == 1


async def test_a_repeated_idempotency_key_answers_the_same_and_acts_once(
    client: httpx.AsyncClient, begin: Begin
) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(client.post(NOTES, json={"topic": "a"}, headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await count_notes(begin) == 1


async def test_an_idempotency_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    await client.post(NOTES, json={"topic": "a"}, headers=headers)
    answer = await client.post(NOTES, json={"topic": "b"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_failed_first_try_leaves_its_idempotency_key_free(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    await client.post(NOTES, json={"topic": "a", "body": "refuse"}, headers=headers)
    assert (await client.post(NOTES, json={"topic": "a"}, headers=headers)).status_code == 201


async def test_keys_of_two_callers_are_apart(client_as: ClientAs) -> None:
    headers = {"Idempotency-Key": "once"}
    one, other = client_as(["*"], subject="one"), client_as(["*"], subject="other")
    assert (await one.post(NOTES, json={"topic": "a"}, headers=headers)).status_code == 201
    assert (await other.post(NOTES, json={"topic": "b"}, headers=headers)).status_code == 201


async def test_no_token_is_401_and_a_missing_permission_403(client_as: ClientAs) -> None:
    assert (await client_as(None).get(NOTES)).status_code == 401
    assert (await client_as(["notes:read"]).post(NOTES, json={"topic": "a"})).status_code == 403
    assert (await client_as(["notes:*"]).post(NOTES, json={"topic": "a"})).status_code == 201


async def test_a_malformed_body_names_the_field(client: httpx.AsyncClient) -> None:
    answer = await client.post(NOTES, json={"body": 1})
    assert answer.status_code == 422
    assert {problem["field"] for problem in answer.json()["errors"]} == {"body.topic", "body.body"}


async def test_what_is_no_json_is_said_of_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.post(NOTES, content=b'{"topic": ', headers={"content-type": "application/json"})
    (error,) = answer.json()["errors"]
    assert (error["field"], error["message"]) == ("body", "This is no JSON: Expecting value at character 10.")


async def test_characters_that_cannot_be_stored_are_refused(client: httpx.AsyncClient) -> None:
    for body in (b'{"topic": "a\\u0000"}', b'{"topic": "\\ud800"}'):
        answer = await client.post(NOTES, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
    assert (await client.get(NOTES, params={"q": "\x00"})).status_code == 422


async def test_bodies_over_the_limit_are_413(client: httpx.AsyncClient) -> None:
    assert (await client.post(NOTES, json={"topic": "a" * 1_100_000})).status_code == 413
    assert (await client.put(f"{NOTES}/file", content=b"a" * 2000)).json() == 2000
    assert (await client.put(f"{NOTES}/file", content=b"a" * 2001)).status_code == 413

    async def chunks():
        for _ in range(3):
            yield b"a" * 1000

    assert (await client.put(f"{NOTES}/file", content=chunks())).status_code == 413


async def test_duplicates_are_409_and_unknown_ids_404(client: httpx.AsyncClient) -> None:
    await client.post(NOTES, json={"topic": "a"})
    assert (await client.post(NOTES, json={"topic": "a"})).status_code == 409
    unknown = f"{NOTES}/00000000-0000-7000-8000-000000000000"
    assert (await client.patch(unknown, json={"topic": "a"}, headers={"If-Match": '"1"'})).status_code == 404
    assert (await client.get("/nowhere")).status_code == 404


async def test_edits_need_the_version_last_read(client: httpx.AsyncClient) -> None:
    note = (await client.post(NOTES, json={"topic": "a"})).json()
    address = f"{NOTES}/{note['id']}"
    assert (await client.patch(address, json={"topic": "a"})).status_code == 428
    edited = await client.patch(address, json={"topic": "a"}, headers={"If-Match": '"1"'})
    assert edited.headers["etag"] == '"2"'
    stale = await client.patch(address, json={"topic": "a"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current_version"], stale.json()["your_version"]) == (412, 2, 1)


async def test_pages_cover_every_row_once_while_rows_are_added(client: httpx.AsyncClient) -> None:
    for number in range(7):
        await client.post(NOTES, json={"topic": f"t{number}"})
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = (await client.get(NOTES, params=params)).json()
        seen += [item["topic"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        await client.post(NOTES, json={"topic": f"later{len(seen)}"})
    assert seen == [f"t{number}" for number in reversed(range(7))]


async def test_a_cursor_of_another_filter_is_refused(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.post(NOTES, json={"topic": f"t{number}"})
    cursor = (await client.get(NOTES, params={"limit": 1})).json()["next_cursor"]
    assert (await client.get(NOTES, params={"limit": 1, "cursor": cursor, "q": "t"})).status_code == 422
    assert (await client.get(NOTES, params={"cursor": "nonsense"})).status_code == 422


async def test_the_clock_moves_forward_only(client: httpx.AsyncClient) -> None:
    before = (await client.get("/internal/v1/clock")).json()["now"]
    moved = await client.put("/internal/v1/clock", json={"at": "2099-01-01T00:00:00Z"})
    assert moved.json()["now"].startswith("2099-01-01T00:00:0")
    back = await client.put("/internal/v1/clock", json={"at": before})
    assert back.json()["now"].startswith("2099-01-01")


async def test_without_its_database_a_service_answers_503(client: httpx.AsyncClient, database, databases) -> None:
    await databases.drop(database)
    answer = await client.get(NOTES)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/livez")).status_code == 200
