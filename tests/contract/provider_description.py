"""A provider's description as a judge of requests and answers, read apart from the sandbox's own code."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

from contract.boundaries import PROVIDER_DESCRIPTION

JSON = "application/json"


class ProviderDescription:
    """Hooks of an httpx client: each raises AssertionError where the description does not allow what it sees."""

    def __init__(self, path: Path = PROVIDER_DESCRIPTION) -> None:
        self._document = json.loads(path.read_text())
        self.seen: dict[str, set[int]] = {}
        """Operation → the statuses that were answered."""

    async def check_request(self, request: httpx.Request) -> None:
        _, operation = self._operation_of(request)
        parameters = [self._resolved(parameter) for parameter in operation["parameters"]]
        described = {(p["in"], p["name"]): p for p in parameters}
        names = {("query", name) for name in request.url.params}
        assert names <= described.keys(), f"{operation['operationId']} takes no {names - described.keys()}"
        for (place, name), parameter in described.items():
            given = self._given(request, place, name, parameter["schema"])
            assert given is not None or not parameter["required"] or place == "path", f"{name} is missing"
            if given is not None:
                self._validate(parameter["schema"], given)
        assert request.headers.get("Authorization") or operation.get("security") == []
        body = operation.get("requestBody")
        assert bool(request.content) == (body is not None), f"{operation['operationId']}: {request.content!r}"
        if body:
            content = body["content"][request.headers["Content-Type"]]
            if request.headers["Content-Type"] == JSON:
                self._validate(content["schema"], json.loads(request.content))

    async def check_response(self, response: httpx.Response) -> None:
        name, operation = self._operation_of(response.request)
        answer = self._resolved(operation["responses"].get(str(response.status_code)))
        assert answer is not None, f"{name} does not answer {response.status_code}"
        for header, described in answer.get("headers", {}).items():
            assert header in response.headers or not described["required"], f"{name} answers without {header}"
        content = await response.aread()
        if "content" in answer:
            (media_type, described), *_ = answer["content"].items()
            assert response.headers["Content-Type"].startswith(media_type)
            if media_type == JSON:
                self._validate(described["schema"], json.loads(content))
        else:
            assert content == b""
        self.seen.setdefault(name, set()).add(response.status_code)

    def _operation_of(self, request: httpx.Request) -> tuple[str, dict[str, Any]]:
        # A fixed path goes before one with an id in its place.
        for path in sorted(self._document["paths"], key=lambda path: path.count("{")):
            operation = self._document["paths"][path].get(request.method.lower())
            if operation and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path):
                return operation["operationId"], operation
        raise AssertionError(f"the provider describes no {request.method} {request.url.path}")

    def _resolved(self, described: Any) -> Any:
        """What a reference within the document stands for."""
        if not described or "$ref" not in described:
            return described
        found = self._document
        for part in described["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _given(self, request: httpx.Request, place: str, name: str, schema: dict[str, Any]) -> Any:
        if place == "header":
            return request.headers.get(name)
        values = request.url.params.get_list(name) if place == "query" else []
        if not values:
            return None
        if schema.get("type") == "array":
            return values
        assert len(values) == 1, f"{name} is given twice"
        return int(values[0]) if schema.get("type") == "integer" else values[0]

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        whole = {**schema, "components": self._document["components"]}
        jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)
