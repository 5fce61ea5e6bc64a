"""Consent, tokens, health, loss."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import svcs
from billing.models import Connection, OAuthState, OAuthToken
from billing.provider import NotConnected
from billing.services.marks import PULLS
from billing.services.tokens import TokenKeeper
from billing.states import ConnectionStatus
from prometheus_client import REGISTRY
from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import ProviderUnavailable
from shared.testing.tokens import TokenIssuer
from shared.testing.waiting import until
from sqlalchemy import select, update

from .office import REALM, Office


async def keeper(office: Office) -> TokenKeeper:
    async with svcs.Container(office.registry) as container:
        return await container.aget(TokenKeeper)


async def expire(office: Office) -> None:
    """The access token is older than we like, as after fifty minutes."""
    async with office.begin() as tx:
        uow = await tx.aget(UnitOfWork)
        await uow.session.execute(update(OAuthToken).values(access_expires_at=wall_now()))


async def test_before_the_first_consent_the_health_says_what_to_do(office: Office) -> None:
    health = await office.health()
    assert health["status"] is None
    assert "Connect QuickBooks" in health["what_to_do"]
    for path in ("sync", "disconnect"):
        answer = await office.api.post(f"/api/v1/quickbooks/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "quickbooks_not_connected")


async def test_a_consent_connects_and_the_books_are_read(office: Office) -> None:
    assert (await office.connect())["status"] == "connected"
    await office.settle()
    health = await office.health()
    assert (health["status"], health["company_name"]) == ("connected", "Attack-a-Crack Foundation Repair")
    assert health["has_own_numbers"] is True
    assert health["last_sync_at"] is not None
    assert all(mark["is_done"] for mark in health["sync"] if mark["name"].startswith("pull"))
    (restored,) = await office.published("billing.connection.restored.v1")
    assert restored["realm_id"] == REALM


async def test_tokens_lie_sealed(office: Office) -> None:
    await office.connect()
    token = await (await keeper(office)).token(REALM)
    row = await office.one(OAuthToken)
    assert token.encode() not in row.sealed_access
    assert b"RT1-" not in row.sealed_refresh


async def test_a_state_serves_its_own_person_once(office: Office) -> None:
    begun = (await office.api.post("/api/v1/quickbooks/connect")).json()
    back = (await office.control.get(begun["authorize_url"])).headers["location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    body = {"code": given["code"], "state": given["state"], "realm_id": given["realmId"]}
    async with office.begin() as tx:
        uow = await tx.aget(UnitOfWork)
        await uow.session.execute(update(OAuthState).values(person="somebody else"))
    refused = await office.api.post("/api/v1/quickbooks/callback", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "oauth_state_refused")
    assert await office.rows(Connection) == []
    await office.connect()
    again = await office.api.post("/api/v1/quickbooks/callback", json=body)
    assert again.status_code == 409


async def test_a_state_serves_the_session_that_began_it(office: Office, token_issuer: TokenIssuer) -> None:
    person = "9a3c8f50-0000-7000-8000-000000000001"
    here, elsewhere = (
        {"Authorization": f"Bearer {token_issuer.token('billing', ['*'], subject=person, sid=session)}"}
        for session in ("this browser", "another one")
    )
    begun = (await office.api.post("/api/v1/quickbooks/connect", headers=here)).json()
    back = (await office.control.get(begun["authorize_url"])).headers["location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    body = {"code": given["code"], "state": given["state"], "realm_id": given["realmId"]}
    refused = await office.api.post("/api/v1/quickbooks/callback", json=body, headers=elsewhere)
    assert (refused.status_code, refused.json()["code"]) == (409, "oauth_state_refused")
    assert "another sign-in" in refused.json()["detail"]
    assert await office.rows(Connection) == []
    done = await office.api.post("/api/v1/quickbooks/callback", json=body, headers=here)
    assert done.status_code == 200, done.text


async def test_a_browser_that_comes_back_is_sent_on_from_a_page_of_ours(office: Office) -> None:
    begun = (await office.api.post("/api/v1/quickbooks/connect")).json()
    back = urlsplit((await office.control.get(begun["authorize_url"])).headers["location"])
    page = await office.api.get(f"{back.path}?{back.query}", headers={"Authorization": ""})
    assert (page.status_code, "/api/v1/quickbooks/callback?code=" in page.text) == (200, True)
    done = await office.api.get(f"/api/v1/quickbooks/callback?{back.query}")
    assert (done.status_code, "QuickBooks is connected" in done.text) == (200, True)
    assert (await office.health())["status"] == "connected"


async def test_a_refused_consent_is_told_in_words(office: Office) -> None:
    await office.turn(tokens={"consent": "deny"})
    begun = (await office.api.post("/api/v1/quickbooks/connect")).json()
    back = urlsplit((await office.control.get(begun["authorize_url"])).headers["location"])
    page = await office.api.get(f"{back.path}?{back.query}")
    assert "You did not consent." in page.text


PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def is_page(answer: httpx.Response, status: int) -> bool:
    kind = answer.headers["content-type"].split(";")[0]
    assert (answer.status_code, kind) == (status, "text/html"), answer.text
    return True


async def test_what_is_refused_at_the_end_of_a_consent_is_told_on_a_page_with_a_way_on(office: Office) -> None:
    begun = (await office.api.post("/api/v1/quickbooks/connect")).json()
    back = urlsplit((await office.control.get(begun["authorize_url"])).headers["location"])
    address = f"/api/v1/quickbooks/callback?{back.query}"
    signed_out = await office.api.get(address, headers={**PAGE, "Authorization": ""})
    assert is_page(signed_out, 401)
    assert "Your sign-in has ended. Sign in, and begin anew" in signed_out.text
    assert "QuickBooks is connected" in (await office.api.get(address, headers=PAGE)).text
    again = await office.api.get(address, headers=PAGE)
    assert is_page(again, 409)
    assert "Where this page said before that QuickBooks is connected, it is." in again.text
    lacking = await office.api.get("/api/v1/quickbooks/callback?state=y", headers=PAGE)
    assert is_page(lacking, 422)
    for page in (signed_out, again, lacking):
        assert ('<a href="/">Go on</a>' in page.text, "http-equiv" in page.text) == (True, False)
    # A program is answered as anywhere.
    assert (await office.api.get(address)).json()["code"] == "oauth_state_refused"


async def test_while_intuit_does_not_answer_a_browser_is_told_to_begin_anew(office: Office) -> None:
    begun = (await office.api.post("/api/v1/quickbooks/connect")).json()
    back = urlsplit((await office.control.get(begun["authorize_url"])).headers["location"])
    await office.turn(tokens={"fails": "before"})
    page = await office.api.get(f"/api/v1/quickbooks/callback?{back.query}", headers=PAGE)
    assert is_page(page, 502)
    assert "Wait a few minutes and begin anew" in page.text


async def test_who_may_not_connect_is_told_so_on_a_page(office: Office, token_issuer: TokenIssuer) -> None:
    reader = {"Authorization": f"Bearer {token_issuer.token('billing', ['quickbooks:read'])}"}
    page = await office.api.get("/api/v1/quickbooks/callback?code=a&state=b&realmId=1", headers={**PAGE, **reader})
    assert is_page(page, 403)
    assert "ask an administrator" in page.text


async def test_however_much_intuit_says_it_is_told_on_a_page(office: Office) -> None:
    page = await office.api.get("/public/quickbooks/callback", params={"error": "x" * 300}, headers=PAGE)
    assert is_page(page, 200)
    assert f"Intuit says: {'x' * 200}." in page.text


async def test_twenty_parallel_expiries_are_one_refresh_and_nobody_is_locked_out(office: Office) -> None:
    await office.turn(tokens={"rotation_seconds": 0, "after_rotation": "revoke_all"})
    await office.connect()
    await office.settle()
    await expire(office)
    # Twenty workers, each with what it keeps of its own process.
    keepers = [await keeper(office) for _ in range(20)]
    assert len({id(one) for one in keepers}) == 20
    places = asyncio.Semaphore(8)

    async def token(one: TokenKeeper) -> str:
        async with places:
            return await one.token(REALM)

    tokens = await asyncio.gather(*map(token, keepers))
    assert len(set(tokens)) == 1
    assert (await office.grants())["items"][0]["refreshes"] == 1
    assert (await office.one(OAuthToken)).version == 2
    assert (await office.health())["status"] == "connected"


async def test_a_token_that_quickbooks_rejects_is_refreshed_once_and_the_call_repeated(connected: Office) -> None:
    await connected.people_do("expire-access")
    await connected.new_customer("Ben Ode")
    await connected.settle()
    assert (await connected.grants())["items"][0]["refreshes"] >= 1
    assert (await connected.health())["status"] == "connected"


@pytest.mark.parametrize("how", ["expire-refresh", "disconnect"])
async def test_a_dead_refresh_token_asks_for_a_person_and_keeps_everything(connected: Office, how: str) -> None:
    customer = await connected.new_customer()
    await connected.settle()
    await connected.people_do(how)
    await expire(connected)
    with pytest.raises(NotConnected, match="Reconnect QuickBooks"):
        await (await keeper(connected)).token(REALM)
    health = await connected.health()
    assert (health["status"], "Reconnect" in health["what_to_do"]) == ("needs_reconnect", True)
    (lost,) = await connected.published("billing.connection.lost.v1")
    assert lost["realm_id"] == REALM
    await connected.connect()
    await connected.settle()
    assert (await connected.health())["status"] == "connected"
    body = await connected.api.get("/api/v1/customers")
    assert [row["qb_id"] for row in body.json()["items"]] == [customer["Id"]]


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_what_intuit_cannot_answer_now_is_asked_again_with_the_same_token(connected: Office, fails: str) -> None:
    await expire(connected)
    before = await connected.one(OAuthToken)
    await connected.turn(tokens={"fails": fails})
    for _ in range(2):
        with pytest.raises(ProviderUnavailable, match="503"):
            await (await keeper(connected)).token(REALM)
    kept = await connected.one(OAuthToken)
    assert (kept.version, kept.sealed_refresh) == (before.version, before.sealed_refresh)
    assert (await connected.one(Connection)).status is ConnectionStatus.CONNECTED
    await connected.turn(tokens={"fails": None})
    assert await (await keeper(connected)).token(REALM)
    assert (await connected.one(OAuthToken)).version == before.version + 1


async def test_disconnecting_forgets_the_tokens_here_and_there(connected: Office) -> None:
    answer = await connected.api.post("/api/v1/quickbooks/disconnect")
    assert (answer.status_code, answer.json()["status"]) == (200, "disconnected")
    assert await connected.rows(OAuthToken) == []
    assert (await connected.grants())["items"][0]["revoked_at"] is not None
    with pytest.raises(NotConnected):
        await (await keeper(connected)).token(REALM)


async def test_disconnecting_needs_no_token_that_can_be_read(connected: Office) -> None:
    """With another key than it was sealed with, or none of it left: it cannot be revoked, and is forgotten."""
    async with connected.begin() as tx:
        await (await tx.aget(UnitOfWork)).session.execute(update(OAuthToken).values(sealed_refresh=b"x" * 60))
    answer = await connected.api.post("/api/v1/quickbooks/disconnect")
    assert (answer.status_code, answer.json()["status"]) == (200, "disconnected")
    assert await connected.rows(OAuthToken) == []
    assert (await connected.grants())["items"][0]["revoked_at"] is None
    # A consent gives tokens that can be read again.
    assert (await connected.connect())["status"] == "connected"


async def test_another_company_is_refused_while_one_is_connected(connected: Office) -> None:
    body: dict[str, Any] = {"realm_id": "9130350000000002", "name": "Another"}
    assert (await connected.control.post("/sandbox/v1/quickbooks/companies", json=body)).status_code == 201
    begun = (await connected.api.post("/api/v1/quickbooks/connect")).json()
    back = (await connected.control.get(f"{begun['authorize_url']}&realmId=9130350000000002")).headers["location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    answer = await connected.api.post(
        "/api/v1/quickbooks/callback",
        json={"code": given["code"], "state": given["state"], "realm_id": given["realmId"]},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "another_company_connected")
    assert (await connected.one(Connection)).status is ConnectionStatus.CONNECTED


async def test_after_a_month_away_everything_is_read_again(connected: Office) -> None:
    await connected.advance(timedelta(days=40))
    customer = await connected.new_customer("Late Larry")
    await connected.settle()
    listed = (await connected.api.get("/api/v1/customers")).json()
    assert customer["Id"] in {row["qb_id"] for row in listed["items"]}


async def test_a_consent_that_will_end_soon_is_told_of_in_time(connected: Office) -> None:
    async def ends_in(days: int) -> str | None:
        async with connected.begin() as tx:
            uow = await tx.aget(UnitOfWork)
            at = wall_now() + timedelta(days=days, hours=1)
            await uow.session.execute(update(OAuthToken).values(refresh_expires_at=at))
        advice: str | None = (await connected.health())["what_to_do"]
        return advice

    assert await ends_in(30) is None
    assert "for 29 more days" in str(await ends_in(29))
    assert "for 0 more days" in str(await ends_in(0))


async def test_whoever_gives_up_waiting_ends_no_refresh(connected: Office) -> None:
    tokens = await keeper(connected)
    await expire(connected)
    async with connected.begin() as tx:
        uow = await tx.aget(UnitOfWork)
        await uow.session.execute(select(OAuthToken).with_for_update())
        asking = asyncio.create_task(tokens.token(REALM))
        await connected.somebody_waits()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def is_refreshed() -> bool:
        return (await connected.one(OAuthToken)).refreshes == 1

    await until(is_refreshed, what="the refresh came to its end")


async def test_no_refresh_moves_the_end_of_a_consent(office: Office) -> None:
    await office.turn(tokens={"hard_seconds": 20 * 86_400})
    try:
        await office.connect()
        await office.settle()
        health = await office.health()
        end = health["consent_expires_at"]
        assert timedelta(days=19) < datetime.fromisoformat(end) - wall_now() < timedelta(days=20, minutes=1)
        assert "for 19 more days" in health["what_to_do"]
        await expire(office)
        await office.new_customer("Ana Lima")
        await office.settle()
        refreshed = await office.one(OAuthToken)
        assert refreshed.refreshes == 1
        # Told anew with every refresh, and as it was but for the seconds that are cut off.
        told_again = datetime.fromisoformat((await office.health())["consent_expires_at"])
        assert abs(told_again - datetime.fromisoformat(end)) < timedelta(minutes=1)
    finally:
        await office.turn(tokens={"hard_seconds": 5 * 365 * 86_400})


async def test_calls_are_counted_as_intuit_bills_them(connected: Office) -> None:
    def counted(billed_as: str) -> float:
        labels = {"realm": REALM, "billed_as": billed_as}
        return REGISTRY.get_sample_value("crm_quickbooks_calls_total", labels) or 0.0

    contact = await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    reads, writes = counted("metered"), counted("core")
    made = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert made.is_success, made.text
    await connected.turn(calls={"chosen": {"create customer": ["application_error"]}})
    await connected.settle()
    await connected.advance(timedelta(minutes=1))
    await connected.settle()
    # It looked for the name, wrote once where the first try was not done, and read what webhooks told of.
    assert counted("core") - writes == 1
    assert counted("metered") > reads


async def test_kinds_are_pulled_in_their_order_also_after_a_hiccup(office: Office) -> None:
    # The second list of the first pull cannot be read for the moment: no later one may overtake it.
    await office.turn(calls={"chosen": {"query": [None, "unavailable_html"]}})
    await office.connect()
    await office.worker.run_until_idle()
    done = {mark["name"] for mark in (await office.health())["sync"] if mark["is_done"]}
    assert done == {"pull Term"}
    await office.advance(timedelta(seconds=40))
    await office.settle()
    done = {mark["name"] for mark in (await office.health())["sync"] if mark["is_done"]}
    assert done == {"history", *PULLS}
