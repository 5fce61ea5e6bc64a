"""The sandbox's own work: events that fall due, replies that people send, and the request tally."""

from datetime import timedelta

from shared.database import Begin, UnitOfWork
from sqlalchemy import delete, select, text, update

from sandbox.life_cycle import MessageStatus
from sandbox.models import Message, PlannedReply
from sandbox.persona import reply_to
from sandbox.rate_limit import RateLimiter
from sandbox.services.events import EventService, MessageEvent
from sandbox.services.inbound import InboundService
from sandbox.workspace import Workspace

EVENTS_A_STEP = 500
REPLIES_A_STEP = 50

_ADD_TALLY = text(
    "INSERT INTO request_tally (run, key_name, second, requests, refused, most_in_a_second)"
    " VALUES (:run, :key_name, :second, :requests, :refused, :most_in_a_second)"
    " ON CONFLICT (run, key_name, second) DO UPDATE SET requests = request_tally.requests + excluded.requests,"
    " refused = request_tally.refused + excluded.refused,"
    " most_in_a_second = greatest(request_tally.most_in_a_second, excluded.most_in_a_second)"
)

EVENT_TYPES = {
    MessageStatus.DELIVERED: "message.delivered",
    MessageStatus.UNDELIVERED: "message.undelivered",
    MessageStatus.FAILED: "message.failed",
}


class AnnounceProcess:
    """Turns final statuses that have come into events, and deliveries into the answers people give."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            due = (
                await uow.session.execute(
                    select(Message)
                    .where(Message.event_due_at <= uow.now)
                    .order_by(Message.event_due_at)
                    .limit(EVENTS_A_STEP)
                    .with_for_update(skip_locked=True)
                )
            ).scalars()
            messages = list(due)
            if not messages:
                return 0
            events = await tx.aget(EventService)
            await events.announce_messages(
                MessageEvent(EVENT_TYPES[message.final_status], message, message.final_at)
                for message in messages
                if message.final_status in EVENT_TYPES and message.final_at is not None
            )
            await self._plan_replies(uow, await tx.aget(Workspace), messages)
            # One statement instead of one per row: this keeps up with hundreds of texts a second.
            await uow.session.execute(
                update(Message)
                .where(Message.id.in_([message.id for message in messages]))
                .values(event_due_at=None)
                .execution_options(synchronize_session=False)
            )
        return len(messages)

    @staticmethod
    async def _plan_replies(uow: UnitOfWork, workspace: Workspace, messages: list[Message]) -> None:
        profile, rows = workspace.controls.persona, []
        for message in messages:
            # Only a text that arrived is answered, and only by a single person.
            if message.final_status is not MessageStatus.DELIVERED or message.text_number == 0:
                continue
            reply = reply_to(profile, message.counterpart, message.text_number)
            if reply is not None and message.final_at is not None and len(message.recipients) == 1:
                row = PlannedReply(
                    due_at=message.final_at + timedelta(seconds=reply.delay_seconds),
                    sender=message.counterpart,
                    phone_number_id=message.phone_number_id,
                    text=reply.text,
                    media=reply.media,
                )
                rows.append(row)
        uow.session.add_all(rows)


class ReplyProcess:
    """Sends the replies that are due."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            due = list(
                (
                    await uow.session.execute(
                        select(PlannedReply)
                        .where(PlannedReply.due_at <= uow.now)
                        .order_by(PlannedReply.due_at)
                        .limit(REPLIES_A_STEP)
                        .with_for_update(skip_locked=True)
                    )
                ).scalars()
            )
            inbound = await tx.aget(InboundService)
            for reply in due:
                await inbound.receive(reply.sender, reply.phone_number_id, reply.text, reply.media)
            if due:
                await uow.session.execute(
                    delete(PlannedReply)
                    .where(PlannedReply.id.in_([reply.id for reply in due]))
                    .execution_options(synchronize_session=False)
                )
        return len(due)


class TallyProcess:
    """Writes down how many requests came in each second, so that the figure survives a restart."""

    def __init__(self, begin: Begin, limiter: RateLimiter) -> None:
        self._begin = begin
        self._limiter = limiter

    async def run_once(self) -> int:
        tallies = self._limiter.take_tallies()
        if not tallies:
            return 0
        async with self._begin() as tx:
            uow, workspace = await tx.aget(UnitOfWork), await tx.aget(Workspace)
            for presented, second, tally, most in tallies:
                key = workspace.keys.get(presented)
                if key is None:
                    continue
                await uow.session.execute(
                    _ADD_TALLY,
                    {
                        "run": workspace.run,
                        "key_name": key.name,
                        "second": second,
                        "requests": tally.requests,
                        "refused": tally.refused,
                        "most_in_a_second": most,
                    },
                )
        # Not work that anybody waits for: an idle sandbox may still have seconds to write down.
        return 0
