"""The provider's OpenAPI description: which operations there are, and whether requests and answers keep to it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import orjson
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

URN = "urn:openphone"
VERSION_HEADER = "Quo-Api-Version"
DATED_VERSION = "2026-03-30"


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _is_web_address(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and value.isascii() and " " not in value


formats = FormatChecker(formats=[])
formats.checks("date-time", raises=ValueError)(_is_instant)
formats.checks("uri", raises=ValueError)(_is_web_address)


class AnswerMismatch(Exception):
    """An answer of ours that the provider's description does not allow: a mistake in the sandbox."""


@dataclass(frozen=True)
class Operation:
    """One operation, with its checks compiled."""

    id: str
    method: str
    path: str
    query_types: Mapping[str, str]
    """Type of each query parameter."""
    query: Draft202012Validator
    body: Draft202012Validator | None
    answers: Mapping[int, Draft202012Validator | None]

    @property
    def is_dated(self) -> bool:
        return not self.path.startswith("/v1/")

    @property
    def area(self) -> str:
        """The resource: what the first two digits of error codes stand for."""
        return self.path.removeprefix("/v1").split("/")[1]

    def read_query(self, items: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The described parameters with their types, and what is wrong with them. Others are ignored."""
        values: dict[str, Any] = {}
        for name, value in items:
            kind = self.query_types.get(name)
            if kind == "array":
                values.setdefault(name, []).append(value)
            elif kind is not None:
                values[name] = _typed(kind, value)
        return values, violations(self.query, values)

    def check_answer(self, status: int, body: object) -> None:
        if status not in self.answers:
            raise AnswerMismatch(f"{self.id} may not answer {status}")
        validator = self.answers[status]
        wrong = violations(validator, body) if validator is not None else []
        if wrong:
            raise AnswerMismatch(f"{self.id} {status}: {wrong[0]['path']}: {wrong[0]['message']}")


def _typed(kind: str, value: str) -> Any:
    if kind == "integer" and re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def violations(validator: Draft202012Validator, value: object) -> list[dict[str, Any]]:
    """The provider's `errors`: path, message, value and the type that was expected."""
    return [
        {**entry, "schema": {"type": str(error.schema.get("type", "unknown"))}}
        for error in validator.iter_errors(value)
        for entry in _entries(error)
    ]


def _entries(error: ValidationError) -> list[dict[str, Any]]:
    path = "".join(f"/{part}" for part in error.absolute_path)
    if error.validator == "required":
        # One error per missing property; the library names it only in its message.
        missing = error.message.split("'")[1]
        entries = [{"path": f"{path}/{missing}", "message": "Expected required property"}]
        if error.schema.get("properties", {}).get(missing, {}).get("type") == "array":
            entries.append({"path": f"{path}/{missing}", "message": "Expected array"})
        return entries
    return [{"path": path, "message": _sentence(error), "value": error.instance}]


def _sentence(error: ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return f"Expected {limit if isinstance(limit, str) else 'union value'}"
        case "pattern":
            return f"Expected string to match '{limit}'"
        case "minLength":
            return f"Expected string length greater or equal to {limit}"
        case "maxLength":
            return f"Expected string length less or equal to {limit}"
        case "minItems":
            return f"Expected array length to be greater or equal to {limit}"
        case "maxItems":
            return f"Expected array length to be less or equal to {limit}"
        case "minimum":
            return f"Expected integer to be greater or equal to {limit}"
        case "maximum":
            return f"Expected integer to be less or equal to {limit}"
        case "format":
            return f"Expected string to match '{limit}' format"
    return "Expected union value"


class Description:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        resource = DRAFT202012.create_resource(_absolute(document))
        self._registry: Registry[Any] = Registry().with_resource(URN, resource)
        self.operations = {
            operation["operationId"]: self._operation(path, method, operation)
            for path, methods in _absolute(document)["paths"].items()
            for method, operation in methods.items()
        }

    def validator_of(self, name: str) -> Draft202012Validator:
        """The check of one schema by its name."""
        return self._validator({"$ref": f"{URN}#/components/schemas/{name}"})

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(schema, registry=self._registry, format_checker=formats)

    def _operation(self, path: str, method: str, described: dict[str, Any]) -> Operation:
        query = {p["name"]: p for p in described["parameters"] if p["in"] == "query"}
        body = described.get("requestBody")
        return Operation(
            id=described["operationId"],
            method=method.upper(),
            path=path,
            query_types={name: p["schema"].get("type", "string") for name, p in query.items()},
            query=self._validator(
                {
                    "type": "object",
                    "properties": {name: p["schema"] for name, p in query.items()},
                    "required": [name for name, p in query.items() if p["required"]],
                }
            ),
            body=self._validator(_json_schema(body)) if body else None,
            answers={
                int(status): self._validator(_json_schema(answer)) if "content" in answer else None
                for status, answer in described["responses"].items()
            },
        )


def _json_schema(described: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = described["content"]["application/json"]["schema"]
    return schema


def _absolute(node: Any) -> Any:
    """References within the document, made to point into it from schemas that are compiled on their own."""
    if isinstance(node, dict):
        return {
            key: f"{URN}{value}" if key == "$ref" and isinstance(value, str) else _absolute(value)
            for key, value in node.items()
        }
    return [_absolute(item) for item in node] if isinstance(node, list) else node


@lru_cache(maxsize=1)
def load_description() -> Description:
    """The committed description, compiled once."""
    return Description(orjson.loads((files("sandbox") / "openphone_openapi.json").read_bytes()))
