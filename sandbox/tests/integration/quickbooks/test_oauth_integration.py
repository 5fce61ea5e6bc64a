"""Consent, codes, and tokens whose value changes."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from shared.testing.plugin import FakeClock

from .app import APP, CONTROL, REALM, REDIRECT, TOKENS, App

DAY = timedelta(days=1)


async def test_a_consent_names_its_company_on_the_callback_only(app: App) -> None:
    answer = await app.consent(state="xyz")
    assert answer.status_code == 302
    given = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (given["state"], given["realmId"]) == (["xyz"], [REALM])
    tokens = await app.exchange(given["code"][0])
    assert "realmId" not in tokens.json()
    assert tokens.headers["cache-control"] == "no-store"
    assert tokens.json()["expires_in"] == 3600
    assert tokens.json()["refresh_token"].startswith("RT1-")


@pytest.mark.parametrize("wrong", [{"client_id": "x"}, {"state": ""}, {"response_type": "token"}, {"scope": "openid"}])
async def test_a_consent_page_refuses_what_is_no_request_of_the_app(app: App, wrong: dict[str, str]) -> None:
    assert (await app.consent(**wrong)).status_code == 400


async def test_a_person_may_decline(app: App, turn: Any) -> None:
    await turn(tokens={"consent": "deny"})
    given = parse_qs(urlsplit((await app.consent()).headers["location"]).query)
    assert given == {"error": ["access_denied"], "state": ["s1"]}


async def test_a_code_is_good_once_for_its_address_and_ten_minutes(app: App, crm_clock: FakeClock) -> None:
    code = await app.code()
    wrong_address = await app.exchange(code, redirect_uri=f"{REDIRECT}/other")
    assert (wrong_address.status_code, wrong_address.json()["error"]) == (400, "invalid_grant")
    assert (await app.exchange(code)).status_code == 200
    assert (await app.exchange(code)).json()["error_description"] == "Invalid authorization code"
    late = await app.code()
    await crm_clock.advance(timedelta(minutes=10))
    assert (await app.exchange(late)).status_code == 400


@pytest.mark.parametrize("auth", [("sandbox-app", "wrong"), ("wrong", APP[1]), None])
async def test_tokens_are_for_the_app_alone(app: App, auth: tuple[str, str] | None) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    answer = await app.http.post(TOKENS, data=form, auth=auth)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_the_secret_may_come_in_the_form(app: App) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token}
    answer = await app.http.post(TOKENS, data=form | {"client_id": APP[0], "client_secret": APP[1]})
    assert answer.status_code == 200


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
    [grant] = (await control.get(f"{CONTROL}/{REALM}/grants")).json()["items"]
    assert grant["refreshes"] == 1


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
    answer = await app.http.post(TOKENS, data=form, auth=APP, headers=asked)
    assert 157_000_000 < answer.json()["x_refresh_token_hard_expires_in"] <= 157_680_000


async def test_a_revoked_token_opens_nothing(app: App) -> None:
    revoked = await app.http.post("/v2/oauth2/tokens/revoke", json={"token": app.refresh_token}, auth=APP)
    assert revoked.status_code == 200
    assert (await app.call("GET", f"companyinfo/{REALM}")).status_code == 401
    assert (await app.refresh()).status_code == 400
    again = await app.http.post("/v2/oauth2/tokens/revoke", json={"token": app.refresh_token}, auth=APP)
    assert again.status_code == 400


@pytest.mark.parametrize("how", ["disconnect", "expire-refresh"])
async def test_what_people_and_time_end_is_ended(app: App, control: httpx.AsyncClient, how: str) -> None:
    assert (await control.post(f"{CONTROL}/{REALM}/{how}")).json() == {"ended": 1}
    assert (await app.refresh()).json()["error"] == "invalid_grant"


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
    found = (await app.http.get("/.well-known/openid_sandbox_configuration")).json()
    assert found["token_endpoint"].endswith(TOKENS)
