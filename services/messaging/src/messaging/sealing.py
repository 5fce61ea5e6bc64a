"""Secrets that the database has to hold, sealed with a key that it does not hold (AES-GCM)."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr


class Seal:
    """`secret` is one of the service's own; `purpose` keeps keys of different uses apart."""

    def __init__(self, secret: SecretStr, purpose: str) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=purpose.encode())
        self._box = AESGCM(derived.derive(secret.get_secret_value().encode()))

    def seal(self, plain: str) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._box.encrypt(nonce, plain.encode(), None)).decode()

    def open(self, sealed: str) -> str | None:
        """None where another secret sealed it: the secret was changed meanwhile."""
        raw = base64.b64decode(sealed)
        try:
            return self._box.decrypt(raw[:12], raw[12:], None).decode()
        except InvalidTag:
            return None
