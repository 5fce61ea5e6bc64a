"""Settings of the sandbox. It stands in for providers, so it refuses to start outside sandbox mode."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator
from shared.settings import Mode, ServiceSettings

from sandbox.signing import Scheme

LEGACY_MESSAGE_EVENTS = ("message.received", "message.delivered")
DATED_MESSAGE_EVENTS = (*LEGACY_MESSAGE_EVENTS, "message.failed", "message.undelivered")


class UserSeed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    email: str
    first_name: str
    last_name: str
    role: Literal["owner", "admin", "member"] = "member"


class NumberSeed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    number: str
    name: str
    user_ids: tuple[str, ...]
    """The members of the number; the first is its owner."""


class WebhookSeed(BaseModel):
    """A webhook that is there from the start, with a key that the receiver knows already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    scheme: Scheme
    key: SecretStr
    events: tuple[str, ...] = ()
    """Without any: all events of messages that the scheme has."""

    def event_types(self) -> tuple[str, ...]:
        return self.events or (DATED_MESSAGE_EVENTS if self.scheme is Scheme.DATED else LEGACY_MESSAGE_EVENTS)


USERS = (
    UserSeed(id="US0a1b2c3d", email="sam@example.com", first_name="Sam", last_name="Lee", role="owner"),
    UserSeed(id="US1b2c3d4e", email="pat@example.com", first_name="Pat", last_name="Kim"),
)
NUMBERS = (
    NumberSeed(id="PN4e2b9d10", number="+18575550110", name="Outreach 1", user_ids=("US0a1b2c3d", "US1b2c3d4e")),
    NumberSeed(id="PN4e2b9d11", number="+18575550111", name="Outreach 2", user_ids=("US0a1b2c3d",)),
)


class CompanySeed(BaseModel):
    """A QuickBooks company that is there from the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    realm_id: str
    name: str
    zone: str = "America/New_York"
    tax_percent: str = "6.25"


COMPANIES = (CompanySeed(realm_id="9130350000000001", name="Attack-a-Crack Foundation Repair"),)


class SandboxSettings(ServiceSettings):
    sandbox_key: SecretStr
    """What callers of /sandbox/v1 send as X-Sandbox-Key."""
    openphone_api_key: SecretStr
    """The key that the product sends with; further ones come from the control endpoints."""
    openphone_users: tuple[UserSeed, ...] = USERS
    openphone_numbers: tuple[NumberSeed, ...] = NUMBERS
    openphone_webhooks: tuple[WebhookSeed, ...] = ()
    openphone_rate_limit: int | None = 10
    """Requests per second and key; the control endpoints change or lift it."""
    quickbooks_client_id: str = "sandbox-app"
    quickbooks_client_secret: SecretStr
    """What the app that connects to QuickBooks shows with its id."""
    quickbooks_companies: tuple[CompanySeed, ...] = COMPANIES
    quickbooks_webhook_url: str = ""
    """Where the app hears of changes; empty: nowhere."""
    quickbooks_verifier_token: SecretStr = SecretStr("")
    sandbox_checks_answers: bool = True
    """Hold every answer against the provider's description; off where speed is measured."""
    sandbox_delivery_concurrency: int = 32
    sandbox_delivery_timeout_seconds: float = 10.0

    @field_validator("mode")
    @classmethod
    def _only_in_sandbox_mode(cls, mode: Mode) -> Mode:
        if mode is not Mode.SANDBOX:
            raise ValueError("the sandbox stands in for the providers and runs in sandbox mode only")
        return mode
