"""What messaging's processes are told from outside."""

from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from shared.settings import Mode, ServiceSettings

_REAL_PROVIDERS = ("quo.com", "openphone.com")


class MessagingSettings(ServiceSettings):
    openphone_url: str = "http://127.0.0.1:18160"
    openphone_api_key: SecretStr
    openphone_webhook_keys: SecretStr = SecretStr("")
    """Signing keys that are accepted beside those of our own subscriptions, separated by commas."""
    openphone_webhook_url: str = ""
    """Where the provider reaches us. Empty: in sandbox mode at this service's own address, else not at all."""

    rate_per_second: float = Field(9.0, ge=0, le=1000)
    """Calls of the provider key per second, all workers together. 0 lifts the limit."""
    send_batch: int = Field(50, ge=1, le=500)
    """Texts claimed in one transaction; at most half a second's allowance where a rate is set."""
    send_connections: int = Field(32, ge=1, le=256)
    send_deadline_seconds: float = Field(20.0, gt=0)
    """From the commit of an intent: past it, its text never goes on the wire."""
    provider_timeout_seconds: float = Field(15.0, gt=0)

    resolver_wait_seconds: float = Field(120.0, ge=0)
    """Domain time from "unknown" to the first look at the provider's list."""
    resolver_interval_seconds: float = Field(390.0, ge=0)
    """Domain time between looks. With three of them the default spans 15 minutes."""
    resolver_looks: int = Field(3, ge=1)

    reconcile_every_seconds: float = Field(180.0, gt=0)
    reconcile_overlap_seconds: float = Field(900.0, ge=0)
    webhook_retry_seconds: float = Field(5.0, ge=0)

    default_zone: str = "America/New_York"
    daily_cap: int = Field(125, ge=0)
    """Campaign texts a day of a number that nobody has set a cap for."""
    carrier_daily_cap: int = Field(2000, ge=0)
    """Texts of any kind a day and number."""
    replies_pass_quiet_hours: bool = True
    """A reply within 24 hours of an inbound text goes out at any hour."""
    cost_cents_per_segment: int = Field(5, ge=0)
    business_name: str = "Attack-a-Crack Foundation Repair"
    business_phone: str = ""
    trial_phones: str = ""
    """Trial mode texts only these (E.164, separated by commas)."""
    trial_daily_cap: int = Field(50, ge=0)

    breaker_window_seconds: float = Field(300.0, gt=0)
    breaker_min_texts: int = Field(50, ge=1)
    breaker_failure_ratio: float = Field(0.5, ge=0, le=1)
    breaker_unknown_ratio: float = Field(0.02, ge=0, le=1)
    breaker_min_unknown: int = Field(5, ge=1)
    """Fewer doubtful texts than this are chance, whatever their share."""

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        host = urlsplit(self.openphone_url).hostname or ""
        if self.mode is Mode.SANDBOX and host.endswith(_REAL_PROVIDERS):
            raise ValueError("sandbox mode never talks to the real provider; set CRM_MODE or CRM_OPENPHONE_URL")
        return self

    @property
    def webhook_url(self) -> str:
        """The address to subscribe with; empty where none may be."""
        if self.openphone_webhook_url:
            return self.openphone_webhook_url
        return f"{self.messaging_url}/webhooks/openphone" if self.mode is Mode.SANDBOX else ""

    @property
    def webhook_keys(self) -> list[str]:
        return [key.strip() for key in self.openphone_webhook_keys.get_secret_value().split(",") if key.strip()]

    @property
    def allowed_phones(self) -> frozenset[str] | None:
        """Whom trial mode may text; None where anybody may be."""
        if self.mode is not Mode.TRIAL:
            return None
        return frozenset(phone.strip() for phone in self.trial_phones.split(",") if phone.strip())

    @property
    def send_deadline(self) -> timedelta:
        return timedelta(seconds=self.send_deadline_seconds)
