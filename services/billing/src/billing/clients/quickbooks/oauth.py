"""Intuit's OAuth 2 endpoints: consent, exchange, refresh, revocation (reference, section 2)."""

from typing import Any
from urllib.parse import urlencode

import httpx
import structlog
from shared.errors import ProviderRejected, ProviderUnavailable

from billing.provider import PROVIDER, GrantRefused, Tokens
from billing.settings import Settings
from shared import decimal_json

log = structlog.get_logger(__name__)

SCOPE = "com.intuit.quickbooks.accounting"
_HEADERS = {"Accept": "application/json", "x-include-refresh-token-hard-expires-in": "true"}
_CONSENT_END = "x_refresh_token_hard_expires_in"
_TIMEOUT = httpx.Timeout(15, connect=5)


class OAuthClient:
    """Repeats nothing: whoever calls knows whether a second try may do harm."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._auth = httpx.BasicAuth(
            settings.quickbooks_client_id, settings.quickbooks_client_secret.get_secret_value()
        )

    def authorize_address(self, state: str) -> str:
        asked = {
            "client_id": self._settings.quickbooks_client_id,
            "response_type": "code",
            "scope": SCOPE,
            "redirect_uri": self._settings.redirect_uri,
            "state": state,
        }
        return f"{self._settings.authorize_url}?{urlencode(asked)}"

    async def exchange(self, code: str) -> Tokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._settings.redirect_uri}
        return await self._tokens("exchange", form)

    async def refresh(self, refresh_token: str) -> Tokens:
        return await self._tokens("refresh", {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, token: str) -> None:
        """One that is worth nothing any more is as good as revoked."""
        response = await self._post("revoke", self._settings.revoke_url, json={"token": token})
        if response.status_code not in (200, 400):
            raise self._refused("revoke", response)

    async def _tokens(self, operation: str, form: dict[str, str]) -> Tokens:
        response = await self._post(operation, self._settings.token_url, data=form)
        body = _object(response)
        if response.status_code != 200:
            if body.get("error") == "invalid_grant":
                raise GrantRefused(str(body.get("error_description", "")))
            raise self._refused(operation, response)
        try:
            return Tokens(
                access=str(body["access_token"]),
                refresh=str(body["refresh_token"]),
                access_seconds=int(body["expires_in"]),
                refresh_seconds=int(body["x_refresh_token_expires_in"]),
                consent_seconds=int(body[_CONSENT_END]) if body.get(_CONSENT_END) is not None else None,
            )
        except (KeyError, ValueError) as error:
            raise ProviderUnavailable(
                "Intuit answered something that cannot be read.", provider=PROVIDER, operation=operation
            ) from error

    async def _post(self, operation: str, url: str, **content: Any) -> httpx.Response:
        try:
            response = await self._http.post(url, auth=self._auth, headers=_HEADERS, timeout=_TIMEOUT, **content)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"Intuit cannot be reached ({type(error).__name__}).", provider=PROVIDER, operation=operation
            ) from error
        log.info(
            "quickbooks.oauth", operation=operation, status=response.status_code, tid=response.headers.get("intuit_tid")
        )
        return response

    def _refused(self, operation: str, response: httpx.Response) -> Exception:
        if response.status_code >= 500 or response.status_code == 429:
            return ProviderUnavailable(
                f"Intuit is not available ({response.status_code}).", provider=PROVIDER, operation=operation
            )
        said = _object(response).get("error", response.status_code)
        # invalid_client: the app's own id and secret are wrong, which no consent mends.
        return ProviderRejected(
            f"Intuit refused our application ({said}); check CRM_QUICKBOOKS_CLIENT_ID and its secret.",
            provider=PROVIDER,
            operation=operation,
        )


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = decimal_json.read(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
