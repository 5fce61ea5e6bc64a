"""Signatures of webhooks: the legacy header and the Standard Webhooks headers of the dated surface."""

import base64
import hashlib
import hmac
import secrets
from enum import StrEnum

DATED_KEY_PREFIX = "whsec_"


class Scheme(StrEnum):
    LEGACY = "legacy"
    DATED = "dated"


def generate_key(scheme: Scheme) -> str:
    """A fresh signing key in the form in which the provider shows it."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return f"{DATED_KEY_PREFIX}{key}" if scheme is Scheme.DATED else key


def _digest(key: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()


def legacy_headers(key: str, timestamp_ms: int, body: bytes) -> dict[str, str]:
    """`timestamp_ms` is the first attempt's: re-deliveries are believed to keep it."""
    signature = _digest(key, f"{timestamp_ms}.".encode() + body)
    return {"openphone-signature": f"hmac;1;{timestamp_ms};{signature}"}


def dated_headers(keys: list[str], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """One signature per key: while keys are being rotated both are sent, the newer first."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_digest(key.removeprefix(DATED_KEY_PREFIX), signed)}" for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def spoil(headers: dict[str, str]) -> dict[str, str]:
    """The same headers with a signature that no key made."""
    forged = base64.b64encode(hashlib.sha256(repr(sorted(headers.items())).encode()).digest()).decode()
    if "webhook-signature" in headers:
        return {**headers, "webhook-signature": f"v1,{forged}"}
    scheme, number, timestamp, _ = headers["openphone-signature"].split(";")
    return {**headers, "openphone-signature": f"{scheme};{number};{timestamp};{forged}"}
