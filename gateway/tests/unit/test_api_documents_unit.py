"""The merged document and the page that shows it."""

from typing import Any

from gateway.api_documents import declared_permissions, load_documents, merged
from gateway.reference import render
from gateway.settings import REPOSITORY


def one(path: str, schema: dict[str, Any], permission: str = "a:read") -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}, "description": "OK"}
    return {
        "paths": {path: {"get": {"security": [{"bearer": [permission]}], "responses": {"200": answer}}}},
        "components": {"schemas": {"Item": schema}},
    }


def test_schemas_of_one_name_and_two_meanings_are_kept_apart() -> None:
    text, number = {"type": "string"}, {"type": "integer"}
    document = merged({"contacts": one("/api/v1/a", text), "campaigns": one("/api/v1/b", number)})
    assert document["components"]["schemas"] == {"Item": text, "CampaignsItem": number}
    answer = document["paths"]["/api/v1/b"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/CampaignsItem"}


def test_what_is_internal_is_not_shown() -> None:
    document = one("/internal/v1/clock", {"type": "string"}, "internal")
    assert merged({"contacts": document})["paths"] == {}
    assert declared_permissions({"contacts": document}) == {"contacts": frozenset()}


def test_the_reference_shows_every_operation_and_needs_no_inline_script() -> None:
    document = merged(load_documents(REPOSITORY))
    page = render(document)
    for path in document["paths"]:
        assert f">{path}<" in page
    assert "users:write" in page
    assert "<script>" not in page
    assert "style=" not in page


def test_the_reference_escapes_what_services_write() -> None:
    hostile = one("/api/v1/a", {"type": "object", "description": "<script>alert(1)</script>"})
    hostile["paths"]["/api/v1/a"]["get"]["summary"] = '"><img src=x onerror=alert(1)>'
    page = render(merged({"contacts": hostile}))
    assert "<script>alert" not in page
    assert "<img" not in page
