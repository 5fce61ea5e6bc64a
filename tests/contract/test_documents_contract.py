"""What is committed is what the code says, and every permission has its place in the roles."""

import json
import os
import subprocess
import sys

import pytest
from gateway.roles import INTERNAL, ROLE_PATTERNS, Role, expand, is_granted, pattern_covers
from shared.main import render_openapi

from contract.boundaries import DOCUMENTS, SPECS, operations_of

ALL = {p for boundary in DOCUMENTS if boundary != "sandbox" for o in operations_of(boundary) for p in o.permissions}
# The roles as a person would say them; a change of roles.py or of a route that moves one shows here.
ADMIN_ONLY = {"api-keys:read", "api-keys:write", "audit:read", "phone-numbers:write", "system:write", "users:write"}
"""What only an administrator may do."""


@pytest.mark.parametrize("boundary", sorted(DOCUMENTS))
def test_the_committed_document_is_what_the_code_says(boundary: str) -> None:
    assert DOCUMENTS[boundary].read_text() == render_openapi(SPECS[boundary]) + "\n"


def test_the_document_depends_on_no_setting_of_the_machine() -> None:
    strange = {**os.environ, "CRM_MODE": "live", "CRM_MAX_JSON_BYTES": "1", "CRM_LOG_LEVEL": "DEBUG"}
    command = [sys.executable, "-W", "ignore", "-m", "contacts", "openapi"]
    printed = subprocess.run(command, env=strange, capture_output=True, text=True, check=True).stdout
    assert printed == DOCUMENTS["contacts"].read_text()


@pytest.mark.parametrize("boundary", sorted(DOCUMENTS))
def test_operations_have_one_permission_or_are_public(boundary: str) -> None:
    for operation in operations_of(boundary):
        assert len(operation.permissions) == (0 if operation.is_public else 1), str(operation)


def test_an_administrator_may_do_everything_that_is_not_between_services() -> None:
    assert expand(ROLE_PATTERNS[Role.ADMIN], ALL) == ALL - {INTERNAL}


def test_only_what_is_meant_for_administrators_is_left_out_of_every_other_role() -> None:
    granted = {
        p for p in ALL for role, patterns in ROLE_PATTERNS.items() if role is not Role.ADMIN and is_granted(p, patterns)
    }
    assert ALL - granted - {INTERNAL} == ADMIN_ONLY


@pytest.mark.parametrize("role", Role)
def test_no_role_names_a_permission_that_no_operation_asks_for(role: Role) -> None:
    assert [p for p in ROLE_PATTERNS[role] if not any(pattern_covers(p, declared) for declared in ALL)] == []


def test_no_two_services_serve_the_same_address() -> None:
    outside = [
        (operation.method, operation.path)
        for boundary in ("contacts", "campaigns", "messaging", "billing", "gateway")
        for operation in operations_of(boundary)
        if operation.path.startswith(("/api/", "/public/", "/webhooks/"))
    ]
    assert len(outside) == len(set(outside))


def test_every_problem_that_a_document_names_has_its_schema() -> None:
    for boundary, document in DOCUMENTS.items():
        schemas = json.loads(document.read_text())["components"]["schemas"]
        assert {"code", "detail", "status", "title"} <= set(schemas["Problem"]["properties"]), boundary
