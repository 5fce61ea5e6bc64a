"""What every service answers inside: probes, metrics, the movable clock, dead letters. Never routed from outside."""

from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from shared.auth import Principal, TokenVerifier
from shared.consuming import Consumptions, DeadLetter, DeadLetterService
from shared.database import Begin, UnitOfWork, move_clock
from shared.errors import Conflict, NotFound, ServiceUnavailable
from shared.events.envelope import Instant
from shared.http.dependencies import PUBLIC, Needs, Tx, can
from shared.http.instants import Moment
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.settings import Mode, ServiceSettings

Insider = Annotated[Principal, can("internal")]


class ClockIn(BaseModel):
    at: Moment


class ClockOut(BaseModel):
    now: Instant


class DeadLetters(BaseModel):
    items: list[DeadLetter]


@cache
def internal_router() -> ApiRouter:
    router = ApiRouter(prefix="/internal/v1", tags=["internal"])

    @router.get("/clock")
    async def get_clock(uow: Needs[UnitOfWork], caller: Insider) -> ClockOut:
        return ClockOut(now=uow.now)

    @router.put("/clock", responses=problems(Conflict))
    async def put_clock(
        new: ClockIn, uow: Needs[UnitOfWork], settings: Needs[ServiceSettings], caller: Insider
    ) -> ClockOut:
        """Move domain time forward (sandbox mode only); an instant that has passed changes nothing."""
        if settings.mode is not Mode.SANDBOX:
            raise Conflict("The clock moves only in sandbox mode.")
        return ClockOut(now=await move_clock(uow.session, new.at))

    @router.get("/dead-letters")
    async def list_dead_letters(letters: Needs[DeadLetterService], caller: Insider) -> DeadLetters:
        """The 500 newest events that could not be consumed and have not been replayed."""
        return DeadLetters(items=await letters.open_letters())

    @router.post("/dead-letters/{letter_id}/replay", responses=problems(NotFound, Conflict))
    async def replay_dead_letter(
        letter_id: UUID,
        letters: Needs[DeadLetterService],
        consumptions: Needs[Consumptions],
        tx: Tx,
        caller: Insider,
    ) -> DeadLetter:
        """Consume the event again, through the same code; it stays a dead letter if that fails again."""
        return await letters.replay(letter_id, tx, consumptions)

    return router


@cache
def probes_router() -> ApiRouter:
    router = ApiRouter(tags=["probes"])

    @router.get("/livez", openapi_extra=PUBLIC)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", openapi_extra=PUBLIC, responses=problems(ServiceUnavailable))
    async def readyz(request: Request) -> dict[str, str]:
        """Ready means: the database answers and, where tokens are verified, the signing keys are known."""
        container = request.app.state.container
        begin: Begin = await container.aget(Begin)
        async with begin() as tx:
            session = await tx.aget(AsyncSession)
            await session.execute(text("SELECT 1"))
        verifier: Any = await container.aget_abstract(TokenVerifier)
        if hasattr(verifier, "ready"):
            await verifier.ready()
        return {"status": "ready"}

    @router.get("/metrics", openapi_extra=PUBLIC, response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
