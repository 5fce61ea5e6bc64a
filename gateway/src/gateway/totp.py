"""One-time codes of authenticator apps (RFC 6238: SHA-1, 6 digits, 30 seconds)."""

import base64
import hashlib
import hmac
import secrets
import struct
from urllib.parse import quote

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
ISSUER = "Attack-a-Crack CRM"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def accepted_step(secret: bytes, code: str, *, now: float, last_step: int | None) -> int | None:
    """The time step that `code` belongs to: this one or its neighbours, and later than the last one taken."""
    present = int(now) // STEP_SECONDS
    for step in (present, present - 1, present + 1):
        is_fresh = last_step is None or step > last_step
        if is_fresh and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def enrolment_uri(secret: bytes, email: str) -> str:
    """What the app reads from a QR code."""
    return f"otpauth://totp/{quote(ISSUER)}:{quote(email)}?secret={shown(secret)}&issuer={quote(ISSUER)}"


def shown(secret: bytes) -> str:
    return base64.b32encode(secret).decode()
