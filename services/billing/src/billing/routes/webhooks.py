"""Where QuickBooks delivers: verify the raw bytes, commit them, answer. What changed is read afterwards."""

from typing import Protocol

from fastapi import Request, Response
from shared.errors import Unauthorized
from shared.http.dependencies import PUBLIC
from shared.http.problems import problems
from shared.http.routing import ApiRouter

from billing.services.notices import REFUSED

MAX_BYTES = 2_097_152

router = ApiRouter(tags=["webhooks"])


class Receiver(Protocol):
    """Checks a delivery's signature and makes it durable; put together in registry.py."""

    def verify(self, body: bytes, signature: str | None) -> None: ...

    async def store(self, body: bytes) -> None: ...


_DELIVERY = {
    **PUBLIC,
    "x-max-bytes": MAX_BYTES,
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {}} for media_type in ("application/json", "application/cloudevents+json")},
        "description": "What changed, in either of QuickBooks's forms, signed over its raw bytes.",
    },
    "parameters": [{"name": "intuit-signature", "in": "header", "required": False, "schema": {"type": "string"}}],
}


@router.post("/webhooks/quickbooks", openapi_extra=_DELIVERY, response_class=Response, responses=problems(Unauthorized))
async def receive_quickbooks(request: Request) -> Response:
    """A signed delivery. 200 means that it is durable; a repeat is welcome."""
    receiver: Receiver = request.app.state.webhook_receiver
    body = b"".join([chunk async for chunk in request.stream()])
    try:
        receiver.verify(body, request.headers.get("intuit-signature"))
    except Unauthorized:
        REFUSED.inc()
        raise
    await receiver.store(body)
    return Response(status_code=200)
