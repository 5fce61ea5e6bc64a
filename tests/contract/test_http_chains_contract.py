"""Requests that follow one another: what one answer names, the next asks for."""

from typing import ClassVar

import pytest
from hypothesis import seed
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.engine.errors import is_inconsistent_replay
from schemathesis.generation.stateful import APIStateMachine, run_state_machine_as_test

from contract.boundaries import DOCUMENTS, Boundary
from contract.fuzzing import CHECKS, ROUNDS, SCENARIOS, description

# A stream does not end; a clock that moves, a sandbox that forgets, books that are disconnected would pull the ground
# from under a scenario.
WITHOUT = "^(/api/v1/stream|/api/v1/system/clock|/internal/v1/clock|/sandbox/v1/reset|/api/v1/quickbooks/disconnect)$"


def scenarios(boundary: Boundary) -> type[APIStateMachine]:
    """Links are found in the document: what a POST answers as `id` is what a path further on wants."""
    machine = description(DOCUMENTS[boundary.name], without=WITHOUT).as_state_machine()

    class Scenario(machine):  # type: ignore[valid-type, misc]
        followed: ClassVar[set[str]] = set()
        """Operations on something that an earlier answer had named, and that were answered well."""
        failures: ClassVar[list[Exception]] = []

        def get_call_kwargs(self, case: Case) -> dict[str, object]:
            return {"base_url": boundary.url, "headers": boundary.credentials(), "timeout": 30}

        def validate_response(self, response: Response, case: Case, **options: object) -> None:
            if "{" in case.path and response.status_code < 300:
                self.followed.add(case.operation.label)
            try:
                case.validate_response(response, checks=CHECKS, transport_kwargs=options, recorder=self.recorder)
            except (AssertionError, FailureGroup) as failure:
                self.failures.append(failure)
                raise

    return Scenario


def run_round(machine: type[APIStateMachine], number: int) -> None:
    """Run scenarios from one seed until Hypothesis meets a server that remembers.

    Hypothesis takes a prefix that it has drawn before to be answered as before. A server that has stored something
    since answers otherwise; the next round starts with another seed.
    """
    try:
        run_state_machine_as_test(seed(number)(machine), settings=SCENARIOS)
    except FlakyStrategyDefinition:
        pass  # The server has moved on; what it answered was checked all the same.
    except AssertionError as error:
        if not is_inconsistent_replay(error):
            raise


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_scenario_keeps_to_the_document(boundaries: dict[str, Boundary], name: str) -> None:
    machine = scenarios(boundaries[name])
    for number in range(ROUNDS):
        run_round(machine, number)
        if machine.failures:
            raise machine.failures[0]
    assert machine.followed, "no scenario got beyond its first request"
