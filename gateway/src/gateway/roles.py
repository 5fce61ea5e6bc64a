"""Roles, and the permissions each stands for. Permissions themselves are declared by the services' routes.

A pattern is `resource:action`, `resource:*`, `*:action` or `*`. `internal` belongs to services alone and no pattern of
a role grants it: tokens hold the patterns expanded over the permissions that the API documents declare.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum

INTERNAL = "internal"


class Role(StrEnum):
    ADMIN = "admin"
    MARKETER = "marketer"
    AGENT = "agent"
    BOOKKEEPER = "bookkeeper"


_EVERYBODY = ("session:*", "live:read", "system:read", "users:read")

ROLE_PATTERNS: dict[Role, tuple[str, ...]] = {
    Role.ADMIN: ("*",),
    Role.MARKETER: (
        *_EVERYBODY,
        "contacts:*",
        "campaigns:*",
        "conversations:read",
        "messages:read",
        "consent:read",
        "phone-numbers:read",
        "sending-holds:*",
        "revenue:*",
        "receivables:read",
        "customers:read",
        "jobs:read",
        "estimates:read",
        "invoices:read",
        "items:read",
        "payments:read",
        "quickbooks:read",
    ),
    Role.AGENT: (
        *_EVERYBODY,
        "contacts:read",
        "contacts:write",
        "campaigns:read",
        "conversations:*",
        "messages:*",
        "consent:*",
        "phone-numbers:read",
        "sending-holds:read",
        "customers:*",
        "items:read",
        "jobs:*",
        "calendars:manage",
        "estimates:*",
        "invoices:read",
        "payments:read",
        "receivables:read",
        "quickbooks:read",
    ),
    Role.BOOKKEEPER: (
        *_EVERYBODY,
        "contacts:read",
        "campaigns:read",
        "revenue:read",
        "quickbooks:*",
        "customers:*",
        "items:read",
        "jobs:read",
        "estimates:*",
        "invoices:*",
        "payments:read",
        "receivables:read",
    ),
}

# What one service may ask of another, beside what `internal` opens.
SERVICE_PERMISSIONS: dict[str, tuple[str, ...]] = {}


def patterns_of(role: Role) -> tuple[str, ...]:
    return ROLE_PATTERNS[role]


def pattern_covers(pattern: str, other: str) -> bool:
    """Whether everything that `other` (a permission or a pattern) grants is granted by `pattern`."""
    if pattern == "*":
        return True
    resource, _, action = pattern.partition(":")
    other_resource, _, other_action = other.partition(":")
    return resource in ("*", other_resource) and action in ("*", other_action) and other != "*"


def is_granted(permission: str, patterns: Iterable[str]) -> bool:
    return permission != INTERNAL and any(pattern_covers(pattern, permission) for pattern in patterns)


def expand(patterns: Collection[str], declared: Iterable[str]) -> frozenset[str]:
    """The declared permissions that the patterns grant."""
    return frozenset(permission for permission in declared if is_granted(permission, patterns))
