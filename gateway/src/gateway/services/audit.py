"""The audit log: one entry for each thing done at the gateway, in the transaction that does it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.auth import Principal
from shared.clock import wall_now
from shared.database import UnitOfWork

from gateway.models import AuditEntry, User


@dataclass(frozen=True)
class Actor:
    """Who does something, and from where."""

    kind: str
    id: str
    name: str
    address: str

    @classmethod
    def of(cls, principal: Principal, address: str) -> "Actor":
        return cls(principal.kind, principal.id, principal.name, address)

    @classmethod
    def user(cls, user: User, address: str) -> "Actor":
        return cls("user", str(user.id), user.name, address)


COMMAND_LINE = Actor("operator", "command-line", "Command line", "")


def stranger(address: str) -> Actor:
    """Whoever did not sign in."""
    return Actor("anonymous", "", "", address)


class AuditLog:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def record(self, actor: Actor, action: str, resource_id: UUID | str, **details: Any) -> None:
        """`action` is `<resource>.<past participle>`; details hold ids and settings, never secrets."""
        self._uow.session.add(
            AuditEntry(
                at=wall_now(),
                actor_kind=actor.kind,
                actor_id=actor.id,
                actor_name=actor.name,
                action=action,
                resource=action.partition(".")[0],
                resource_id=str(resource_id),
                address=actor.address,
                details=details,
            )
        )
