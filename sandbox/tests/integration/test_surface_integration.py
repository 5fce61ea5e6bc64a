"""The rest of the provider's surface: lists and their pages, versions, unknown routes, filing."""

from typing import Any

import httpx
import pytest

from . import steps
from .steps import ANA, NUMBER_ID, send, text_us, turn


async def walk(provider: httpx.AsyncClient, path: str, params: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        more = {"pageToken": token} if token else {}
        answer = await provider.get(path, params={**params, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        items += answer.json()["data"]
        token = answer.json()["nextPageToken"]
        if token is None:
            return items


THREAD = {"phoneNumberId": NUMBER_ID, "participants": ANA}


async def test_a_thread_is_paged_newest_first(provider: httpx.AsyncClient) -> None:
    for number in range(7):
        await send(provider, content=f"text {number}")
    items = await walk(provider, "/v1/messages", {**THREAD, "maxResults": 3})
    assert [item["text"] for item in items] == [f"text {number}" for number in reversed(range(7))]


async def test_the_total_is_not_to_be_trusted(provider: httpx.AsyncClient) -> None:
    await send(provider)
    assert (await steps.find_messages(provider))["totalItems"] != 1


@pytest.mark.parametrize(("by_offset", "repeated"), [(False, []), (True, ["text 1"])])
async def test_new_rows_shift_pages_only_where_asked_for(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, by_offset: bool, repeated: list[str]
) -> None:
    await turn(control, faults={"is_list_paged_by_offset": by_offset})
    for number in range(3):
        await send(provider, content=f"text {number}")
    first = (await provider.get("/v1/messages", params={**THREAD, "maxResults": 2})).json()
    await send(provider, content="meanwhile")
    params = {**THREAD, "maxResults": 2, "pageToken": first["nextPageToken"]}
    second = (await provider.get("/v1/messages", params=params)).json()
    both = [item["text"] for item in first["data"]], [item["text"] for item in second["data"]]
    assert [text for text in both[1] if text in both[0]] == repeated
    assert "text 0" in both[1]


async def test_page_tokens_belong_to_their_list_and_may_expire(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    for number in range(3):
        await send(provider, content=f"text {number}")
    token = (await provider.get("/v1/messages", params={**THREAD, "maxResults": 1})).json()["nextPageToken"]
    elsewhere = {**THREAD, "participants": "+16175550199", "maxResults": 1, "pageToken": token}
    assert (await provider.get("/v1/messages", params=elsewhere)).status_code == 400
    broken = {**THREAD, "maxResults": 1, "pageToken": "x" + token}
    assert (await provider.get("/v1/messages", params=broken)).status_code == 400
    await turn(control, faults={"page_token_requests": 0})
    expired = {**THREAD, "maxResults": 1, "pageToken": token}
    assert (await provider.get("/v1/messages", params=expired)).status_code == 400


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"phoneNumberId": NUMBER_ID, "participants": ANA}, "/maxResults"),
        ({"phoneNumberId": NUMBER_ID, "maxResults": 10}, "/participants"),
        ({"phoneNumberId": NUMBER_ID, "participants[]": ANA, "maxResults": 10}, "/participants"),
        ({"participants": ANA, "maxResults": 10}, "/phoneNumberId"),
        ({**THREAD, "maxResults": 101}, "/maxResults"),
        ({**THREAD, "maxResults": "many"}, "/maxResults"),
        ({**THREAD, "maxResults": 10, "createdAfter": "yesterday"}, "/createdAfter"),
        ({"phoneNumberId": NUMBER_ID, "participants": "6175550143", "maxResults": 10}, "/participants/0"),
    ],
)
async def test_a_malformed_query_is_refused_with_the_path(
    provider: httpx.AsyncClient, params: dict[str, str], path: str
) -> None:
    answer = await provider.get("/v1/messages", params=params)
    assert answer.status_code == 400
    assert path in [error["path"] for error in answer.json()["errors"]]


async def test_a_lost_send_is_found_by_the_time_it_was_made(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    before = (await control.get("/sandbox/v1/queue")).json()["now"]
    await send(provider)
    assert len((await steps.find_messages(provider, createdAfter=before))["data"]) == 1
    assert (await steps.find_messages(provider, createdBefore=before))["data"] == []
    params = {"from": steps.NUMBER, "to": ANA, "direction": "outgoing", "createdAt[gt]": before}
    found = await walk(provider, "/messages", params, **steps.DATED)
    assert [item["text"] for item in found] == ["Hi Ana, your quote is ready."]
    none = await walk(provider, "/messages", {**params, "status": "delivered"}, **steps.DATED)
    assert none == []


async def test_the_dated_surface_asks_for_its_version_before_the_key(provider: httpx.AsyncClient) -> None:
    provider.headers.pop("Authorization")
    answer = await provider.get("/messages")
    assert answer.status_code == 400
    assert "Supported versions: 2026-03-30" in answer.json()["message"]
    assert "code" not in answer.json()
    assert (await provider.get("/messages", headers=steps.DATED)).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("PUT", "/v1/messages"), ("GET", "/<x>")])
