"""The probe: the smallest service there can be, to test the habits that all services share."""

import sys
from pathlib import Path

import pytest
from shared.main import ServiceSpec

sys.path.insert(0, str(Path(__file__).parent))

from probe_service.spec import SPEC


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC
