"""Who may turn the sandbox: the holder of the control key."""

import hmac
from typing import Annotated, Any

from fastapi import Security
from fastapi.security import APIKeyHeader, SecurityScopes
from shared.errors import Unauthorized
from starlette.requests import Request

from sandbox.settings import SandboxSettings

_header = APIKeyHeader(
    name="X-Sandbox-Key", scheme_name="sandbox_key", auto_error=False, description="The control key."
)


async def _check(scopes: SecurityScopes, request: Request, presented: Annotated[str | None, Security(_header)]) -> None:
    settings = request.app.state.container.get(SandboxSettings)
    expected = settings.sandbox_key.get_secret_value()
    if presented is None or not hmac.compare_digest(presented.encode(), expected.encode()):
        raise Unauthorized("Send the sandbox's control key as X-Sandbox-Key.")


def controller() -> Any:
    """`caller: Annotated[None, controller()]`: only with the control key."""
    return Security(_check, scopes=["sandbox:control"])


Controller = Annotated[None, controller()]


def document_control_key(document: dict[str, Any]) -> None:
    """Let the controls name their key alone: the transaction's optional token is no other way in."""
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/sandbox/") else ():
            operation["security"] = [way for way in operation["security"] if _header.scheme_name in way]
