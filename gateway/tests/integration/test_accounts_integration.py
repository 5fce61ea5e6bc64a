"""Users, invites, keys, sessions and the audit log over HTTP, with a real database."""

import asyncio
import base64
import time
from collections.abc import Callable

import httpx
import pytest
import svcs
from gateway.models import Base
from gateway.passwords import Passwords
from gateway.roles import Role
from shared.database import Begin
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import totp

from .conftest import PASSWORD, MakeUser, cheap_passwords

ClientAs = Callable[..., httpx.AsyncClient]
OTHER_PASSWORD = "seven quiet herons by the lake"


@pytest.fixture(autouse=True)
def _cheap(registry: svcs.Registry) -> None:
    registry.register_value(Passwords, cheap_passwords())


def as_user(client_as: ClientAs, user: object, permissions: list[str] | None = None) -> httpx.AsyncClient:
    user_id = str(user.id)  # type: ignore[attr-defined]
    return client_as(permissions or ["*"], subject=user_id, actor=user_id, name="Ann")


async def sign_in(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    body = {"email": "ann@example.com", "password": PASSWORD, "kind": "bearer", **changes}
    return await client.post("/api/v1/session", json=body)


async def test_models_and_migrations_agree(database: Database) -> None:
    await assert_no_drift(database.owner_url, Base.metadata)


async def test_sign_in_answers_a_bearer_or_sets_a_cookie(anonymous: httpx.AsyncClient, make_user: MakeUser) -> None:
    await make_user()
    bearer = await sign_in(anonymous, email="Ann@Example.com")
    assert bearer.json()["token"].startswith("crm_s_")
    assert "set-cookie" not in bearer.headers
    cookie = await sign_in(anonymous, kind="cookie")
    assert cookie.json()["token"] is None
    assert "crm_session=crm_c_" in cookie.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.headers["set-cookie"].split("; "))


