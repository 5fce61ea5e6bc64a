"""Settings of the billing service."""

from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from shared.settings import Mode, ServiceSettings

_REAL_PROVIDER = ("intuit.com",)


class Settings(ServiceSettings):
    billing_key: SecretStr
    """Seals the tokens of QuickBooks and signs the addresses of public pages."""
    quickbooks_client_id: str = "sandbox-app"
    quickbooks_client_secret: SecretStr
    quickbooks_verifier_token: SecretStr
    """Signs the webhooks that QuickBooks sends."""
    quickbooks_authorize_url: str = ""
    quickbooks_token_url: str = ""
    quickbooks_revoke_url: str = ""
    quickbooks_api_url: str = ""
    """Empty addresses are the sandbox's, in sandbox mode."""
    openphone_url: str = "http://127.0.0.1:18160"
    """Where the sandbox stands, which is OpenPhone and QuickBooks in one."""
    public_url: str = "http://127.0.0.1:8080"
    """Where browsers reach the gateway: QuickBooks sends people back there, and estimates are looked at there."""
    quickbooks_rate: float = Field(7.5, ge=0, le=10)
    """Calls a second and company over all workers: 450 a minute, of the 500 (and 10 a second) that are allowed."""
    quickbooks_throttle_seconds: float = Field(60, gt=0)
    """How long a 429 asks to wait where it does not say."""
    quickbooks_timeout_seconds: float = Field(60, gt=0)
    token_margin_seconds: int = Field(600, ge=0)
    """A token of an hour is refreshed once it is fifty minutes old."""
    push_lease_seconds: float = Field(120, gt=0)
    reading_lease_seconds: float = Field(30, gt=0)
    """For how long a company stays with a worker that died while it read its books."""
    push_retry_seconds: float = Field(2, gt=0)
    cdc_overlap_seconds: int = Field(600, ge=0)
    estimate_valid_days: int = Field(30, ge=1, le=3650)
    estimate_prefix: str = Field("E-", pattern=r"^[A-Z]{1,4}-$")
    invoice_prefix: str = Field("I-", pattern=r"^[A-Z]{1,4}-$")
    """Numbers with these are ours: every one in QuickBooks has its intent here."""
    business_name: str = "Attack-a-Crack Foundation Repair"
    business_phone: str = ""
    """Whom customers call, as they read it."""

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        if self.mode is Mode.SANDBOX:
            for url in (self.authorize_url, self.token_url, self.revoke_url, self.api_url):
                if (urlsplit(url).hostname or "").endswith(_REAL_PROVIDER):
                    raise ValueError(
                        "sandbox mode never talks to the real QuickBooks; set CRM_MODE or CRM_QUICKBOOKS_*"
                    )
        return self

    @model_validator(mode="after")
    def _check_lease(self) -> Self:
        if self.push_lease_seconds < 2 * self.quickbooks_timeout_seconds:
            raise ValueError(
                "push_lease_seconds must be at least twice quickbooks_timeout_seconds: a write waits for its turn, and"
                " has to be over before another worker looks for it"
            )
        return self

    @property
    def push_leaves_within(self) -> timedelta:
        """Of its claim: a write that has not left by then is left to whoever claims it next."""
        return timedelta(seconds=self.push_lease_seconds - self.quickbooks_timeout_seconds)

    @property
    def _is_sandbox(self) -> bool:
        return self.mode is Mode.SANDBOX

    @property
    def authorize_url(self) -> str:
        own = (
            f"{self.openphone_url}/connect/oauth2"
            if self._is_sandbox
            else "https://appcenter.intuit.com/connect/oauth2"
        )
        return self.quickbooks_authorize_url or own

    @property
    def token_url(self) -> str:
        host = self.openphone_url if self._is_sandbox else "https://oauth.platform.intuit.com"
        return self.quickbooks_token_url or f"{host}/oauth2/v1/tokens/bearer"

    @property
    def revoke_url(self) -> str:
        host = self.openphone_url if self._is_sandbox else "https://developer.api.intuit.com"
        return self.quickbooks_revoke_url or f"{host}/v2/oauth2/tokens/revoke"

    @property
    def api_url(self) -> str:
        host = self.openphone_url if self._is_sandbox else "https://quickbooks.api.intuit.com"
        return self.quickbooks_api_url or host

    @property
    def redirect_uri(self) -> str:
        """Registered with Intuit; compared there letter by letter."""
        return f"{self.public_url}/public/quickbooks/callback"
