"""Addresses of public pages that nobody can guess: the id of what is shown, signed."""

import base64
import hashlib
import hmac
from uuid import UUID

_SIGNATURE_BYTES = 18


class PublicLinks:
    """`key` stands outside the database: whoever reads that cannot make an address."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, row_id: UUID) -> str:
        return _text(row_id.bytes + self._signature(row_id))

    def read(self, token: str) -> UUID | None:
        """The id; None for a token that we did not make."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            row_id = UUID(bytes=raw[:16])
        except ValueError:
            return None
        return row_id if hmac.compare_digest(raw[16:], self._signature(row_id)) and _text(raw) == token else None

    def _signature(self, row_id: UUID) -> bytes:
        return hmac.new(self._key, row_id.bytes, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
