"""Reads: SQL in, rows out."""

from typing import Any

from sqlalchemy import Select, or_, select

from gateway.models import ApiKey, AuditEntry, Invite, User
from gateway.roles import Role


def users(*, q: str | None, role: Role | None, is_active: bool | None) -> Select[Any]:
    statement = select(User)
    if q:
        statement = statement.where(
            or_(User.name.icontains(q, autoescape=True), User.email.icontains(q, autoescape=True))
        )
    if role is not None:
        statement = statement.where(User.role == role)
    if is_active is not None:
        statement = statement.where(User.is_active.is_(is_active))
    return statement


def invites() -> Select[Any]:
    return select(Invite)


def api_keys() -> Select[Any]:
    return select(ApiKey)


def audit_entries(*, resource: str | None, resource_id: str | None, actor_id: str | None) -> Select[Any]:
    statement = select(AuditEntry)
    for column, value in (
        (AuditEntry.resource, resource),
        (AuditEntry.resource_id, resource_id),
        (AuditEntry.actor_id, actor_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return statement
