"""Access tokens: what they claim, and signing them (EdDSA over Ed25519). Verifying them is shared.auth."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey
from shared.auth import ALGORITHM, ISSUER, TOKEN_TYPE

LIFETIME_SECONDS = 300


@dataclass(frozen=True)
class Claims:
    audience: str
    subject: str
    kind: str
    name: str
    permissions: Iterable[str]
    actor_id: str | None = None
    session: str | None = None
    """Of the sign-in or key that was shown; no service can find it by this."""

    def at(self, issued: int) -> dict[str, Any]:
        return {
            "iss": ISSUER,
            "aud": self.audience,
            "sub": self.subject,
            "kind": self.kind,
            "name": self.name,
            "perms": sorted(self.permissions),
            "actor": self.actor_id,
            "sid": self.session,
            "iat": issued,
            "exp": issued + LIFETIME_SECONDS,
            "jti": secrets.token_urlsafe(12),
        }


def sign(claims: Claims, key: OKPKey, *, issued: float | None = None) -> str:
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
    return jwt.encode(header, claims.at(int(issued or time.time())), key, algorithms=[ALGORITHM])


def new_key() -> OKPKey:
    parameters: Any = {"kid": secrets.token_hex(8), "alg": ALGORITHM, "use": "sig"}
    return OKPKey.generate_key("Ed25519", parameters=parameters, private=True)
