"""Through a real Caddy with the generated Caddyfile: what gets through, what is stripped, what is refused."""

import asyncio
import socket

from shared.auth import JwksVerifier
from shared.testing.waiting import until

from .conftest import PASSWORD, Gateway

MARK = {"X-CRM-Request": "1"}


async def sign_in(edge: Gateway) -> dict[str, str]:
    """A browser's session: its cookie, as a header."""
    answer = await edge.http.post("/api/v1/session", json={"email": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].partition(";")[0]
    edge.http.cookies.clear()
    return {"Cookie": cookie}


async def test_service_gets_a_verifiable_token_and_nothing_the_caller_said_of_itself(edge: Gateway) -> None:
    forged = {
        "Cookie": "a=b",
        "X-User-Id": "somebody",
        "X-Forwarded-For": "10.0.0.1",
        "X-CRM-Token": "forged",
        "X-CRM-Credential": "session:00000000-0000-7000-8000-000000000000",
        "X-CRM-Client-Address": "10.0.0.1",
        "X-HTTP-Method-Override": "DELETE",
        "Forwarded": "for=10.0.0.1",
    }
    answer = await edge.http.get("/api/v1/contacts?q=a", headers={**await edge.bearer(), **forged})
    assert answer.status_code == 200
    seen = edge.upstream.last["headers"]
    assert not {name.lower() for name in forged} & set(seen)
    scheme, token = seen["authorization"].split(" ")
    principal = await JwksVerifier(f"{edge.app_url}/.well-known/jwks.json").verify(token, "contacts")
    assert scheme == "Bearer"
    assert principal.permissions == {"contacts:read", "contacts:write"}
    assert principal.name == "Ann"
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers


async def test_where_nobody_is_asked_who_they_are_nobody_can_say_it(edge: Gateway) -> None:
    answer = await edge.http.post("/webhooks/example", headers={**await edge.bearer(), "Cookie": "a=b"})
    assert answer.status_code == 200
    assert not {"authorization", "cookie"} & set(edge.upstream.last["headers"])


WRONG_CREDENTIALS: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer crm_s_nothing"},
    {"Authorization": "Basic YTpi"},
    {"Cookie": "crm_session=crm_c_x"},
]


