"""Signatures of webhooks, over the raw bytes: the legacy scheme and Standard Webhooks.

Both compare the encoded signatures as bytes in constant time, so that no second spelling of one is accepted.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.errors import Unauthorized
from standardwebhooks.webhooks import Webhook

from messaging.models.webhooks import Scheme

DATED_TOLERANCE = timedelta(minutes=5)
LEGACY_TOLERANCE = timedelta(days=7)
"""Re-deliveries of the legacy scheme keep their first timestamp, so only old captures are refused."""

_LEGACY_HEADER = "openphone-signature"
_LEGACY_ITEM = re.compile(r"hmac;1;([0-9]{13});([A-Za-z0-9+/]{43}=)", re.ASCII)
_SECONDS = re.compile(r"[0-9]{10}", re.ASCII)
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)
_MOST_SIGNATURES = 10


class InvalidSignature(Unauthorized):
    """One answer for every reason, so that a forger learns nothing."""

    code = "invalid_signature"

    def __init__(self) -> None:
        super().__init__("The signature is not valid.")


@dataclass(frozen=True, slots=True)
class Verified:
    """`delivery_id` is None in the legacy scheme: there the event's own id takes its place."""

    scheme: Scheme
    delivery_id: str | None


class Keys:
    """The signing keys that are accepted at present; several while one is being rotated.

    Keys that start with `whsec_` are of the dated scheme, others of the legacy one; both are base64.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.legacy: list[bytes] = []
        self.dated: list[Webhook] = []
        for key in keys:
            secret = _decode(key.removeprefix("whsec_"))
            if key.startswith("whsec_"):
                self.dated.append(Webhook(secret))
            else:
                self.legacy.append(secret)

    def verify(self, headers: Mapping[str, list[str]], body: bytes, now: datetime) -> Verified:
        """Raise InvalidSignature unless one key made one of the signatures. `now` is wall time.

        `headers` gives every value of a header: a signed delivery has each of its headers exactly once.
        """
        if _LEGACY_HEADER in headers:
            return self._verify_legacy(_single(headers, _LEGACY_HEADER), body, now)
        return self._verify_dated(headers, body, now)

    def _verify_legacy(self, header: str, body: bytes, now: datetime) -> Verified:
        items = [_LEGACY_ITEM.fullmatch(item.strip()) for item in header.split(",")]
        if not items or len(items) > _MOST_SIGNATURES or not all(items):
            raise InvalidSignature
        for item in filter(None, items):
            at = datetime.fromtimestamp(int(item[1]) / 1000, UTC)
            if not now - LEGACY_TOLERANCE <= at <= now + DATED_TOLERANCE:
                continue
            signed = item[1].encode() + b"." + body
            for key in self.legacy:
                expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
                if hmac.compare_digest(expected, item[2].encode()):
                    return Verified(Scheme.LEGACY, None)
        raise InvalidSignature

    def _verify_dated(self, headers: Mapping[str, list[str]], body: bytes, now: datetime) -> Verified:
        delivery_id = _single(headers, "webhook-id")
        stamp = _single(headers, "webhook-timestamp")
        passed = _single(headers, "webhook-signature").split(" ")
        if not _DELIVERY_ID.fullmatch(delivery_id) or not _SECONDS.fullmatch(stamp) or len(passed) > _MOST_SIGNATURES:
            raise InvalidSignature
        at = datetime.fromtimestamp(int(stamp), UTC)
        if abs(now - at) > DATED_TOLERANCE:
            raise InvalidSignature
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise InvalidSignature from error
        for webhook in self.dated:
            expected = webhook.sign(msg_id=delivery_id, timestamp=at, data=text).encode()
            if any(hmac.compare_digest(expected, item.encode()) for item in passed):
                return Verified(Scheme.DATED, delivery_id)
        raise InvalidSignature


def sign_legacy(key: str, at: datetime, body: bytes) -> str:
    """The header value of the legacy scheme."""
    stamp = str(int(at.timestamp() * 1000))
    digest = hmac.digest(_decode(key), stamp.encode() + b"." + body, hashlib.sha256)
    return f"hmac;1;{stamp};{base64.b64encode(digest).decode()}"


def _single(headers: Mapping[str, list[str]], name: str) -> str:
    values = headers.get(name, [])
    if len(values) != 1 or not values[0].isascii():
        raise InvalidSignature
    return values[0]


def _decode(key: str) -> bytes:
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a webhook key is not base64") from error
    if len(secret) < 16:
        raise ValueError("a webhook key is empty or too short")
    return secret
