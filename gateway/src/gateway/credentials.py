"""Opaque credentials: 256 random bits behind a prefix that says what it is; only the hash is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class CredentialKind(StrEnum):
    COOKIE = "cookie"
    BEARER = "bearer"
    API_KEY = "api_key"
    INVITE = "invite"


# The prefix lets scanners of code and logs recognise a leaked credential.
PREFIXES = {
    CredentialKind.COOKIE: "crm_c_",
    CredentialKind.BEARER: "crm_s_",
    CredentialKind.API_KEY: "crm_k_",
    CredentialKind.INVITE: "crm_i_",
}
MAX_LENGTH = 200
HINT_LENGTH = 10


def mint(kind: CredentialKind) -> str:
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def hashed(credential: str) -> bytes:
    """SHA-256: enough for a credential that cannot be guessed, and fast enough for every request."""
    return hashlib.sha256(credential.encode()).digest()


def kind_of(credential: str) -> CredentialKind | None:
    """What the prefix says; None for anything that we never minted."""
    if len(credential) > MAX_LENGTH:
        return None
    return next((kind for kind, prefix in PREFIXES.items() if credential.startswith(prefix)), None)


@dataclass(frozen=True)
class Bearer:
    """Whoever showed a live credential, as the authorizer knows them for a few seconds."""

    credential: str
    """`session:<id>` or `api_key:<id>`."""
    subject: UUID
    kind: str
    name: str
    actor_id: UUID
    patterns: tuple[str, ...]
    expires_at: datetime | None