async def test_unknown_caller_is_refused_before_the_service(edge: Gateway) -> None:
    for headers in WRONG_CREDENTIALS:
        answer = await edge.http.get("/api/v1/contacts", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"
    assert edge.upstream.requests == []


async def test_a_browser_whose_sign_in_has_ended_is_told_so_on_a_page(edge: Gateway) -> None:
    for path in (CARD, "/api/v1/contacts"):
        shown = await edge.http.get(path, headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"})
        assert (shown.status_code, shown.headers["content-type"]) == (401, "text/html; charset=utf-8")
        assert shown.headers["www-authenticate"] == "Bearer"
        assert "sign-in has ended" in shown.text
        (policy,) = shown.headers.get_list("content-security-policy")
        assert "style-src 'self'" in policy
    for mode in ({}, {"Sec-Fetch-Mode": "cors"}, {"Accept": "text/html"}):
        program = await edge.http.get(CARD, headers=mode)
        assert (program.status_code, program.headers["content-type"]) == (401, "application/problem+json")


NOTHING_LOADS = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
CARD = "/api/v1/contacts/01931b6e-0000-7000-8000-000000000001/card"


async def test_pages_may_load_their_stylesheet_and_nothing_else_may_load_anything(edge: Gateway) -> None:
    for page in ("/", "/docs", CARD):
        policy = (await edge.http.get(page)).headers["content-security-policy"]
        assert ("style-src 'self'" in policy, "form-action 'self'" in policy) == (True, True), page
    signed_in = await edge.bearer()
    for other in ("/api/v1/contacts", "/api/v1/session", "/livez", "/nowhere"):
        for headers in ({}, signed_in):
            answer = await edge.http.get(other, headers=headers)
            assert answer.headers.get_list("content-security-policy") == [NOTHING_LOADS], other
            assert answer.headers.get_list("cache-control") == ["no-store"], other
    own = await edge.http.get(CARD, headers=signed_in)
    assert own.headers["cache-control"] == "no-store", "it says something of somebody"
    assert (await edge.http.get("/docs")).headers["cache-control"] == "no-cache"
    assert own.headers["content-security-policy"].count("default-src") == 1


INSIDE = [
    "/internal/v1/clock",
    "/internal/v1/token",
    "/internal/v1/authorize?audience=contacts",
    "/sandbox/control",
    "/metrics",
    "/readyz",
    "/.well-known/jwks.json",
    "/nowhere",
    "/api/v1/nowhere",
]


async def test_what_is_not_public_has_no_address(edge: Gateway) -> None:
    headers = await edge.bearer()
    for path in INSIDE:
        answer = await edge.http.get(path, headers=headers)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert edge.upstream.requests == []


def raw(edge: Gateway, request: str) -> str:
    """The status line that a request, written out byte by byte, gets."""
    host, port = edge.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request.encode())
        return connection.recv(200).decode().splitlines()[0]


AMBIGUOUS = [
    "/api/v1/contacts/..;/x",
    "/api/v1/contacts%2f..%2f",
    "/api/v1/../internal/v1/clock",
    "//internal/v1/clock",
    "/api/v1/contacts/%2e%2e/x",
    "/api/v1/contacts\\x",
    "/api/v1/contacts%00",
    "/api/v1/%252e%252e/x",
    "/api/./v1/contacts",
]


async def test_ambiguous_paths_are_refused(edge: Gateway) -> None:
    for path in AMBIGUOUS:
        status = await asyncio.to_thread(
            raw, edge, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert status == "HTTP/1.1 400 Bad Request", path
    assert edge.upstream.requests == []


MALFORMED = [
    "POST /webhooks/example HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunkedx\r\n\r\nabcd",
    "POST /webhooks/example HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: a\r\nX-A: " + "b" * 100_000 + "\r\n\r\n",
]


async def test_smuggled_and_oversized_headers_are_refused(edge: Gateway) -> None:
    for request_text in MALFORMED:
        status = await asyncio.to_thread(raw, edge, request_text)
        assert status.split(" ")[1] in {"400", "431", "501"}, request_text[:80]
    assert edge.upstream.requests == []


async def test_bodies_are_limited_and_uploads_are_not_smaller_than_declared(edge: Gateway) -> None:
    headers = await edge.bearer()
    large = b"x" * 1_100_000
    refused = await edge.http.post("/api/v1/contacts", content=large, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.headers["content-type"] == "application/problem+json"
    assert edge.upstream.requests == []
    taken = await edge.http.put("/api/v1/imports/1/file", content=large * 3, headers=headers)
    assert taken.status_code == 200
    assert edge.upstream.last["size"] == 3_300_000
    too_large = await edge.http.put("/api/v1/imports/1/file", content=large * 4, headers=headers)
    assert too_large.status_code == 413


async def test_a_body_that_grows_beyond_the_limit_is_cut_off(edge: Gateway) -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b"x" * 100_000

    answer = await edge.http.post("/webhooks/example", content=chunks())
    assert answer.status_code == 413
    assert edge.upstream.requests == []


async def test_cookie_needs_our_own_page_to_change_something(edge: Gateway) -> None:
    session = await sign_in(edge)
    same = {"Origin": edge.url}

    async def post(headers: dict[str, str]) -> int:
        return (await edge.http.post("/api/v1/contacts", json={}, headers={**session, **headers})).status_code

    assert await post({}) == 403
    assert await post(MARK) == 403
    assert await post(same) == 403
    assert await post({**MARK, "Origin": "https://evil.example"}) == 403
    assert await post({**MARK, "Origin": "null"}) == 403
    assert await post({**MARK, "Sec-Fetch-Site": "cross-site"}) == 403
    assert edge.upstream.requests == []
    assert await post({**MARK, **same}) == 200
    assert (await edge.http.get("/api/v1/contacts", headers=session)).status_code == 200
    refused = await edge.http.post("/api/v1/contacts", headers=session)
    assert refused.json()["code"] == "foreign_origin"


async def test_sign_in_from_a_foreign_page_or_as_a_form_is_refused(edge: Gateway) -> None:
    body = {"email": "ann@example.com", "password": PASSWORD}
    foreign = await edge.http.post("/api/v1/session", json=body, headers={"Origin": "https://evil.example"})
    form = await edge.http.post("/api/v1/session", data=body)
    assert (foreign.status_code, form.status_code) == (403, 422)


async def test_webhook_reaches_its_service_untouched_and_without_a_token(edge: Gateway) -> None:
    answer = await edge.http.post(
        "/webhooks/example", content=b"{}", headers={"webhook-id": "1", "Authorization": "Bearer x"}
    )
    assert answer.status_code == 200
    assert edge.upstream.last["headers"]["webhook-id"] == "1"
    assert (await edge.http.get("/webhooks/example")).status_code == 404


async def test_every_answer_has_the_safe_headers(edge: Gateway) -> None:
    for path in ("/", "/docs", "/livez", "/api/v1/contacts", "/nowhere", "/api/v1/campaigns"):
        answer = await edge.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_service_that_is_away_is_a_problem_document(edge: Gateway) -> None:
    answer = await edge.http.get("/api/v1/campaigns", headers=await edge.bearer())
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "service_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_logout_ends_the_session_everywhere_within_five_seconds(edge: Gateway) -> None:
    session = await sign_in(edge)
    assert (await edge.http.get("/api/v1/contacts", headers=session)).status_code == 200
    ended = await edge.http.delete("/api/v1/session", headers={**session, **MARK, "Origin": edge.url})
    assert ended.status_code == 204
    assert 'crm_session=""' in ended.headers["set-cookie"]

    async def is_refused() -> bool:
        return (await edge.http.get("/api/v1/contacts", headers=session)).status_code == 401

    await until(is_refused, within=5)


async def test_api_key_works_without_origin_and_within_its_scope(edge: Gateway) -> None:
    session = await sign_in(edge)
    created = await edge.http.post(
        "/api/v1/api-keys",
        json={"name": "Reports", "permissions": ["contacts:read"]},
        headers={**session, **MARK, "Origin": edge.url},
    )
    assert created.status_code == 201
    key = {"Authorization": f"Bearer {created.json()['key']}"}
    me = await edge.http.get("/api/v1/contacts", headers=key)
    assert me.status_code == 200
    token = edge.upstream.last["headers"]["authorization"].removeprefix("Bearer ")
    principal = await JwksVerifier(f"{edge.app_url}/.well-known/jwks.json").verify(token, "contacts")
    assert (principal.kind, principal.permissions) == ("api_key", {"contacts:read"})
    assert (await edge.http.get("/api/v1/users", headers=key)).status_code == 403


async def test_live_stream_passes_through(edge: Gateway) -> None:
    async with edge.http.stream("GET", "/api/v1/stream", headers=await edge.bearer()) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            assert line == "event: ready"
            break