async def test_over_tls_the_cookie_is_bound_to_the_host(anonymous: httpx.AsyncClient, make_user: MakeUser) -> None:
    await make_user()
    answer = await anonymous.post(
        "/api/v1/session",
        json={"email": "ann@example.com", "password": PASSWORD},
        headers={"X-Forwarded-Proto": "https"},
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-crm_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_unknown_wrong_and_disabled_look_the_same(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user()
    disabled = await make_user("dan@example.com", Role.AGENT, "Dan")
    off = await client.patch(f"/api/v1/users/{disabled.id}", json={"is_active": False}, headers={"If-Match": '"1"'})
    assert off.status_code == 200
    answers = [
        await sign_in(anonymous, email="nobody@example.com"),
        await sign_in(anonymous, password="not the right one"),
        await sign_in(anonymous, email="dan@example.com"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1


async def test_unknown_accounts_cost_as_much_as_known_ones() -> None:
    passwords = Passwords()
    stored = await passwords.hash(PASSWORD)

    async def best(hash_: str | None) -> float:
        times = []
        for _ in range(4):
            started = time.perf_counter()
            await passwords.verify("not the right one", hash_)
            times.append(time.perf_counter() - started)
        return min(times)

    assert await best(None) > 0.5 * await best(stored)


async def test_sign_in_is_limited_for_one_account_from_one_address(
    anonymous: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user()
    await make_user("bob@example.com", Role.AGENT, "Bob")
    answers = [await sign_in(anonymous, password="wrong wrong wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await sign_in(anonymous, email="bob@example.com")).status_code == 200
    elsewhere = await anonymous.post(
        "/api/v1/session",
        json={"email": "ann@example.com", "password": PASSWORD},
        headers={"X-CRM-Client-Address": "192.0.2.7"},
    )
    assert elsewhere.status_code == 200


async def test_nothing_secret_is_stored(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser, begin: Begin
) -> None:
    ann = await make_user()
    token = (await sign_in(anonymous)).json()["token"]
    key = (await as_user(client_as, ann).post("/api/v1/api-keys", json={"name": "K", "role": "agent"})).json()["key"]
    headers = {"Idempotency-Key": "once"}
    invite = (
        await as_user(client_as, ann).post(
            "/api/v1/invites", json={"email": "c@example.com", "name": "C", "role": "agent"}, headers=headers
        )
    ).json()["token"]
    tables = ("session", "api_key", "invite", "user_account", "audit_entry", "idempotency_key", "signing_key", "outbox")
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        stored = ""
        for table in tables:
            rows = (await session.execute(text(f"SELECT * FROM {table}"))).all()
            stored += "".join(repr(value) for row in rows for value in row)
    for secret in (token, key, invite, PASSWORD):
        assert secret not in stored


async def test_second_factor_is_asked_for_and_each_code_is_good_once(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser
) -> None:
    me = as_user(client_as, await make_user())
    enrolment = (await me.post("/api/v1/session/second-factor")).json()
    secret = base64.b32decode(enrolment["secret"])
    assert (await sign_in(anonymous)).status_code == 200
    step = int(time.time()) // 30
    confirmed = await me.put("/api/v1/session/second-factor", json={"code": totp.code_at(secret, step)})
    assert confirmed.status_code == 204
    assert (await sign_in(anonymous)).json()["code"] == "second_factor_required"
    assert (await sign_in(anonymous, code=totp.code_at(secret, step))).json()["code"] == "wrong_credentials"
    entries = (await me.get("/api/v1/audit")).json()["items"]
    assert [entry["action"] for entry in entries[:2]] == ["session.refused", "second_factor.enabled"]
    next_code = totp.code_at(secret, step + 1)
    assert (await sign_in(anonymous, code=next_code)).status_code == 200
    assert (await sign_in(anonymous, code=next_code)).status_code == 401


async def test_an_invite_makes_one_user_also_when_accepted_twice_at_once(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser
) -> None:
    admin = as_user(client_as, await make_user())
    invited = await admin.post("/api/v1/invites", json={"email": "eve@example.com", "name": "Eve", "role": "agent"})
    assert invited.status_code == 201
    body = {"token": invited.json()["token"], "password": OTHER_PASSWORD}
    weak = await anonymous.post("/public/invites/acceptance", json={**body, "password": "password1234"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    both = await asyncio.gather(*(anonymous.post("/public/invites/acceptance", json=body) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 409]
    assert (await sign_in(anonymous, email="eve@example.com", password=OTHER_PASSWORD)).status_code == 200
    listed = (await admin.get("/api/v1/users", params={"role": "agent"})).json()
    assert listed["total"] == 1


async def test_a_password_reset_ends_the_old_password(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser
) -> None:
    ann = await make_user()
    reset = await as_user(client_as, ann).post(f"/api/v1/users/{ann.id}/password-reset")
    body = {"token": reset.json()["token"], "password": OTHER_PASSWORD}
    assert (await anonymous.post("/public/invites/acceptance", json=body)).status_code == 200
    assert (await sign_in(anonymous)).status_code == 401
    assert (await sign_in(anonymous, password=OTHER_PASSWORD)).status_code == 200


async def test_edits_need_the_version_that_was_read(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    address = f"/api/v1/users/{(await make_user()).id}"
    assert (await client.patch(address, json={"name": "B"})).status_code == 428
    assert (await client.patch(address, json={"name": "B"}, headers={"If-Match": '"9"'})).status_code == 412
    done = await client.patch(address, json={"name": "B"}, headers={"If-Match": '"1"'})
    assert (done.status_code, done.headers["etag"], done.json()["name"]) == (200, '"2"', "B")


async def test_members_that_are_not_ours_are_refused(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    address = f"/api/v1/users/{(await make_user()).id}"
    answer = await client.patch(address, json={"password_hash": "x"}, headers={"If-Match": '"1"'})
    assert answer.status_code == 422


async def test_two_admins_cannot_both_step_down(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    admins = [await make_user(), await make_user("bob@example.com", name="Bob")]
    answers = await asyncio.gather(
        *(
            client.patch(f"/api/v1/users/{admin.id}", json={"role": "agent"}, headers={"If-Match": '"1"'})
            for admin in admins
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "last_admin"


async def test_a_key_is_made_by_a_person_within_what_they_hold(client_as: ClientAs, make_user: MakeUser) -> None:
    agent = as_user(client_as, await make_user(role=Role.AGENT))
    beyond = await agent.post("/api/v1/api-keys", json={"name": "K", "permissions": ["users:write"]})
    assert (beyond.status_code, beyond.json()["code"]) == (403, "permission_not_held")
    neither = await agent.post("/api/v1/api-keys", json={"name": "K"})
    assert neither.status_code == 422
    made = (await agent.post("/api/v1/api-keys", json={"name": "K", "permissions": ["contacts:read"]})).json()
    script = client_as(["*"], kind="api_key", subject=made["id"])
    assert (await script.post("/api/v1/api-keys", json={"name": "L", "role": "admin"})).status_code == 403
    shown = (await agent.get("/api/v1/api-keys")).json()["items"][0]
    assert "key" not in shown
    assert made["key"].startswith(shown["hint"])
    assert (await agent.delete(f"/api/v1/api-keys/{made['id']}")).status_code == 204
    assert (await agent.get(f"/api/v1/api-keys/{made['id']}")).json()["revoked_at"] is not None


async def test_a_script_hands_on_no_more_than_it_holds(client_as: ClientAs, make_user: MakeUser) -> None:
    ann = await make_user()
    bob = await make_user("bob@example.com", Role.BOOKKEEPER, "Bob")
    admin = as_user(client_as, ann)
    made = await admin.post("/api/v1/api-keys", json={"name": "K", "permissions": ["users:*", "contacts:*"]})
    script = client_as(["users:write", "users:read"], kind="api_key", subject=made.json()["id"], actor=str(ann.id))
    new = {"email": "eve@example.com", "name": "Eve", "role": "admin"}
    refused = [
        await script.post("/api/v1/users", json={**new, "password": OTHER_PASSWORD}),
        await script.post("/api/v1/invites", json=new),
        await script.patch(f"/api/v1/users/{bob.id}", json={"role": "admin"}, headers={"If-Match": '"1"'}),
        await script.patch(f"/api/v1/users/{ann.id}", json={"is_active": True}, headers={"If-Match": '"1"'}),
        await script.post(f"/api/v1/users/{ann.id}/password-reset"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "permission_not_held")}
    whole = await admin.post("/api/v1/api-keys", json={"name": "L", "permissions": ["*"]})
    mighty = client_as(["users:write"], kind="api_key", subject=whole.json()["id"], actor=str(ann.id))
    assert (await mighty.post("/api/v1/users", json={**new, "password": OTHER_PASSWORD})).status_code == 201
    renamed = await script.patch(f"/api/v1/users/{bob.id}", json={"name": "Rob"}, headers={"If-Match": '"1"'})
    assert renamed.status_code == 200


async def test_a_repeat_with_its_key_makes_one_user(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user()
    headers = {"Idempotency-Key": "once"}
    new = {"email": "eve@example.com", "name": "Eve", "role": "agent"}
    users = [
        await client.post("/api/v1/users", json={**new, "password": OTHER_PASSWORD}, headers=headers) for _ in range(2)
    ]
    assert [(answer.status_code, answer.json()["id"]) for answer in users] == [(201, users[0].json()["id"])] * 2
    invite = await client.post("/api/v1/invites", json={**new, "email": "fay@example.com"})
    body = {"token": invite.json()["token"], "password": OTHER_PASSWORD}
    accepted = [await anonymous.post("/public/invites/acceptance", json=body, headers=headers) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in accepted] == [(200, {"email": "fay@example.com"})] * 2
    assert (await anonymous.post("/public/invites/acceptance", json=body)).status_code == 409


async def test_what_was_done_stays_written(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser, begin: Begin
) -> None:
    ann = await make_user()
    bob = await make_user("bob@example.com", Role.AGENT, "Bob")
    await sign_in(anonymous, password="a wrong password")
    admin = as_user(client_as, ann)
    await admin.patch(f"/api/v1/users/{bob.id}", json={"is_active": False}, headers={"If-Match": '"1"'})
    entries = (await admin.get("/api/v1/audit")).json()["items"]
    assert [entry["action"] for entry in entries] == [
        "user.changed",
        "session.refused",
        "user.created",
        "user.created",
    ]
    assert entries[0]["details"] == {"before": {"is_active": True}, "after": {"is_active": False}}
    for change in ("UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with begin() as tx:
                await (await tx.aget(AsyncSession)).execute(text(change))


async def test_lists_are_paged_and_cursors_keep_to_their_filter(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    for number in range(3):
        await make_user(f"u{number}@example.com", Role.AGENT, f"U{number}")
    first = (await client.get("/api/v1/users", params={"limit": 2})).json()
    assert (len(first["items"]), first["total"]) == (2, 3)
    rest = (await client.get("/api/v1/users", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    other = await client.get("/api/v1/users", params={"cursor": first["next_cursor"], "role": "admin"})
    assert other.status_code == 422


async def test_who_lacks_a_permission_is_told_which(client_as: ClientAs, anonymous: httpx.AsyncClient) -> None:
    refused = await client_as(["contacts:read"]).get("/api/v1/users")
    assert (refused.status_code, refused.json()["permission"]) == (403, "users:read")
    assert (await anonymous.get("/api/v1/users")).status_code == 401


async def test_pages_and_document_are_served(client: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    assert "API reference" in (await anonymous.get("/docs")).text
    assert (await anonymous.get("/docs/assets/style.css")).headers["content-type"].startswith("text/css")
    assert (await anonymous.get("/docs/assets/settings.py")).status_code == 404
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document == (await anonymous.get("/docs/openapi.json")).json()
    assert {"/api/v1/users", "/api/v1/contacts"} <= set(document["paths"])
    assert "/docs" in (await anonymous.get("/")).text


async def test_own_password_change_keeps_this_session_only(
    client_as: ClientAs, anonymous: httpx.AsyncClient, make_user: MakeUser, begin: Begin
) -> None:
    me = as_user(client_as, await make_user())
    await sign_in(anonymous)
    wrong = await me.put("/api/v1/session/password", json={"current_password": "no", "new_password": OTHER_PASSWORD})
    assert wrong.status_code == 401
    done = await me.put("/api/v1/session/password", json={"current_password": PASSWORD, "new_password": OTHER_PASSWORD})
    assert done.status_code == 204
    async with begin() as tx:
        live = await (await tx.aget(AsyncSession)).execute(text("SELECT count(*) FROM session WHERE ended_at IS NULL"))
        assert live.scalar_one() == 0
