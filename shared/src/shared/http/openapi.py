"""The service's OpenAPI document: problems on every operation, and no operation without a permission."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from shared.errors import Conflict
from shared.http.idempotency import MAX_KEY_LENGTH
from shared.http.problems import EDGE_ERRORS, SIGNED_IN_ERRORS, Problem, problems
from shared.http.routing import REPEATABLE

_IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Send the same key to repeat a request safely; the first answer comes back.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
}


def install_openapi(app: FastAPI, amend: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Replace FastAPI's document with ours. Raises, when it is made, where an operation declares no permission."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
            if amend is not None:
                amend(app.openapi_schema)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, definitions = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    schemas.update(definitions["$defs"])
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    is_public = operation.get("x-public", False)
    if not is_public and not any(scope for item in operation.get("security", []) for scope in item.values()):
        raise RuntimeError(f"{method.upper()} {path} declares no permission: add can(...) or openapi_extra=PUBLIC.")
    edge = EDGE_ERRORS if is_public else EDGE_ERRORS + SIGNED_IN_ERRORS
    if operation.pop(REPEATABLE, False):
        edge += (Conflict,)
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_PARAMETER)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    for status, response in problems(*edge).items():
        responses.setdefault(str(status), response)
