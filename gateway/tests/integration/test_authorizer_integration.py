"""Recognising callers, service tokens, the key set and its rotation, with a real database."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import svcs
from gateway.errors import ForeignOrigin
from gateway.models import ApiKey, Session, SessionKind, SigningKey
from gateway.roles import Role
from gateway.services import authorizer as authorizer_module
from gateway.services.accounts import Accounts, Attempt
from gateway.services.api_keys import ApiKeyService
from gateway.services.audit import COMMAND_LINE
from gateway.services.authorizer import Asked, Authorizer
from gateway.services.signing_keys import PUBLISHED_BEFORE, ROTATE_AFTER, KeyRotation, SigningKeys
from gateway.services.users import UserChange, UserService
from joserfc.jwk import KeySet
from shared.auth import read_token
from shared.clock import wall_now
from shared.database import Begin
from shared.errors import AppError, NotFound, TooManyRequests, Unauthorized
from shared.worker import Worker
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import PASSWORD, SERVICE_SECRET, MakeUser


def asked(**changes: Any) -> Asked:
    return Asked(
        **{
            "audience": "contacts",
            "method": "GET",
            "authorization": None,
            "cookie": None,
            "origin": None,
            "fetch_site": None,
            "is_marked": False,
            "host": "127.0.0.1:8080",
            "scheme": "http",
            "address": "192.0.2.1",
            **changes,
        }
    )


@pytest.fixture
async def container(registry: svcs.Registry) -> Any:
    async with svcs.Container(registry) as container:
        yield container


async def signed_in(container: svcs.Container, kind: SessionKind = SessionKind.BEARER) -> str:
    accounts = await container.aget(Accounts)
    attempt = Attempt("ann@example.com", PASSWORD, None, kind, address="192.0.2.1", user_agent="test")
    return (await accounts.sign_in(attempt)).token


async def test_a_bearer_is_no_cookie_and_a_cookie_no_bearer(container: svcs.Container, make_user: MakeUser) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    bearer, cookie = await signed_in(container), await signed_in(container, SessionKind.COOKIE)
    assert (await authorizer.authorize(asked(authorization=f"Bearer {bearer}"))).credential.startswith("session:")
    assert (await authorizer.authorize(asked(cookie=cookie))).credential.startswith("session:")
    for wrong in ({"cookie": bearer}, {"authorization": f"Bearer {cookie}"}, {"authorization": "Bearer "}, {}):
        fresh = Authorizer(
            await container.aget(Begin),
            await container.aget(SigningKeys),
            await container.aget(authorizer_module.DeclaredPermissions),
            await container.aget(authorizer_module.GatewaySettings),
        )
        with pytest.raises(Unauthorized):
            await fresh.authorize(asked(**wrong))


async def test_a_remembered_bearer_is_no_cookie_either(container: svcs.Container, make_user: MakeUser) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    bearer = await signed_in(container)
    await authorizer.authorize(asked(authorization=f"Bearer {bearer}"))
    with pytest.raises(Unauthorized):
        await authorizer.authorize(asked(cookie=bearer))


async def test_a_change_with_a_cookie_must_come_from_our_own_page(
    container: svcs.Container, make_user: MakeUser
) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    cookie = await signed_in(container, SessionKind.COOKIE)
    change = {"cookie": cookie, "method": "POST", "is_marked": True}
    await authorizer.authorize(asked(**change, origin="http://127.0.0.1:8080"))
    await authorizer.authorize(asked(**change, fetch_site="same-origin"))
    for foreign in ("https://127.0.0.1:8080", "http://127.0.0.1:8081", "http://evil.example", "null", ""):
        with pytest.raises(ForeignOrigin):
            await authorizer.authorize(asked(**change, origin=foreign))


async def test_a_token_tells_one_session_of_a_person_from_another(
    container: svcs.Container, make_user: MakeUser
) -> None:
    await make_user()
    authorizer, keys = await container.aget(Authorizer), await container.aget(SigningKeys)

    async def session_of(secret: str, audience: str = "contacts") -> str | None:
        grant = await authorizer.authorize(asked(authorization=f"Bearer {secret}", audience=audience))
        return (await keys.verify(grant.token, audience)).session

    first, second = await signed_in(container), await signed_in(container)
    assert await session_of(first) == await session_of(first, "gateway")
    assert len({await session_of(first), await session_of(second), None}) == 3


async def test_sessions_end_by_idleness_and_by_age(
    container: svcs.Container, make_user: MakeUser, begin: Begin
) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    for stale in ({"last_seen_at": wall_now() - timedelta(hours=13)}, {"expires_at": wall_now()}):
        token = await signed_in(container)
        async with begin() as tx:
            await (await tx.aget(AsyncSession)).execute(update(Session).values(**stale))
        with pytest.raises(Unauthorized):
            await authorizer.authorize(asked(authorization=f"Bearer {token}"))


async def test_another_role_ends_sessions_and_narrows_keys(
    container: svcs.Container, make_user: MakeUser, begin: Begin
) -> None:
    await make_user()
    bob = await make_user("bob@example.com", Role.ADMIN, "Bob")
    keys = await container.aget(SigningKeys)
    accounts = await container.aget(Accounts)
    attempt = Attempt("bob@example.com", PASSWORD, None, SessionKind.BEARER, address="a", user_agent="")
    session = await accounts.sign_in(attempt)
    async with begin() as tx:
        _, key = await (await tx.aget(ApiKeyService)).create(
            name="K", permissions=["*"], expires_at=None, owner_id=bob.id, actor=COMMAND_LINE
        )
    async with begin() as tx:
        await (await tx.aget(UserService)).change(bob.id, 1, UserChange(role=Role.BOOKKEEPER), COMMAND_LINE)
    authorizer = await container.aget(Authorizer)
    assert not await authorizer.is_live(f"session:{session.session.id}")
    with pytest.raises(Unauthorized):
        await authorizer.authorize(asked(authorization=f"Bearer {session.token}"))
    grant = await authorizer.authorize(asked(authorization=f"Bearer {key}"))
    assert (await keys.verify(grant.token, "contacts")).permissions == {"contacts:read"}
    async with begin() as tx:
        await (await tx.aget(UserService)).change(bob.id, 2, UserChange(is_active=False), COMMAND_LINE)
    assert not await authorizer.is_live(grant.credential)


async def test_use_of_a_key_is_shown_and_a_revoked_one_is_dead(
    container: svcs.Container, make_user: MakeUser, begin: Begin
) -> None:
    ann = await make_user()
    async with begin() as tx:
        made, key = await (await tx.aget(ApiKeyService)).create(
            name="K", permissions=["contacts:read"], expires_at=None, owner_id=ann.id, actor=COMMAND_LINE
        )
    authorizer = await container.aget(Authorizer)
    await authorizer.authorize(asked(authorization=f"Bearer {key}"))
    async with begin() as tx:
        stored = await (await tx.aget(AsyncSession)).get_one(ApiKey, made.id)
        assert stored.last_used_at is not None
        await (await tx.aget(ApiKeyService)).revoke(made.id, COMMAND_LINE)
    assert not await authorizer.is_live(f"api_key:{made.id}")


async def refusals(authorizer: Authorizer, times: int, **request: Any) -> set[type[AppError]]:
    """The kinds of refusal that a caller gets who asks so often."""
    found: set[type[AppError]] = set()
    for _ in range(times):
        try:
            await authorizer.authorize(asked(**request))
        except AppError as refusal:
            found.add(type(refusal))
    return found


async def test_callers_are_limited_each_for_themselves(container: svcs.Container, make_user: MakeUser) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    assert await refusals(authorizer, 200, authorization="Bearer crm_s_wrong") == {Unauthorized, TooManyRequests}
    token = await signed_in(container)
    elsewhere = await authorizer.authorize(asked(authorization=f"Bearer {token}", address="192.0.2.9"))
    assert elsewhere.token
    assert await refusals(authorizer, 600, authorization=f"Bearer {token}", address="192.0.2.9") == {TooManyRequests}


async def test_whoever_is_recognised_pays_for_nobody_else_at_their_address(
    container: svcs.Container, make_user: MakeUser
) -> None:
    await make_user()
    authorizer = await container.aget(Authorizer)
    token = await signed_in(container)
    assert TooManyRequests in await refusals(authorizer, 200, authorization="Bearer crm_s_wrong")
    assert (await authorizer.authorize(asked(authorization=f"Bearer {token}"))).token


async def test_there_is_no_token_for_a_service_that_is_not_routed(container: svcs.Container) -> None:
    authorizer = await container.aget(Authorizer)
    with pytest.raises(NotFound):
        await authorizer.authorize(asked(audience="somewhere"))


async def test_services_get_their_own_tokens_for_their_secret(
    anonymous: httpx.AsyncClient, container: svcs.Container
) -> None:
    body = {"service": "contacts", "secret": SERVICE_SECRET, "audience": "messaging"}
    answer = await anonymous.post("/internal/v1/token", json=body)
    assert answer.status_code == 200
    keys = KeySet.import_key_set((await anonymous.get("/.well-known/jwks.json")).json())
    principal = read_token(answer.json()["token"], "messaging", keys)
    assert (principal.kind, principal.id, principal.permissions) == ("service", "contacts", {"internal"})
    for wrong in ({"secret": "x"}, {"service": "nobody"}, {"service": "nobody", "secret": ""}, {"secret": "ü"}):
        assert (await anonymous.post("/internal/v1/token", json={**body, **wrong})).status_code == 401


async def test_keys_rotate_with_two_live_and_no_token_refused(container: svcs.Container, begin: Begin) -> None:
    keys = await container.aget(SigningKeys)
    rotation = await container.aget(KeyRotation)
    claims = authorizer_module.Claims("contacts", "u", "user", "U", [])
    before = await keys.sign(claims)

    async def reread() -> SigningKeys:
        async with svcs.Container(container.registry) as other:
            return await other.aget(SigningKeys)

    async def age(**values: Any) -> None:
        async with begin() as tx:
            await (await tx.aget(AsyncSession)).execute(update(SigningKey).values(**values))

    await age(created_at=wall_now() - ROTATE_AFTER)
    await rotation.run_once()
    await rotation.run_once()
    published = (await (await reread()).public_set())["keys"]
    assert len(published) == 2
    await (await reread()).verify(before, "contacts")
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        new = (await session.execute(select(SigningKey).where(SigningKey.retires_at.is_(None)))).scalar_one()
        assert new.signs_from > wall_now() + PUBLISHED_BEFORE / 2
        new.signs_from = wall_now()
    fresh = await reread()
    after = await fresh.sign(claims)
    assert after.split(".")[0] != before.split(".")[0]
    await fresh.verify(before, "contacts")
    await fresh.verify(after, "contacts")


async def test_the_worker_comes_to_rest(worker: Worker) -> None:
    assert await worker.run_until_idle() == 0
    assert (await worker.idle()).idle
