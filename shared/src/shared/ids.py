"""Identifiers: time-ordered for rows, derived for things that must come out the same twice."""

import os
import time
import uuid
from uuid import UUID


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, then randomness.

    Time order keeps B-tree inserts at the right edge. The wall clock is read here on purpose: an id carries
    no domain time.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def derived(namespace: UUID, *parts: object) -> UUID:
    """The version 5 UUID of `parts` within `namespace`: equal input, equal id, on every machine."""
    return uuid.uuid5(namespace, "\x1f".join(str(part) for part in parts))
