"""The gateway's settings. The edge's own ones stand apart: writing the Caddyfile needs no database."""

import base64
import binascii
import os
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from shared.settings import Mode, ServiceSettings

REPOSITORY = Path(__file__).resolve().parents[3]
SERVICES = ("contacts", "campaigns", "messaging", "billing")
KEY_BYTES = 32


class GatewaySettings(ServiceSettings):
    sealing_key: SecretStr
    """32 bytes as base64 or hex; signing keys and second factors are sealed with it in the database."""
    service_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """What each service shows for its own tokens: {"contacts": "..."}."""

    contacts_worker_url: str = "http://127.0.0.1:18111"
    campaigns_worker_url: str = "http://127.0.0.1:18121"
    messaging_worker_url: str = "http://127.0.0.1:18131"
    billing_worker_url: str = "http://127.0.0.1:18141"
    gateway_worker_url: str = "http://127.0.0.1:18151"
    openphone_url: str = ""
    """In sandbox mode the sandbox, whose clock and queue belong to the system's."""
    api_documents: Path = REPOSITORY

    session_idle_minutes: int = Field(default=720, ge=1)
    session_hours: int = Field(default=168, ge=1)
    bearer_minutes: int = Field(default=60, ge=1)
    invite_hours: int = Field(default=72, ge=1)
    sign_ins_per_minute: int = Field(default=10, ge=1)
    """For one account from one address."""
    address_sign_ins_per_minute: int = Field(default=60, ge=1)
    """For all accounts from one address."""
    requests_per_second: float = Field(default=100, gt=0)
    """Sustained, for each principal; bursts may be four times as large."""
    refusals_per_minute: int = Field(default=120, ge=1)
    """Requests with a wrong credential, for each address."""

    @field_validator("sealing_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        decode_key(value.get_secret_value())
        return value

    @property
    def sealing_key_bytes(self) -> bytes:
        return decode_key(self.sealing_key.get_secret_value())

    def service_urls(self) -> dict[str, str]:
        """The api of each service that is configured."""
        return {
            "contacts": self.contacts_url,
            "campaigns": self.campaigns_url,
            "messaging": self.messaging_url,
            "billing": self.billing_url,
        }

    def sandbox_url(self) -> str:
        """The sandbox, whose clock and queue count; empty where a real provider is asked instead."""
        return self.openphone_url if self.mode is Mode.SANDBOX else ""

    def worker_urls(self) -> dict[str, str]:
        return {
            "contacts": self.contacts_worker_url,
            "campaigns": self.campaigns_worker_url,
            "messaging": self.messaging_worker_url,
            "billing": self.billing_worker_url,
            "gateway": self.gateway_worker_url,
        }


def decode_key(text: str) -> bytes:
    """The 32 bytes of a key written as hex or base64; raises ValueError."""
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be 32 bytes written as hex or base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError("must be 32 bytes written as hex or base64")
    return key


def environment(name: str, default: str) -> str:
    """A setting of the edge; an empty value counts as absent."""
    return os.environ.get(f"CRM_{name}") or default
