"""What the gateway's routes ask for beyond the shared dependencies."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from shared.auth import Principal
from shared.errors import Forbidden

from gateway.services.audit import Actor

ADDRESS_HEADER = "x-crm-client-address"
CREDENTIAL_HEADER = "x-crm-credential"

T = TypeVar("T")

if TYPE_CHECKING:
    FromApp = Annotated[T, "from the registry"]
else:

    class FromApp:
        """`accounts: FromApp[Accounts]`: made by the registry once a process, outside of any transaction."""

        def __class_getitem__(cls, wanted: type) -> Any:
            async def resolve(request: Request) -> Any:
                return await request.app.state.container.aget(wanted)

            return Annotated[wanted, Depends(resolve)]


def client_address(request: Request) -> str:
    """The caller's address as Caddy saw it; Caddy lets nobody else set this header."""
    return request.headers.get(ADDRESS_HEADER) or (request.client.host if request.client else "")


def scheme_of(request: Request) -> str:
    return request.headers.get("x-forwarded-proto") or request.url.scheme


def host_of(request: Request) -> str:
    return request.headers.get("x-forwarded-host") or request.headers.get("host", "")


def credential(request: Request) -> str:
    """`session:<id>` or `api_key:<id>` as the authorizer found it; empty without the gateway before us."""
    return request.headers.get(CREDENTIAL_HEADER, "")


def session_id(request: Request) -> UUID | None:
    kind, _, found = credential(request).partition(":")
    return UUID(found) if kind == "session" else None


def person_of(principal: Principal) -> UUID:
    """The user who is signed in. Scripts have no password, no second factor and make no keys."""
    if principal.kind != "user":
        raise Forbidden("Only a person who is signed in may do this.")
    return UUID(principal.id)


def actor_of(principal: Principal, address: str) -> Actor:
    return Actor.of(principal, address)


Address = Annotated[str, Depends(client_address)]
Credential = Annotated[str, Depends(credential)]
OwnSession = Annotated[UUID | None, Depends(session_id)]


class Body(BaseModel):
    """A request body: a member that is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a control character")
    return text


Email = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254, to_lower=True),
    AfterValidator(_printable),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120), AfterValidator(_printable)]
# Bounded above the longest accepted password, so that the policy answers with its own sentence.
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024, strip_whitespace=False)]
