"""Consent, codes, and tokens whose value changes."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from shared.testing.plugin import FakeClock

from .app import APP, CONTROL, REALM, REDIRECT, TOKENS, App

REVOKE = "/v2/oauth2/tokens/revoke"
USERINFO = "/v1/openid_connect/userinfo"
DAY = timedelta(days=1)


async def test_a_consent_names_its_company_on_the_callback_only(app: App) -> None:
    given = _callback(await app.consent(state="xyz"))
    assert (given["state"], given["realmId"]) == (["xyz"], [REALM])
    tokens = await app.exchange(given["code"][0])
    assert "realmId" not in tokens.json()
    assert tokens.headers["cache-control"] == "no-store"
    assert tokens.json()["expires_in"] == 3600
    assert tokens.json()["refresh_token"].startswith("RT1-")


def _callback(answer: httpx.Response) -> dict[str, list[str]]:
    """What the app finds on its callback."""
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def test_another_application_is_let_in_by_hand(app: App, control: httpx.AsyncClient) -> None:
    given = (await control.post(f"{CONTROL}/{REALM}/access-token")).json()
    app.access_token = given["access_token"]
    assert given["expires_in"] == 3600
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 200
    # The first one's own consent stays as it is.
    assert len((await control.get(f"{CONTROL}/{REALM}/grants")).json()["items"]) == 2
    assert (await control.post(f"{CONTROL}/4711/access-token")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        *({"client_id": "x"}, {"state": ""}, {"response_type": "token"}),
        *({"redirect_uri": "javascript:x"}, {"redirect_uri": f"{REDIRECT}\0"}, {"realmId": "4711"}),
    ],
)
async def test_a_consent_page_refuses_what_is_no_request_of_the_app(app: App, wrong: dict[str, str]) -> None:
    answer = await app.consent(**wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("scope", ["openid", ""])
async def test_a_consent_without_the_accounting_scope_is_told_to_the_app(app: App, scope: str) -> None:
    assert _callback(await app.consent(scope=scope)) == {"error": ["invalid_scope"], "state": ["s1"]}


async def test_a_consent_is_for_the_company_that_was_chosen(app: App, control: httpx.AsyncClient) -> None:
    other = "9999"  # Not the first, which one gets without asking.
    assert (await control.post(CONTROL, json={"realm_id": other, "name": "Other"})).status_code == 201
    given = _callback(await app.consent(realmId=other))
    assert given["realmId"] == [other]
    assert (await app.exchange(given["code"][0])).status_code == 200
    headers = {"Authorization": f"Bearer {app.access_token}"}
    assert (await app.http.get(f"/v3/company/{other}/companyinfo/{other}", headers=headers)).status_code == 200
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 403


async def test_a_person_may_decline(app: App, turn: Any) -> None:
    await turn(tokens={"consent": "deny"})
    assert _callback(await app.consent()) == {"error": ["access_denied"], "state": ["s1"]}


async def test_a_code_is_good_once_for_its_address_and_ten_minutes(app: App, crm_clock: FakeClock) -> None:
    code = await app.code()
    wrong_address = await app.exchange(code, redirect_uri=f"{REDIRECT}/other")
    assert (wrong_address.status_code, wrong_address.json()["error"]) == (400, "invalid_grant")
    assert (await app.exchange(code)).status_code == 200
    assert (await app.exchange(code)).json()["error_description"] == "Invalid authorization code"
    late = await app.code()
    await crm_clock.advance(timedelta(minutes=10))
    assert (await app.exchange(late)).status_code == 400


async def test_of_ten_exchanges_of_a_code_at_once_one_gets_tokens(app: App) -> None:
    code = await app.code()
    answers = await asyncio.gather(*(app.exchange(code) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9


@pytest.mark.parametrize("auth", [("sandbox-app", "wrong"), ("wrong", APP[1]), None])
async def test_tokens_are_for_the_app_alone(app: App, auth: tuple[str, str] | None) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    answer = await app.http.post(TOKENS, data=form, auth=auth)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_the_secret_may_come_in_the_form(app: App) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    answer = await app.http.post(TOKENS, data=form | {"client_id": APP[0], "client_secret": APP[1]})
    assert answer.status_code == 200
    wrong = await app.http.post(TOKENS, data=form | {"client_id": APP[0], "client_secret": "wrong"})
    assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize("header", [b"Basic \xe9", b"Basic ====", b"Basic /w==", b"Basic"])
async def test_a_header_that_is_no_secret_is_refused_as_a_wrong_one(app: App, header: bytes) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    answer = await app.http.post(TOKENS, data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_the_status_of_a_wrong_secret_is_turned(app: App, turn: Any) -> None:
    await turn(tokens={"invalid_client_status": 400})
    answer = await app.http.post(TOKENS, data={"grant_type": "refresh_token"}, auth=("sandbox-app", "wrong"))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_client"})


@pytest.mark.parametrize(
    ("form", "description"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "RT1-\0"}, "Incorrect or invalid refresh token"),
        ({"grant_type": "refresh_token"}, "Incorrect or invalid refresh token"),
        ({"grant_type": "authorization_code", "code": "\0", "redirect_uri": REDIRECT}, "Invalid authorization code"),
    ],
)
async def test_what_cannot_be_a_token_is_an_invalid_grant(app: App, form: dict[str, str], description: str) -> None:
    answer = await app.http.post(TOKENS, data=form, auth=APP)
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert answer.json() == {"error": "invalid_grant", "error_description": description}


async def test_a_refresh_changes_the_value_once_it_is_a_day_old(app: App, crm_clock: FakeClock) -> None:
    first = app.refresh_token
    assert (await app.refresh()).json()["refresh_token"] == first
    await crm_clock.advance(DAY)
    assert (await app.refresh()).json()["refresh_token"] != first
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 200
    assert (await app.refresh(first)).json()["error"] == "invalid_grant"
    assert (await app.refresh()).status_code == 200


@pytest.mark.parametrize(
    ("rule", "former_passes", "winner_lives"), [("refuse", 400, 200), ("revoke_all", 400, 400), ("grace", 200, 200)]
)
async def test_what_the_former_value_does_is_turned(
    app: App, crm_clock: FakeClock, turn: Any, rule: str, former_passes: int, winner_lives: int
) -> None:
    await turn(tokens={"after_rotation": rule})
    former = app.refresh_token
    await crm_clock.advance(DAY)
    await app.refresh()
    winner = app.refresh_token
    assert (await app.refresh(former)).status_code == former_passes
    assert (await app.refresh(winner)).status_code == winner_lives


async def test_of_twenty_refreshes_at_once_one_changes_the_value(
    app: App, control: httpx.AsyncClient, crm_clock: FakeClock
) -> None:
    await crm_clock.advance(DAY)
    token = app.refresh_token
    answers = await asyncio.gather(*(app.refresh(token) for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * 19
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    listed = await control.get(f"{CONTROL}/{REALM}/grants")
    [grant] = listed.json()["items"]
    assert grant["refreshes"] == 1
    assert app.refresh_token not in listed.text
    assert (await app.refresh()).status_code == 200


@pytest.mark.parametrize(("rule", "age", "values"), [("refuse", timedelta(0), 0), ("grace", DAY, 1)])
async def test_of_twenty_refreshes_at_once_all_that_pass_are_told_the_same_value(
    app: App, crm_clock: FakeClock, turn: Any, rule: str, age: timedelta, values: int
) -> None:
    """Before the value is old enough, and where its former one is let pass: nobody is left with a dead value."""
    await turn(tokens={"after_rotation": rule})
    await crm_clock.advance(age)
    token = app.refresh_token
    answers = await asyncio.gather(*(app.refresh(token) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    told = {answer.json()["refresh_token"] for answer in answers}
    assert (len(told), len(told - {token})) == (1, values)
    assert len({answer.json()["access_token"] for answer in answers}) == 20


async def test_a_lost_race_may_cost_the_winner_its_tokens(app: App, crm_clock: FakeClock, turn: Any) -> None:
    """What the first presenter of the former value did to the grant is kept, though it was refused."""
    await turn(tokens={"after_rotation": "revoke_all"})
    await crm_clock.advance(DAY)
    token = app.refresh_token
    answers = await asyncio.gather(*(app.refresh(token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 401
    assert (await app.refresh()).status_code == 400


async def test_an_idle_token_and_an_old_consent_end(app: App, turn: Any, crm_clock: FakeClock) -> None:
    await turn(tokens={"idle_seconds": 3 * 86_400, "hard_seconds": 5 * 86_400})
    await app.exchange(await app.code())
    for _ in range(2):
        await crm_clock.advance(2 * DAY)
        assert (await app.refresh()).status_code == 200
    await crm_clock.advance(DAY)
    assert (await app.refresh()).status_code == 400
    await app.exchange(await app.code())
    await crm_clock.advance(3 * DAY)
    assert (await app.refresh()).status_code == 400


async def test_the_hard_end_is_told_to_who_asks(app: App) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    asked = {"x-include-refresh-token-hard-expires-in": "true"}
    assert "x_refresh_token_hard_expires_in" not in (await app.refresh()).json()
    answer = await app.http.post(TOKENS, data=form, auth=APP, headers=asked)
    assert answer.json()["x_refresh_token_expires_in"] == 8_640_000
    assert 157_000_000 < answer.json()["x_refresh_token_hard_expires_in"] <= 157_680_000


async def test_a_revoked_token_opens_nothing(app: App) -> None:
    revoked = await app.http.post(REVOKE, json={"token": app.refresh_token}, auth=APP)
    assert revoked.status_code == 200
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 401
    assert (await app.refresh()).status_code == 400
    again = await app.http.post(REVOKE, json={"token": app.refresh_token}, auth=APP)
    assert again.status_code == 400


async def test_an_access_token_revokes_its_consent_too(app: App) -> None:
    assert (await app.http.post(REVOKE, json={"token": app.access_token}, auth=APP)).status_code == 200
    assert (await app.refresh()).status_code == 400


async def test_only_the_app_revokes(app: App) -> None:
    for auth in (None, ("sandbox-app", "wrong")):
        assert (await app.http.post(REVOKE, json={"token": app.refresh_token}, auth=auth)).status_code == 401
    assert (await app.refresh()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b"\xff", b'{"token":null}', b'{"token":4}'),
        *(b'{"token":"\\u0000"}', b'{"token":"\\ud800"}', b'{"token":' + b"[" * 60_000),
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_no_token_is_not_revoked(app: App, body: bytes) -> None:
    answer = await app.http.post(REVOKE, content=body, auth=APP)
    assert answer.status_code == 400
    assert "problem" not in answer.headers.get("content-type", "")


@pytest.mark.parametrize(("how", "access_lives"), [("disconnect", 401), ("expire-refresh", 200)])
async def test_what_people_and_time_end_is_ended(
    app: App, control: httpx.AsyncClient, how: str, access_lives: int
) -> None:
    assert (await control.post(f"{CONTROL}/{REALM}/{how}")).json() == {"ended": 1}
    assert (await app.refresh()).json()["error"] == "invalid_grant"
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == access_lives
    [grant] = (await control.get(f"{CONTROL}/{REALM}/grants")).json()["items"]
    assert (grant["revoked_at"] is not None) is (how == "disconnect")


async def test_a_company_that_is_not_there_has_nothing_to_end(control: httpx.AsyncClient) -> None:
    for how in ("disconnect", "expire-access", "expire-refresh"):
        assert (await control.post(f"{CONTROL}/4711/{how}")).status_code == 404


async def test_access_ends_an_hour_after_it_was_given(app: App, crm_clock: FakeClock) -> None:
    await crm_clock.advance(timedelta(minutes=59))
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 200
    await crm_clock.advance(timedelta(minutes=1))
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 401


async def test_an_expired_access_token_is_told_of_in_lower_case(app: App, control: httpx.AsyncClient) -> None:
    assert (await control.post(f"{CONTROL}/{REALM}/expire-access")).json() == {"ended": 1}
    answer = await app.call("GET", f"companyinfo/{REALM}")
    assert (answer.status_code, answer.json()["fault"]["error"][0]["code"]) == (401, "3200")
    assert (await app.refresh()).status_code == 200
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 200


async def test_another_companys_books_stay_closed(app: App, control: httpx.AsyncClient) -> None:
    other = {"realm_id": "42", "name": "Other"}
    assert (await control.post(CONTROL, json=other)).status_code == 201
    assert (await control.post(CONTROL, json=other)).status_code == 409
    headers = {"Authorization": f"Bearer {app.access_token}"}
    answer = await app.http.get("/v3/company/42/companyinfo/42", headers=headers)
    assert (answer.status_code, answer.json()["fault"]["error"][0]["code"]) == (403, "3100")


async def test_discovery_points_back_here(app: App) -> None:
    for name in ("openid_configuration", "openid_sandbox_configuration"):
        found = (await app.http.get(f"/.well-known/{name}")).json()
        here = str(app.http.base_url).rstrip("/")
        assert found["authorization_endpoint"] == f"{here}/connect/oauth2"
        assert found["token_endpoint"] == f"{here}{TOKENS}"
        assert found["revocation_endpoint"] == f"{here}{REVOKE}"
        assert found["userinfo_endpoint"] == f"{here}{USERINFO}"
        # No id_token is ever given, so there is no key to check one with.
        assert (await app.http.get(found["jwks_uri"])).json() == {"keys": []}


async def test_who_connected_is_told_to_who_holds_a_live_token(app: App, control: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {app.access_token}"}
    first = await app.http.get(USERINFO, headers=headers)
    assert (first.status_code, list(first.json())) == (200, ["sub"])
    assert (await app.http.get(USERINFO, headers=headers)).json() == first.json()
    await control.post(f"{CONTROL}/{REALM}/expire-access")
    for refused in (headers, {}, {"Authorization": "Bearer x"}):
        answer = await app.http.get(USERINFO, headers=refused)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_token"})
