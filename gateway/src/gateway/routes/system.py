"""How the system is; dead letters of all services; the clock of sandbox mode."""

import hashlib
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field
from shared.auth import Principal
from shared.database import Begin
from shared.errors import Conflict, Invalid, NotFound, ServiceUnavailable
from shared.http import ApiRouter, Moment, can, problems
from shared.http.idempotency import MAX_KEY_LENGTH
from shared.paging import Page

from gateway.errors import ClockCannotMove
from gateway.routes.dependencies import Address, Body, FromApp, actor_of
from gateway.services.audit import AuditLog
from gateway.services.system import SystemService

router = ApiRouter(prefix="/api/v1/system", tags=["system"])

Reader = Annotated[Principal, can("system:read")]
Writer = Annotated[Principal, can("system:write")]
Health = Literal["ready", "not_ready", "unknown"]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="Send the same key to repeat a request safely; the first answer comes back.",
    ),
]
MAX_ADVANCE_SECONDS = 366 * 86_400


class PartHealth(BaseModel):
    api: Health
    worker: Health | None = None
    backlog: dict[str, Any] | None = Field(
        description="Outbox, consumer lag, dead letters, work in hand, next due moment; null where it is not known."
    )


class SystemHealth(BaseModel):
    mode: str
    is_idle: bool = Field(description="Every part answers and has nothing left to do at this moment of its clock.")
    services: dict[str, PartHealth]
    sandbox: PartHealth | None


class Clock(BaseModel):
    mode: str
    now: str | None = Field(description="RFC 3339. The latest of the parts; null where none answers.")
    services: dict[str, str | None]


class ClockMove(Body):
    """Exactly one of the two."""

    at: Moment | None = None
    advance_seconds: float | None = Field(default=None, ge=0, le=MAX_ADVANCE_SECONDS)

    def check(self) -> None:
        if (self.at is None) == (self.advance_seconds is None):
            raise Invalid("Give either `at` or `advance_seconds`.")


class DeadLetterOut(BaseModel):
    model_config = ConfigDict(extra="allow")

    service: str
    id: UUID
    type: str
    error: str


@router.get("/health")
async def get_health(me: Reader, system: FromApp[SystemService]) -> SystemHealth:
    """Each part as it answers at this moment; what does not answer is `unknown`."""
    return SystemHealth.model_validate(await system.health())


@router.get("/clock")
async def get_clock(me: Reader, system: FromApp[SystemService]) -> Clock:
    """Domain time, which sandbox mode may move ahead."""
    return Clock.model_validate(await system.clock())


@router.put("/clock", responses=problems(ClockCannotMove, ServiceUnavailable))
async def move_clock(
    move: ClockMove, me: Writer, address: Address, system: FromApp[SystemService], begin: FromApp[Begin]
) -> Clock:
    """Move all services and the sandbox forward, before this answers. Sandbox mode only."""
    move.check()
    clock = Clock.model_validate(await system.move_clock(at=move.at, advance_seconds=move.advance_seconds))
    async with begin() as tx:
        (await tx.aget(AuditLog)).record(actor_of(me, address), "clock.moved", "", now=clock.now)
    return clock


@router.get("/dead-letters", responses=problems(NotFound, ServiceUnavailable))
async def list_dead_letters(
    me: Writer,
    system: FromApp[SystemService],
    service: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[DeadLetterOut]:
    """Events that could not be consumed, the newest first. Replaying them is what makes the list shorter."""
    letters = await system.dead_letters(service)
    items = [DeadLetterOut.model_validate(letter) for letter in letters[:limit]]
    return Page(items=items, next_cursor=None, total=len(letters))


@router.post("/dead-letters/{service}/{letter_id}/replay", responses=problems(NotFound, Conflict, ServiceUnavailable))
async def replay_dead_letter(
    service: str,
    letter_id: UUID,
    me: Writer,
    address: Address,
    system: FromApp[SystemService],
    begin: FromApp[Begin],
    key: IdempotencyKey = None,
) -> DeadLetterOut:
    """Consume the event again. Once it was replayed, another attempt answers 409.

    The service keeps the answer for an Idempotency-Key, in the transaction of the event's effect.
    """
    letter, is_repeat = await system.replay(service, letter_id, key=_key_of(me, key))
    if not is_repeat:
        async with begin() as tx:
            (await tx.aget(AuditLog)).record(actor_of(me, address), "dead_letter.replayed", letter_id, service=service)
    return DeadLetterOut.model_validate(letter)


def _key_of(caller: Principal, key: str | None) -> str | None:
    """The caller's key as the service gets it, which knows the gateway only and not who asks there."""
    return hashlib.sha256(f"{caller.id} {key}".encode()).hexdigest() if key else None
