"""How generated requests are made and what each answer is held to."""

import hashlib
import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import UnsupportedMethodResponse
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks as openapi_checks

from contract.boundaries import Boundary

EXAMPLES = int(os.environ.get("CRM_FUZZ_EXAMPLES", "6"))
SCENARIO_STEPS = 8
ROUNDS = 4
"""Seeds from which scenarios start; each makes up to EXAMPLES of them."""

FUZZED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SCENARIOS = settings(FUZZED, stateful_step_count=SCENARIO_STEPS, phases=(Phase.generate,))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)

CONFIG: dict[str, Any] = {
    "generation": {"deterministic": True, "with-security-parameters": False, "max-examples": EXAMPLES},
    "phases": {"stateful": {"max-steps": SCENARIO_STEPS}},
    # 413 among them: what is too long for a field may be too large for its request.
    "checks": {
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
        }
    },
}


def no_server_error(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """503 is an answer, not an error, where the operation asks other services, which are away in these tests."""
    if response.status_code == 503 and case.operation.path.startswith("/api/v1/system/"):
        return None
    return not_a_server_error(ctx, response, case)


def use_after_free(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """What was revoked stays in the books, and says when."""
    if response.status_code == 200 and b'"revoked_at":"' in response.content:
        return None
    return openapi_checks.use_after_free(ctx, response, case)


def unsupported_method(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """A fixed path may also be read as an id by its neighbour: PATCH /templates/preview is PATCH /templates/{id}."""
    try:
        return openapi_checks.unsupported_method(ctx, response, case)
    except UnsupportedMethodResponse:
        asked, method = case.operation.path.split("/"), response.request.method.lower()
        for path, methods in case.operation.schema.raw_schema["paths"].items():
            parts = path.split("/")
            fits = len(parts) == len(asked) and all(p == a or "{" in p for p, a in zip(parts, asked, strict=True))
            if fits and path != case.operation.path and method in methods:
                return None
        raise


CHECKS = [
    no_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    unsupported_method,
    use_after_free,
]


def description(
    path: Path, *, only: str | None = None, without: str | None = None, is_covered: bool = True
) -> BaseSchema:
    """The committed document; `without` matches paths that cannot be asked one request at a time.

    Covered, each member of a request is also asked for by each way to get it wrong.
    """
    config = CONFIG | {"phases": {**CONFIG["phases"], "coverage": {"enabled": is_covered}}}
    schema = schemathesis.openapi.from_path(path, config=SchemathesisConfig.from_dict(config))
    schema = schema.include(path_regex=only) if only else schema
    return schema.exclude(path_regex=without) if without else schema


def hold(case: Case, boundary: Boundary, **options: Any) -> None:
    """Send the request and hold the answer to the document."""
    aim(case, boundary)
    case.call_and_validate(base_url=boundary.url, headers=boundary.credentials(), checks=CHECKS, timeout=180, **options)


def aim(case: Case, boundary: Boundary) -> None:
    """Point half of the well-formed requests at something that exists: a random id only ever meets 404."""
    if case.meta is None or case.meta.is_negative_at(ParameterLocation.PATH):
        return
    for name in case.path_parameters or {}:
        existing = boundary.seeds.get(case.path, boundary.seeds.get(name, ()))
        values = (existing,) if isinstance(existing, str) else existing
        drawn = _drawn(case, name)
        if values and drawn % 2 == 0:
            case.path_parameters[name] = values[drawn // 2 % len(values)]


def _drawn(case: Case, name: str) -> int:
    drawn = f"{case.method} {case.path} {case.path_parameters[name]} {case.query} {case.body!r}"
    return hashlib.sha256(drawn.encode("utf-8", "surrogatepass")).digest()[0]