async def test_an_unknown_route_is_a_page(provider: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await provider.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<x>" not in answer.text


async def test_our_own_unknown_routes_are_problems(control: httpx.AsyncClient) -> None:
    answer = await control.get("/sandbox/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_numbers_and_users_are_listed(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    numbers = (await provider.get("/v1/phone-numbers")).json()["data"]
    assert [number["number"] for number in numbers] == [steps.NUMBER, steps.OTHER_NUMBER]
    assert numbers[0]["restrictions"]["messaging"]["US"] == "unrestricted"
    await turn(control, account={"is_registered": False})
    one = (await provider.get(f"/v1/phone-numbers/{NUMBER_ID}")).json()["data"]
    assert one["restrictions"]["messaging"]["US"] == "restricted"
    users = await walk(provider, "/v1/users", {"maxResults": 1})
    assert [user["role"] for user in users] == ["owner", "member"]
    assert (await provider.get(f"/v1/users/{users[1]['id']}")).json()["data"] == users[1]
    assert (await provider.get("/v1/users/US404")).json()["code"] == "1100404"
    assert (await provider.get("/v1/phone-numbers/PN404")).json()["code"] == "0400404"


async def test_a_number_can_be_added(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    new = {"id": "PNthird", "number": "+18575550112", "name": "Third", "user_ids": ["US0a1b2c3d"]}
    assert (await control.post("/sandbox/v1/numbers", json=new)).status_code == 201
    assert (await control.post("/sandbox/v1/numbers", json=new)).status_code == 409
    assert (await send(provider, **{"from": "PNthird"})).status_code == 202


async def test_conversations_are_made_once_and_ordered_by_activity(
    provider: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    first = (await send(provider)).json()["data"]["conversationId"]
    second = (await send(provider, to="+16175550144")).json()["data"]["conversationId"]
    assert (await text_us(control, "hello"))["conversation_id"] == first
    listed = await walk(provider, "/v1/conversations", {"maxResults": 1})
    assert [conversation["id"] for conversation in listed] == [first, second]
    assert listed[0]["participants"] == [ANA]
    only = await walk(provider, "/v1/conversations", {"maxResults": 10, "phoneNumbers": [steps.OTHER_NUMBER]})
    assert only == []
    later = {"maxResults": 10, "updatedAfter": listed[1]["updatedAt"]}
    assert [c["id"] for c in await walk(provider, "/v1/conversations", later)] in ([first], [first, second])


@pytest.mark.parametrize("mark", ["read", "done", "open"])
async def test_marking_answers_the_bare_conversation(provider: httpx.AsyncClient, mark: str) -> None:
    conversation_id = (await send(provider)).json()["data"]["conversationId"]
    answer = await provider.post(f"/v1/conversations/{conversation_id}/mark-as-{mark}")
    assert answer.json()["id"] == conversation_id
    assert (await provider.post(f"/v1/conversations/CN404/mark-as-{mark}")).json()["code"] == "1000404"


async def test_v1_webhooks_belong_to_a_user_and_show_their_key(provider: httpx.AsyncClient) -> None:
    made = await steps.subscribe(provider, "https://crm.example.com/hooks")
    assert (await provider.get("/v1/webhooks")).json()["data"] == [made]
    assert (await provider.get("/v1/webhooks", params={"userId": "US1b2c3d4e"})).json()["data"] == []
    assert (await provider.get(f"/v1/webhooks/{made['id']}")).json()["data"]["key"] == made["key"]
    wrong = {"url": "not an address", "events": ["message.received"]}
    assert (await provider.post("/v1/webhooks/messages", json=wrong)).status_code == 400
    wrong = {"url": "https://crm.example.com", "events": ["call.completed"]}
    assert (await provider.post("/v1/webhooks/messages", json=wrong)).status_code == 400


async def test_the_idle_report_names_the_next_moment(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    await turn(control, life={"sent_after_seconds": 1, "final_after_seconds": [3600, 3600]})
    await send(provider)
    report = (await anonymous.get("/internal/v1/idle")).json()
    assert report["idle"] is True
    assert report["waiting"]["events"] == 1
    assert report["next_due_at"] > report["now"]
