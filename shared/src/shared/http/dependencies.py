"""What routes ask for: `Needs[Service]`, `Tx`, `can("contacts:read")`."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import svcs
from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal, TokenVerifier
from shared.database import Begin
from shared.errors import Forbidden, Unauthorized
from shared.http.idempotency import claim

PUBLIC: dict[str, Any] = {"x-public": True}
"""`openapi_extra=PUBLIC`: the operation needs no signed-in caller."""


def UPLOAD(max_bytes: int) -> dict[str, Any]:  # noqa: N802 - stands beside PUBLIC as an openapi_extra
    """`openapi_extra=UPLOAD(n)`: the route reads its body as a stream of at most n bytes."""
    return {
        "x-max-bytes": max_bytes,
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    }


_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="A token of the gateway.")


async def _authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    if credentials is None:
        raise Unauthorized("Sign in, or send an API key.")
    verifier: TokenVerifier = await request.app.state.container.aget_abstract(TokenVerifier)
    return await verifier.verify(credentials.credentials, request.app.state.audience)


async def _authorize(scopes: SecurityScopes, principal: Annotated[Principal, Depends(_authenticate)]) -> Principal:
    for permission in scopes.scopes:
        if not principal.may(permission):
            raise Forbidden(f"This needs the permission {permission}; ask an administrator.", permission=permission)
    return principal


def can(permission: str) -> Any:
    """The caller, who must hold `permission`; it stands in OpenAPI as the operation's security scope."""
    return Security(_authorize, scopes=[permission])


async def _caller_id(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    return "anonymous" if credentials is None else (await _authenticate(request, credentials)).id


async def _open_transaction(
    request: Request, caller: Annotated[str, Depends(_caller_id)]
) -> AsyncIterator[svcs.Container]:
    begin: Begin = await request.app.state.container.aget(Begin)
    async with begin() as tx:
        request.state.idempotency = await claim(await tx.aget(AsyncSession), request, caller)
        yield tx


# The scope is what makes the commit happen before the answer leaves: with the default one, a commit that fails
# would already have answered 201.
Tx = Annotated[svcs.Container, Depends(_open_transaction, scope="function")]
"""The request's transaction."""


def opens_transaction(dependant: Dependant) -> bool:
    """Whether a route, or anything it depends on, works in the request's transaction."""
    return dependant.call is _open_transaction or any(map(opens_transaction, dependant.dependencies))


T = TypeVar("T")

if TYPE_CHECKING:
    Needs = Annotated[T, "from the registry"]
else:

    class Needs:
        """`contacts: Needs[ContactService]`: made by the registry, living in the request's transaction."""

        def __class_getitem__(cls, service: type) -> Any:
            async def resolve(tx: Tx) -> Any:
                return await tx.aget(service)

            return Annotated[service, Depends(resolve, scope="function")]
