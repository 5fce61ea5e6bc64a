"""Every crash test says how often it tried; one that never did has proved nothing."""

from collections.abc import Iterator

import pytest
from harness.figures import Figures


@pytest.fixture(autouse=True)
def tried(figures: Figures) -> Iterator[None]:
    yield
    assert figures.trials, "a crash test counts its trials"
