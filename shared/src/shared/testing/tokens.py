"""Access tokens for tests: signed with a key of the test run, read by the product's own verification."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from shared.auth import ALGORITHM, ISSUER, TOKEN_TYPE, Principal, read_token


@dataclass(frozen=True)
class TokenIssuer:
    """Signs tokens as the gateway does, and verifies them as services do (it stands in for JwksVerifier)."""

    kid: str = "test"

    @cached_property
    def key(self) -> OKPKey:
        return OKPKey.generate_key("Ed25519", {"kid": self.kid, "alg": ALGORITHM})

    @property
    def key_set(self) -> dict[str, Any]:
        """What the gateway would publish."""
        return dict(KeySet([self.key]).as_dict(private=False))

    def token(self, audience: str, permissions: list[str], *, subject: str = "", **claims: Any) -> str:
        now = int(time.time())
        body = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject or str(uuid4()),
            "kind": "user",
            "name": "Test",
            "perms": permissions,
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid4()),
            **claims,
        }
        return jwt.encode(
            {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.kid}, body, self.key, algorithms=[ALGORITHM]
        )

    async def verify(self, token: str, audience: str) -> Principal:
        return read_token(token, audience, KeySet([self.key]))

    async def ready(self) -> None:
        """The keys of a test run are always at hand."""
