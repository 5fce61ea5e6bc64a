"""Secrets at rest: AES-256-GCM under a key that stands outside the database."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

_NONCE_BYTES = 12
_VERSION = b"\x01"


class SealBroken(Exception):
    """The sealing key is another one than the secret was sealed with, or the row was tampered with."""


class Seal:
    """`context` binds a secret to its place: it opens nowhere else."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, *, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Raises SealBroken."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, context.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("The key does not open what the database holds.") from error

    def seal_text(self, secret: str, *, context: str) -> str:
        return base64.b64encode(self.seal(secret.encode(), context=context)).decode()

    def open_text(self, sealed: str, *, context: str) -> str:
        """Raises SealBroken."""
        return self.open(base64.b64decode(sealed), context=context).decode()


def derived_key(secret: SecretStr, purpose: str) -> bytes:
    """32 bytes out of a secret of any length; `purpose` keeps keys of different uses apart (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret.get_secret_value().encode())
