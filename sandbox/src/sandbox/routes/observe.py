"""/sandbox/v1: what the sandbox has seen. The ledger is the truth that the product is held against."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import Depends, Query
from pydantic import BaseModel
from shared.clock import rfc3339
from shared.database import Begin, UnitOfWork
from shared.events.envelope import Instant
from shared.http import PUBLIC, ApiRouter, Needs
from shared.paging import Page, PageParams
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import StreamingResponse

from sandbox import queries
from sandbox.models import LedgerEntry
from sandbox.queries import LedgerFilter, QueueState
from sandbox.routes.control_key import Controller
from sandbox.services.processes import TallyProcess
from sandbox.workspace import Workspace

router = ApiRouter(tags=["observe"])

Text = Annotated[str | None, Query(max_length=1600, pattern=r"^[^\x00]*$")]


class LedgerRow(BaseModel):
    """One request that was accepted as a send. `recv_at` is wall time, `crm_at` domain time."""

    seq: int
    recv_at: Instant
    crm_at: Instant
    sender: str
    recipient: str
    recipients: list[str]
    body: str
    key_name: str
    message_id: str
    correlation_id: str
    attempt: int
    fault: str | None


class KeyTally(BaseModel):
    key_name: str
    requests: int
    refused: int
    most_in_a_fixed_second: int
    most_in_any_second: int


class RepeatedText(BaseModel):
    recipient: str
    body: str
    times: int


class Stats(BaseModel):
    """Counts of this run. Whoever was texted more than once stands in `repeated_recipients`."""

    run: int
    accepted: int
    recipients: int
    attempts: int
    received: int
    blocked: int
    messages: dict[str, int]
    deliveries: dict[str, int]
    delivery_faults: dict[str, int]
    requests: list[KeyTally]
    repeated_recipients: dict[str, int]
    repeated_texts: list[RepeatedText]


class Queue(BaseModel):
    """What is still to do: `busy` is due now, `waiting` lies ahead. Same shape as a worker's idle report."""

    service: str = "sandbox"
    idle: bool
    now: Instant
    outbox: int = 0
    outbox_failed: int = 0
    dead_letters: int = 0
    consumers: dict[str, dict[str, int]] = {}
    busy: dict[str, int]
    waiting: dict[str, int]
    running: int = 0
    next_due_at: Instant | None


async def _wanted(
    workspace: Needs[Workspace],
    recipient: Text = None,
    sender: Text = None,
    contains: Text = None,
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: this one.")] = None,
) -> LedgerFilter:
    return LedgerFilter(run or workspace.run, recipient, sender, contains)


Wanted = Annotated[LedgerFilter, Depends(_wanted, scope="function")]


@router.get("/sandbox/v1/ledger")
async def list_ledger(
    wanted: Wanted, params: PageParams, uow: Needs[UnitOfWork], caller: Controller
) -> Page[LedgerRow]:
    """Accepted sends, the earliest first."""
    rows, cursor, total = await queries.ledger_page(uow.session, wanted, params)
    items = [LedgerRow.model_validate(row, from_attributes=True) for row in rows]
    return Page[LedgerRow](items=items, next_cursor=cursor, total=total)


@router.get("/sandbox/v1/ledger/export", response_class=StreamingResponse)
async def export_ledger(request: Request, wanted: Wanted, caller: Controller) -> StreamingResponse:
    """The same as NDJSON, all of it."""
    begin = await request.app.state.container.aget(Begin)
    return StreamingResponse(_lines(begin, wanted), media_type="application/x-ndjson")


async def _lines(begin: Begin, wanted: LedgerFilter) -> AsyncIterator[bytes]:
    # The stream outlives the request's transaction, so it opens its own.
    async with begin("REPEATABLE READ") as tx:
        session = await tx.aget(AsyncSession)
        async for row in queries.ledger_stream(session, wanted):
            yield orjson.dumps(_line(row)) + b"\n"


def _line(row: LedgerEntry) -> dict[str, object]:
    line = {name: getattr(row, name) for name in LedgerRow.model_fields}
    return {**line, "recv_at": rfc3339(row.recv_at), "crm_at": rfc3339(row.crm_at)}


@router.get("/sandbox/v1/stats")
async def get_stats(request: Request, uow: Needs[UnitOfWork], workspace: Needs[Workspace], caller: Controller) -> Stats:
    # What the limiter has counted since the last second belongs to the answer.
    await (await request.app.state.container.aget(TallyProcess)).run_once()
    session, run = uow.session, workspace.run
    states, faults = await queries.delivery_counts(session)
    repeated = await queries.repeated_texts(session, run)
    return Stats(
        run=run,
        **await queries.counts(session, run),
        messages=await queries.message_counts(session, uow.now),
        deliveries=states,
        delivery_faults=faults,
        requests=[KeyTally(**tally) for tally in await queries.request_tallies(session, run)],
        repeated_recipients=await queries.repeated_recipients(session, run),
        repeated_texts=[RepeatedText(recipient=r, body=b, times=n) for r, b, n in repeated],
    )


def _queue(state: QueueState) -> Queue:
    return Queue(
        idle=not any(state.due.values()),
        now=state.now,
        busy=state.due,
        waiting=state.waiting,
        next_due_at=state.next_due_at,
    )


@router.get("/sandbox/v1/queue")
async def get_queue(uow: Needs[UnitOfWork], caller: Controller) -> Queue:
    return _queue(await queries.queue_state(uow.session))


@router.get("/internal/v1/idle", openapi_extra=PUBLIC)
async def get_idle(uow: Needs[UnitOfWork]) -> Queue:
    """Whether anything is due now; read by settle()."""
    return _queue(await queries.queue_state(uow.session))
