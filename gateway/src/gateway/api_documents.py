"""The services' committed OpenAPI documents: what is routed, which permissions exist, the merged document."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.settings import SERVICES

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
ROUTED_PREFIXES = ("/api/v1/", "/webhooks/", "/public/")
_REFERENCE = "#/components/schemas/"

Document = dict[str, Any]


class DocumentRefused(Exception):
    """A document declares what the gateway would not route; the message says what to change."""


@dataclass(frozen=True)
class Operation:
    """One method at one path, as its service declares it."""

    service: str
    path: str
    method: str
    permission: str | None
    """None: public."""
    max_bytes: int | None
    declared: dict[str, Any]

    @property
    def is_page(self) -> bool:
        """Whether a browser shows what it answers."""
        return "text/html" in self.declared.get("responses", {}).get("200", {}).get("content", {})


def document_paths(root: Path) -> dict[str, Path]:
    paths = {service: root / "services" / service / "openapi.json" for service in SERVICES}
    return {**paths, "gateway": root / "gateway" / "openapi.json"}


def load_documents(root: Path) -> dict[str, Document]:
    """The documents that exist under the repository's root; a service that is not built yet has none."""
    return {
        service: orjson.loads(path.read_bytes()) for service, path in document_paths(root).items() if path.is_file()
    }


def operations(service: str, document: Document) -> Iterator[Operation]:
    """The operations that are reached from outside. Probes and `/internal` are not."""
    for path, methods in document["paths"].items():
        if not path.startswith(ROUTED_PREFIXES):
            continue
        for method, declared in methods.items():
            if method in METHODS:
                yield Operation(service, path, method, permission_of(declared), declared.get("x-max-bytes"), declared)


def permission_of(declared: dict[str, Any]) -> str | None:
    scopes = [
        scope for requirement in declared.get("security", []) for names in requirement.values() for scope in names
    ]
    return scopes[0] if scopes else None


def declared_permissions(documents: dict[str, Document]) -> dict[str, frozenset[str]]:
    """By audience, the permissions that its operations ask for from outside."""
    return {
        service: frozenset(one.permission for one in operations(service, document) if one.permission)
        for service, document in documents.items()
    }


def merged(documents: dict[str, Document]) -> Document:
    """One document of the whole public API. A schema name that two services use differently gets its service's name."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for service, document in documents.items():
        renamed = _rename_clashes(service, document, schemas)
        schemas.update(renamed.get("components", {}).get("schemas", {}))
        for one in operations(service, renamed):
            paths.setdefault(one.path, {})[one.method] = {**one.declared, "x-service": service}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Attack-a-Crack CRM", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": _SIGN_IN}},
        },
    }


def _rename_clashes(service: str, document: Document, taken: dict[str, Any]) -> Document:
    own = document.get("components", {}).get("schemas", {})
    clashes = {name for name, schema in own.items() if name in taken and taken[name] != schema}
    if not clashes:
        return document
    return _renamed(copy.deepcopy(document), {name: f"{service.title()}{name}" for name in clashes})


def _renamed(document: Document, names: dict[str, str]) -> Document:
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    pattern = re.compile(re.escape(_REFERENCE) + r"([A-Za-z0-9._-]+)\"")
    text = orjson.dumps(document).decode()
    return orjson.loads(  # type: ignore[no-any-return]
        pattern.sub(lambda found: f'{_REFERENCE}{names.get(found.group(1), found.group(1))}"', text)
    )


_SIGN_IN = "An API key, or the token of `POST /api/v1/session` with `kind` `bearer`."
_DESCRIPTION = (
    "Contacts, campaigns, texting and billing of a foundation-crack repair company. Lists answer"
    " `items`, `next_cursor` and `total`; errors are problem+json with a stable `code`; edits need"
    " `If-Match`; every POST honours `Idempotency-Key`, except those that answer with a secret."
)
