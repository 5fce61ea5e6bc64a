"""How often a crash test repeats, and how long it may take: a few times in every run, many times in `make chaos`.

What is drawn at random in a run comes from one seed, CRM_CHAOS_SEED, which the run prints.
"""

import os
import random
from typing import TypeVar

import pytest

N = TypeVar("N", int, float)

IS_FULL = os.environ.get("CRM_CHAOS") == "full"
SEED = int(os.environ.get("CRM_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


def count(short: N, full: N) -> N:
    return full if IS_FULL else short


def time_limit(short: float = 600, full: float = 7200) -> pytest.MarkDecorator:
    """The only limit of a test against the whole installation: a mark beats the command line's --timeout."""
    return pytest.mark.timeout(count(short, full))


def draw(name: str) -> random.Random:
    """The random choices of one test: the same for the same seed, whatever else runs."""
    return random.Random(f"{SEED}:{name}")
