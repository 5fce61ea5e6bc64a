"""Repeatable chance: the same seed and the same subject always draw the same number."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def draw(seed: int, *subject: object) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.blake2b("\x1f".join(map(str, (seed, *subject))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def between(low: float, high: float, chance: float) -> float:
    """The point of [low, high] that `chance` falls on."""
    return low + (high - low) * chance


def pick(shares: Mapping[T, float], chance: float) -> T | None:
    """The key whose share of [0, 1) holds `chance`; None in what the shares leave over.

    Shares are laid end to end in the mapping's order, so that raising one of them moves only its neighbours.
    """
    edge = 0.0
    for key, share in shares.items():
        edge += share
        if chance < edge:
            return key
    return None
