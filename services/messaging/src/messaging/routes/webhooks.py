"""Where the provider delivers: verify the raw bytes, commit them, answer. Nothing else happens here."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import Request, Response
from shared.errors import Unauthorized
from shared.http.dependencies import PUBLIC
from shared.http.problems import problems
from shared.http.routing import ApiRouter

from messaging.services.webhooks import REFUSED, Arrival

MAX_BYTES = 1_048_576

router = ApiRouter(tags=["webhooks"])


class Receiver(Protocol):
    """Checks a delivery's signature and makes it durable; put together in registry.py."""

    async def verify(self, headers: Mapping[str, list[str]], body: bytes) -> Arrival: ...

    async def store(self, arrival: Arrival) -> None: ...


_DELIVERY = {
    **PUBLIC,
    "x-max-bytes": MAX_BYTES,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "The provider's event, signed over its raw bytes.",
    },
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in ("openphone-signature", "webhook-id", "webhook-timestamp", "webhook-signature")
    ],
}


@router.post(
    "/webhooks/openphone",
    status_code=204,
    response_class=Response,
    openapi_extra=_DELIVERY,
    responses=problems(Unauthorized),
)
async def receive_openphone(request: Request) -> Response:
    """A signed delivery, in either of the provider's schemes. 2xx means that it is durable; a repeat is welcome."""
    receiver: Receiver = request.app.state.webhook_receiver
    body = await _raw_body(request)
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault(name, []).append(value)
    try:
        arrival = await receiver.verify(headers, body)
    except Unauthorized:
        REFUSED.inc()
        raise
    await receiver.store(arrival)
    return Response(status_code=204)


async def _raw_body(request: Request) -> bytes:
    """The bytes as they were signed; the route's limit applies while they stream in."""
    return b"".join([chunk async for chunk in request.stream()])
