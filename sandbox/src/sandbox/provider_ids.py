"""Identifiers that look like the provider's: opaque text behind a two-letter prefix."""

import secrets
from typing import Literal

Prefix = Literal["AC", "CN", "EV", "GR", "OR", "PN", "US", "WH"]


def provider_id(prefix: Prefix) -> str:
    """Messages and calls share the prefix AC, as they do at the provider."""
    return prefix + secrets.token_hex(12)


def dated_webhook_id() -> str:
    """Webhooks of the dated surface have numeric strings."""
    return str(secrets.randbelow(9 * 10**17) + 10**17)


def delivery_key() -> str:
    """The `webhook-id` of one delivery: stable over its retries."""
    return f"msg_{secrets.token_urlsafe(18)}"


def trace_id() -> str:
    """What error bodies call `trace`: a long decimal number."""
    return str(secrets.randbelow(9 * 10**18) + 10**18)
