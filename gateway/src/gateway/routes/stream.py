"""Server-sent events for open browsers: what changed, not how."""

from typing import Annotated

from shared.auth import Principal
from shared.errors import Unauthorized
from shared.http import ApiRouter, can
from starlette.responses import StreamingResponse

from gateway.routes.dependencies import Credential, FromApp
from gateway.services.authorizer import Authorizer
from gateway.services.live import Hub, stream

router = ApiRouter(prefix="/api/v1/stream", tags=["stream"])

_CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get("", response_class=StreamingResponse, responses={200: {"content": _CONTENT, "description": "Events"}})
async def live_stream(
    me: Annotated[Principal, can("live:read")],
    credential: Credential,
    hub: FromApp[Hub],
    authorizer: FromApp[Authorizer],
) -> StreamingResponse:
    """`hint` events `{service, resource, id, version}`: read that record again if yours is older.

    An id of `*` stands for more records than are worth naming: read again what is shown of that resource. After
    `ready` (each connection) and `resync`, read again all that is shown. `ended`: the session is over.
    """
    if not credential:
        raise Unauthorized("The live stream is reached through the gateway's address.")
    events = stream(hub, lambda: authorizer.is_live(credential))
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
