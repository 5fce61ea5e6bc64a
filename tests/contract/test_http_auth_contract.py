"""Nobody passes without the right token: every operation of every document, asked the wrong way."""

import base64
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.testing.tokens import TokenIssuer

from contract.boundaries import DOCUMENTS, Boundary, Operation, operations_of, provider_operations
from contract.fuzzing import FUZZED

OPERATIONS = [operation for boundary in DOCUMENTS for operation in operations_of(boundary)]
GUARDED = [operation for operation in OPERATIONS if not operation.is_public]
TOKENS = [operation for operation in GUARDED if "sandbox:control" not in operation.permissions]
CONTROLS = [operation for operation in GUARDED if "sandbox:control" in operation.permissions]
PUBLIC_PATHS = {
    "contacts": set(),
    "campaigns": set(),
    "messaging": {"/webhooks/openphone"},
    "billing": {
        "/webhooks/quickbooks",
        "/public/quickbooks/callback",
        "/public/billing.css",
        "/public/estimates/{token}",
        "/public/estimates/{token}/accept",
        "/public/estimates/{token}/decline",
        "/public/estimates/{token}/pay/{invoice_id}",
        "/public/calendars/{token}.ics",
    },
    "gateway": {"/.well-known/jwks.json", "/api/v1/session", "/internal/v1/token", "/public/invites/acceptance"},
    "sandbox": {"/internal/v1/idle"},
}
PROBES = {"/livez", "/readyz", "/metrics"}


def ask(boundary: Boundary, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    """Ask with a body of nothing and ids of nobody: who may not ask learns nothing more."""
    path = operation.path
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, str(uuid4()))
    body = {} if operation.has_body else None
    return boundary.anonymous.request(operation.method.upper(), path, json=body, headers=headers)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def refused_tokens(issuer: TokenIssuer, audience: str) -> dict[str, str]:
    """Why it is refused → the Authorization header."""
    right = issuer.token(audience, ["*", "internal"])
    head, body, signature = right.split(".")
    return {
        "another scheme": f"Basic {right}",
        "of another issuer": f"Bearer {issuer.token(audience, ['*', 'internal'], iss='somebody')}",
        "signed by another key": f"Bearer {TokenIssuer().token(audience, ['*', 'internal'])}",
        "expired": f"Bearer {issuer.token(audience, ['*', 'internal'], iat=1_700_000_000, exp=1_700_000_300)}",
        "living too long": f"Bearer {issuer.token(audience, ['*', 'internal'], exp=4_000_000_000)}",
        "headed by a list": f"Bearer {_encoded('[]')}.{body}.{signature}",
        "headed by nothing": f"Bearer {_encoded('null')}.{body}.{signature}",
        "headed by a number": f"Bearer {_encoded('1')}.{body}.{signature}",
        "without its parts": f"Bearer {_encoded('[]')}.x.y",
        "changed": f"Bearer {head}.{body[:-2]}AA.{signature}",
    }


@pytest.mark.parametrize("operation", TOKENS, ids=str)
def test_only_a_token_for_this_service_opens_an_operation(
    boundaries: dict[str, Boundary], token_issuer: TokenIssuer, operation: Operation
) -> None:
    other = "messaging" if operation.boundary != "messaging" else "contacts"
    foreign = f"Bearer {token_issuer.token(other, ['*', 'internal'])}"
    for headers in ({}, {"Authorization": "Bearer garbage"}, {"Authorization": foreign}):
        answer = ask(boundaries[operation.boundary], operation, headers)
        assert (headers, answer.status_code) == (headers, 401)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_no_token_that_is_not_quite_right_is_taken(
    boundaries: dict[str, Boundary], token_issuer: TokenIssuer, name: str
) -> None:
    operation = next(operation for operation in TOKENS if operation.boundary == name)
    right = {"Authorization": f"Bearer {token_issuer.token(name, ['*', 'internal'])}"}
    assert ask(boundaries[name], operation, right).status_code not in (401, 403)
    for reason, header in refused_tokens(token_issuer, name).items():
        assert (reason, ask(boundaries[name], operation, {"Authorization": header}).status_code) == (reason, 401)


@pytest.mark.parametrize("operation", TOKENS, ids=str)
def test_a_token_without_the_permission_opens_nothing(
    boundaries: dict[str, Boundary], token_issuer: TokenIssuer, operation: Operation
) -> None:
    boundary = boundaries[operation.boundary]
    (needed,) = operation.permissions
    others = {p for other in operations_of(operation.boundary) for p in other.permissions} - {needed}
    for permissions in ([], sorted(others)):
        token = token_issuer.token(operation.boundary, permissions)
        answer = ask(boundary, operation, {"Authorization": f"Bearer {token}"})
        assert (permissions, answer.status_code) == (permissions, 403)
        assert answer.json()["permission"] == needed


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)


@given(
    headers=st.fixed_dictionaries(
        {},
        optional={
            "Authorization": HEADER | HEADER.map("Bearer x{}".format) | HEADER.map("Bearer crm_k_{}".format),
            "Cookie": HEADER | HEADER.map("crm_session={}".format) | HEADER.map("__Host-crm_session={}".format),
            "Origin": HEADER,
            "Sec-Fetch-Site": HEADER,
            "X-CRM-Request": HEADER,
            "X-Forwarded-For": HEADER,
            "X-Forwarded-Host": HEADER,
            "X-Forwarded-Method": HEADER,
            "X-Forwarded-Proto": HEADER,
        },
    ),
    audience=st.sampled_from(["contacts", "gateway"]),
)
@FUZZED
def test_the_edge_is_told_of_no_stranger_that_they_may_pass(
    gateway: Boundary, headers: dict[str, str], audience: str
) -> None:
    answer = gateway.anonymous.get("/internal/v1/authorize", params={"audience": audience}, headers=headers)
    assert answer.status_code == 401
    assert "x-crm-token" not in answer.headers


@pytest.mark.parametrize("operation", CONTROLS, ids=str)
def test_the_sandbox_is_turned_with_its_key_alone(
    boundaries: dict[str, Boundary], token_issuer: TokenIssuer, operation: Operation
) -> None:
    sandbox = boundaries["sandbox"]
    token = f"Bearer {token_issuer.token('sandbox', ['*', 'internal', 'sandbox:control'])}"
    for headers in ({}, {"X-Sandbox-Key": "garbage"}, {"X-Sandbox-Key": ""}, {"Authorization": token}):
        assert ask(sandbox, operation, headers).status_code == 401


@pytest.mark.parametrize("operation", provider_operations(), ids=str)
def test_the_providers_surface_wants_its_key(provider: Boundary, operation: Operation) -> None:
    dated = {"Quo-Api-Version": "2026-03-30"}
    for headers in ({}, {"Authorization": "garbage"}):
        assert ask(provider, operation, {**dated, **headers}).status_code == 401


@pytest.mark.parametrize("boundary", sorted(DOCUMENTS))
def test_nothing_is_public_that_is_not_meant_to_be(boundary: str) -> None:
    found = {operation.path for operation in operations_of(boundary) if operation.is_public}
    assert found == PUBLIC_PATHS[boundary] | PROBES


def test_internal_operations_need_the_permission_that_no_person_has() -> None:
    unguarded = {
        str(operation)
        for operation in GUARDED
        if operation.path.startswith("/internal/") != (operation.permissions == {"internal"})
    }
    assert unguarded == set()
