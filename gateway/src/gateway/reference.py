"""The API reference as one page of HTML, written from the merged document."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from gateway.api_documents import METHODS, Document, permission_of

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference · Attack-a-Crack CRM</title>
<link rel="stylesheet" href="/docs/assets/style.css">
<script src="/docs/assets/reference.js" defer></script>
</head>
<body>
<main class="page">
<h1>API reference</h1>
"""
_SIGN_IN = """<h3>Sign in from a script</h3>
<pre><code>curl -s http://127.0.0.1:8080/api/v1/session -H 'Content-Type: application/json' \\
  -d '{"email": "you@example.com", "password": "…", "kind": "bearer"}'</code></pre>
<p>Send the answer's <code>token</code>, or an API key, as <code>Authorization: Bearer …</code>.</p>
"""
_DEPTH = 4


def render(document: Document) -> str:
    """The whole page."""
    groups = _by_resource(document)
    contents = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name in groups)
    sections = "".join(_section(name, found, document) for name, found in groups.items())
    schemas = document["components"]["schemas"]
    return (
        f"{_HEAD}<p>{_prose(document['info']['description'])}</p>{_SIGN_IN}"
        '<div class="search"><input id="search" type="search" aria-label="Filter operations"'
        ' placeholder="Filter: path, permission, words"></div>'
        f'<nav aria-label="Resources"><ul class="contents">{contents}<li><a href="#schemas">schemas</a></li></ul></nav>'
        f'{sections}<section id="schemas"><h2>Schemas</h2>'
        f"{''.join(_schema(name, schema) for name, schema in schemas.items())}</section></main></body></html>"
    )


def _by_resource(document: Document) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        resource = path.removeprefix("/api/v1").strip("/").split("/")[0]
        for method in METHODS:
            if method in methods:
                groups.setdefault(resource, []).append((path, method, methods[method]))
    return dict(sorted(groups.items()))


def _section(name: str, found: list[tuple[str, str, dict[str, Any]]], document: Document) -> str:
    inside = "".join(_operation(path, method, operation, document) for path, method, operation in found)
    return f'<section class="resource" id="{escape(name)}"><h2>{escape(name)}</h2>{inside}</section>'


def _operation(path: str, method: str, operation: dict[str, Any], document: Document) -> str:
    permission = permission_of(operation)
    summary = operation.get("summary", "")
    words = f"{method} {path} {summary} {permission or 'public'}".lower()
    parts = [
        f"<p>{_prose(operation['description'])}</p>" if operation.get("description") else "",
        f'<p class="permission">Needs <code>{escape(permission)}</code></p>' if permission else "<p>Public</p>",
        _parameters(operation),
        _request_body(operation),
        _responses(operation),
        f"<h3>Try it</h3><pre><code>{escape(_curl(path, method, operation, document))}</code></pre>",
    ]
    return (
        f'<details class="operation" id="{escape(operation.get("operationId", words))}" data-search="{escape(words)}">'
        f'<summary><span class="method">{method}</span> <code class="path">{escape(path)}</code>'
        f'<span class="summary">{escape(summary)}</span></summary><div class="body">{"".join(parts)}</div></details>'
    )


def _parameters(operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<dt><code>{escape(one['name'])}</code> {_type(one.get('schema', {}))} · {escape(one['in'])}"
        f"{' · required' if one.get('required') else ''}</dt><dd>{_prose(one.get('description', ''))}</dd>"
        for one in operation.get("parameters", [])
    )
    return f"<h3>Parameters</h3><dl>{rows}</dl>" if rows else ""


def _request_body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    kinds = "".join(
        f"<p><code>{escape(kind)}</code> {_type(media.get('schema', {}))}</p>" for kind, media in content.items()
    )
    return f"<h3>Request body</h3>{kinds}" if kinds else ""


def _responses(operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<dt><code>{escape(status)}</code> {_content(answer)}</dt><dd>{_prose(answer.get('description', ''))}</dd>"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    return f"<h3>Answers</h3><dl>{rows}</dl>"


def _content(answer: dict[str, Any]) -> str:
    return " ".join(_type(media.get("schema", {})) for media in answer.get("content", {}).values())


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<dt><code>{escape(field)}</code> {_type(found)}{' · required' if field in required else ''}</dt>"
        f"<dd>{_prose(found.get('description', ''))}</dd>"
        for field, found in schema.get("properties", {}).items()
    )
    values = ", ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", []))
    return (
        f'<details class="schema" id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f'<div class="body"><p>{_prose(schema.get("description", ""))}</p>{values}<dl>{rows}</dl></div></details>'
    )


def _type(schema: dict[str, Any]) -> str:
    return f'<span class="type">{_type_inside(schema)}</span>'


def _type_inside(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " or ".join(_type_inside(one) for one in schema[union])
    if schema.get("type") == "array":
        return f"list of {_type_inside(schema.get('items', {}))}"
    kind = escape(str(schema.get("type", "any")))
    return f"{kind} ({escape(schema['format'])})" if "format" in schema else kind


def _prose(text: str) -> str:
    """Text with `code` in back quotes."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _curl(path: str, method: str, operation: dict[str, Any], document: Document) -> str:
    return " \\\n  ".join(_curl_parts(path, method, operation, document))


def _curl_parts(path: str, method: str, operation: dict[str, Any], document: Document) -> Iterator[str]:
    yield f"curl -X {method.upper()} 'http://127.0.0.1:8080{path}'"
    if permission_of(operation):
        yield '-H "Authorization: Bearer $TOKEN"'
    if any(one["name"].lower() == "if-match" for one in operation.get("parameters", [])):
        yield "-H 'If-Match: \"1\"'"
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        example = _example(content["application/json"].get("schema", {}), document, _DEPTH)
        yield "-H 'Content-Type: application/json'"
        yield f"-d '{json.dumps(example, ensure_ascii=False)}'"
    elif content:
        yield "-H 'Content-Type: application/octet-stream' --data-binary @file"


def _example(schema: dict[str, Any], document: Document, depth: int) -> Any:
    """A value that fits the schema; only what is required, and nothing deeper than `depth`."""
    if "$ref" in schema:
        schema = document["components"]["schemas"].get(schema["$ref"].rsplit("/", 1)[-1], {})
    for fixed in ("default", "const"):
        if schema.get(fixed) is not None:
            return schema[fixed]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            return _example(schema[union][0], document, depth)
    return _plain_example(schema, document, depth)


_FORMATS = {
    "uuid": "00000000-0000-7000-8000-000000000000",
    "date-time": "2026-01-05T09:00:00.000Z",
    "date": "2026-01-05",
}


def _plain_example(schema: dict[str, Any], document: Document, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            properties = schema.get("properties", {})
            return {f: _example(properties.get(f, {}), document, depth - 1) for f in required} if depth else {}
        case "array":
            return [_example(schema.get("items", {}), document, depth - 1)] if depth else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return _FORMATS.get(schema.get("format", ""), "…")
    return None
