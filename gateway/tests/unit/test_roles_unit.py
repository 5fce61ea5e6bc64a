"""What the roles grant, held against what the services declare."""

import pytest
from gateway.api_documents import declared_permissions, load_documents
from gateway.models import narrow
from gateway.roles import INTERNAL, ROLE_PATTERNS, Role, expand, is_granted, pattern_covers, patterns_of
from gateway.settings import REPOSITORY

DECLARED = frozenset().union(*declared_permissions(load_documents(REPOSITORY)).values())


def test_admin_holds_every_permission_that_a_service_declares() -> None:
    assert expand(patterns_of(Role.ADMIN), DECLARED) == DECLARED
    assert "users:write" in DECLARED


@pytest.mark.parametrize("role", Role)
def test_every_pattern_of_a_role_grants_something(role: Role) -> None:
    for pattern in ROLE_PATTERNS[role]:
        assert expand([pattern], DECLARED), f"{pattern} of {role} matches no declared permission"


@pytest.mark.parametrize("role", [Role.MARKETER, Role.AGENT, Role.BOOKKEEPER])
def test_only_admins_manage_people_keys_and_the_system(role: Role) -> None:
    held = expand(patterns_of(role), DECLARED)
    assert not held & {"users:write", "api-keys:write", "api-keys:read", "audit:read", "system:write"}


def test_nobody_but_a_service_is_internal() -> None:
    assert INTERNAL not in expand(["*", "internal", "internal:*"], [*DECLARED, INTERNAL])


@pytest.mark.parametrize(
    ("pattern", "other", "covers"),
    [
        ("*", "contacts:read", True),
        ("*", "*", True),
        ("contacts:*", "contacts:read", True),
        ("contacts:*", "contacts:*", True),
        ("contacts:read", "contacts:*", False),
        ("contacts:*", "*", False),
        ("contacts:*", "contacts-old:read", False),
        ("*:read", "contacts:read", True),
        ("*:read", "contacts:write", False),
    ],
)
def test_patterns_cover_what_they_say(pattern: str, other: str, covers: bool) -> None:
    assert pattern_covers(pattern, other) is covers


def test_a_key_never_exceeds_its_owner() -> None:
    assert narrow(("*",), ("contacts:*", "live:read")) == ("contacts:*", "live:read")
    assert narrow(("contacts:read", "users:write"), ("contacts:*",)) == ("contacts:read",)
    assert narrow(("campaigns:*",), ("contacts:*",)) == ()


def test_granting_is_by_exact_resource() -> None:
    assert not is_granted("messages:send", ["messages:read", "message:*"])
