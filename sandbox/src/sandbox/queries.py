"""Reads: SQL in, rows out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.paging import PageRequest, page
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from sandbox.life_cycle import MessageStatus
from sandbox.models import (
    Call,
    Conversation,
    Delivery,
    Direction,
    LedgerEntry,
    Message,
    QbEmail,
    QbLedgerEntry,
    Recipient,
    RequestTally,
)


@dataclass(frozen=True)
class Between:
    """Open at both ends; None is unbounded."""

    after: datetime | None = None
    before: datetime | None = None

    def of(self, column: Any) -> list[ColumnElement[bool]]:
        after = [column > self.after] if self.after is not None else []
        return after + ([column < self.before] if self.before is not None else [])


def messages_of_conversation(
    phone_number_id: str, participants: list[str], created: Between, user_id: str | None
) -> Select[Any]:
    """The thread with exactly these participants."""
    statement = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.phone_number_id == phone_number_id,
            Conversation.participants_key == ",".join(sorted(set(participants))),
            *created.of(Message.created_at),
        )
    )
    return statement.where(Message.user_id == user_id) if user_id is not None else statement


@dataclass(frozen=True)
class MessageFilter:
    """The dated list's filters, each optional."""

    phone_number_id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    status: str | None = None
    direction: str | None = None


def messages_matching(wanted: MessageFilter, created: Between, now: datetime) -> Select[Any]:
    """Of the whole workspace."""
    statement = select(Message).where(*created.of(Message.created_at))
    if wanted.phone_number_id is not None:
        statement = statement.where(Message.phone_number_id == wanted.phone_number_id)
    if wanted.sender is not None:
        statement = statement.where(Message.sender == wanted.sender)
    if wanted.recipient is not None:
        statement = statement.where(Message.recipients.contains([wanted.recipient]))
    if wanted.status is not None:
        statement = statement.where(status_at(now) == wanted.status)
    if wanted.direction is not None:
        statement = statement.where(Message.direction == Direction(wanted.direction))
    return statement


def conversations_of(
    phone_number_ids: list[str] | None, created: Between, updated: Between, active_since: datetime | None
) -> Select[Any]:
    """Of these numbers, or of all."""
    statement = select(Conversation).where(*created.of(Conversation.created_at), *updated.of(Conversation.updated_at))
    if phone_number_ids is not None:
        statement = statement.where(Conversation.phone_number_id.in_(phone_number_ids))
    if active_since is not None:
        statement = statement.where(Conversation.last_activity_at > active_since)
    return statement


def deliveries_of(webhook_id: str) -> Select[Any]:
    return select(Delivery).where(Delivery.webhook_id == webhook_id)


def status_at(now: datetime) -> ColumnElement[str]:
    """What `Message.status_at` says, in SQL."""
    return case(
        (and_(Message.final_at.is_not(None), Message.final_at <= now), Message.final_status),
        (Message.sent_at <= now, literal(MessageStatus.SENT.value)),
        else_=literal(MessageStatus.QUEUED.value),
    )


def calls_of(phone_number_id: str, participant: str, created: Between, user_id: str | None) -> Select[Any]:
    statement = select(Call).where(
        Call.phone_number_id == phone_number_id,
        Call.counterpart == participant,
        *created.of(Call.created_at),
    )
    return statement.where(Call.user_id == user_id) if user_id is not None else statement


MESSAGE_ORDER = (Message.created_at, Message.id)
CONVERSATION_ORDER = (Conversation.last_activity_at, Conversation.id)
CALL_ORDER = (Call.created_at, Call.id)
DELIVERY_ORDER = (Delivery.created_at, Delivery.key)
Order = tuple[Any, Any]
"""Columns of an instant and of a unique text: pages are newest first."""


@dataclass(frozen=True)
class Slice:
    """Where a page of a provider's list begins: after a row, or after so many rows."""

    limit: int
    after: tuple[datetime, str] | None = None
    offset: int = 0


async def newest_first(
    session: AsyncSession,
    statement: Select[Any],
    *,
    order: Order,
    part: Slice,
) -> tuple[Sequence[Any], bool, int]:
    """The rows of a page, whether there are more, and how many there are in all."""
    at, key = order
    total = (await session.execute(select(func.count()).select_from(statement.subquery()))).scalar_one()
    if part.after is not None:
        instant, last = part.after
        statement = statement.where(or_(at < instant, and_(at == instant, key < last)))
    ordered = statement.order_by(at.desc(), key.desc()).offset(part.offset).limit(part.limit + 1)
    rows = (await session.execute(ordered)).scalars().all()
    return rows[: part.limit], len(rows) > part.limit, total


@dataclass(frozen=True)
class LedgerFilter:
    run: int
    recipient: str | None = None
    sender: str | None = None
    contains: str | None = None


def _ledger(wanted: LedgerFilter) -> Select[Any]:
    statement = select(LedgerEntry).where(LedgerEntry.run == wanted.run)
    if wanted.recipient is not None:
        statement = statement.where(LedgerEntry.recipient == wanted.recipient)
    if wanted.sender is not None:
        statement = statement.where(LedgerEntry.sender == wanted.sender)
    if wanted.contains is not None:
        statement = statement.where(LedgerEntry.body.contains(wanted.contains, autoescape=True))
    return statement


async def ledger_page(
    session: AsyncSession, wanted: LedgerFilter, params: PageRequest
) -> tuple[list[LedgerEntry], str | None, int | None]:
    """In the order of acceptance."""
    scope = {
        "run": wanted.run,
        "recipient": wanted.recipient,
        "sender": wanted.sender,
        "contains": wanted.contains,
    }
    keys: list[Any] = [LedgerEntry.seq]
    return await page(session, _ledger(wanted), keys=keys, params=params, scope=scope)


async def ledger_stream(session: AsyncSession, wanted: LedgerFilter) -> AsyncIterator[LedgerEntry]:
    """All of it, a thousand rows at a time."""
    statement = _ledger(wanted).order_by(LedgerEntry.seq).execution_options(yield_per=1000)
    async for row in await session.stream(statement):
        yield row[0]


async def quickbooks_ledger(session: AsyncSession, realm_id: str, *, after: int, most: int) -> Sequence[QbLedgerEntry]:
    """The company's lines behind the line `after`, in their order."""
    lines = await session.scalars(
        select(QbLedgerEntry)
        .where(QbLedgerEntry.realm_id == realm_id, QbLedgerEntry.seq > after)
        .order_by(QbLedgerEntry.seq)
        .limit(most)
    )
    return lines.all()


async def quickbooks_emails(session: AsyncSession, realm_id: str, *, after: int, most: int) -> Sequence[QbEmail]:
    """The company's e-mails behind the one `after`, in their order."""
    found = await session.scalars(
        select(QbEmail).where(QbEmail.realm_id == realm_id, QbEmail.seq > after).order_by(QbEmail.seq).limit(most)
    )
    return found.all()


_COUNTS = text(
    """
SELECT (SELECT count(*) FROM ledger WHERE run = :run) AS accepted,
       (SELECT count(DISTINCT recipient) FROM ledger WHERE run = :run) AS recipients,
       (SELECT coalesce(sum(attempts), 0) FROM recipient) AS attempts,
       (SELECT coalesce(sum(received), 0) FROM recipient) AS received,
       (SELECT count(*) FROM recipient WHERE blocked_at IS NOT NULL) AS blocked
"""
)


async def counts(session: AsyncSession, run: int) -> dict[str, int]:
    row = (await session.execute(_COUNTS, {"run": run})).mappings().one()
    return {name: int(value) for name, value in row.items()}


async def counts_by(session: AsyncSession, column: ColumnElement[Any], *where: ColumnElement[bool]) -> dict[str, int]:
    found = await session.execute(select(column, func.count()).where(*where).group_by(column))
    return {str(getattr(value, "value", value)): count for value, count in found.all() if value is not None}


async def message_counts(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Messages by what they are at `now`."""
    status = status_at(now).label("status")
    found = await session.execute(select(status, func.count()).group_by(status))
    return {str(getattr(value, "value", value)): count for value, count in found.all()}


async def delivery_counts(session: AsyncSession) -> tuple[dict[str, int], dict[str, int]]:
    """Deliveries by state, and by the fault that was chosen for them."""
    return await counts_by(session, Delivery.state), await counts_by(session, Delivery.fault)  # type: ignore[arg-type]


async def repeated_texts(session: AsyncSession, run: int) -> list[tuple[str, str, int]]:
    """(recipient, body, times) of what was accepted more than once."""
    found = await session.execute(
        select(LedgerEntry.recipient, LedgerEntry.body, func.count())
        .where(LedgerEntry.run == run)
        .group_by(LedgerEntry.recipient, LedgerEntry.body)
        .having(func.count() > 1)
        .order_by(LedgerEntry.recipient)
        .limit(1000)
    )
    return [(recipient, body, times) for recipient, body, times in found.all()]


async def repeated_recipients(session: AsyncSession, run: int) -> dict[str, int]:
    """How many texts each recipient that got more than one was sent."""
    found = await session.execute(
        select(LedgerEntry.recipient, func.count())
        .where(LedgerEntry.run == run)
        .group_by(LedgerEntry.recipient)
        .having(func.count() > 1)
        .order_by(LedgerEntry.recipient)
        .limit(1000)
    )
    return {str(recipient): int(times) for recipient, times in found.all()}


async def request_tallies(session: AsyncSession, run: int) -> list[dict[str, Any]]:
    """Per key: requests, refusals, and the most in one second, fixed and sliding."""
    found = await session.execute(
        select(
            RequestTally.key_name.label("key_name"),
            func.sum(RequestTally.requests).label("requests"),
            func.sum(RequestTally.refused).label("refused"),
            func.max(RequestTally.requests).label("most_in_a_fixed_second"),
            func.max(RequestTally.most_in_a_second).label("most_in_any_second"),
        )
        .where(RequestTally.run == run)
        .group_by(RequestTally.key_name)
        .order_by(RequestTally.key_name)
    )
    return [dict(row) for row in found.mappings().all()]


async def find_recipient(session: AsyncSession, phone: str) -> Recipient | None:
    return await session.get(Recipient, phone)


_BACKLOG = text(
    """
SELECT (SELECT count(*) FROM message WHERE event_due_at <= crm_now()) AS events_due,
       (SELECT count(*) FROM planned_reply WHERE due_at <= crm_now()) AS replies_due,
       (SELECT count(*) FROM delivery WHERE next_attempt_at <= crm_now()) AS deliveries_due,
       (SELECT count(*) FROM qb_event WHERE due_at <= crm_now()) AS notices_due,
       (SELECT count(*) FROM message WHERE event_due_at > crm_now()) AS events_waiting,
       (SELECT count(*) FROM planned_reply WHERE due_at > crm_now()) AS replies_waiting,
       (SELECT count(*) FROM delivery WHERE next_attempt_at > crm_now()) AS deliveries_waiting,
       (SELECT count(*) FROM qb_event WHERE due_at > crm_now()) AS notices_waiting,
       least((SELECT min(event_due_at) FROM message WHERE event_due_at > crm_now()),
             (SELECT min(due_at) FROM planned_reply WHERE due_at > crm_now()),
             (SELECT min(next_attempt_at) FROM delivery WHERE next_attempt_at > crm_now()),
             (SELECT min(due_at) FROM qb_event WHERE due_at > crm_now())) AS next_due_at,
       crm_now() AS now
"""
)


@dataclass(frozen=True)
class QueueState:
    now: datetime
    due: dict[str, int]
    waiting: dict[str, int]
    next_due_at: datetime | None


async def queue_state(session: AsyncSession) -> QueueState:
    """What is due now and what will be: the truth for settling."""
    row = (await session.execute(_BACKLOG)).mappings().one()
    kinds = ("events", "replies", "deliveries", "notices")
    return QueueState(
        now=row["now"],
        due={kind: row[f"{kind}_due"] for kind in kinds},
        waiting={kind: row[f"{kind}_waiting"] for kind in kinds},
        next_due_at=row["next_due_at"],
    )


_UNTIL_DUE = text(
    "SELECT (SELECT min(event_due_at) FROM message) - crm_now() AS announce,"
    " (SELECT min(due_at) FROM planned_reply) - crm_now() AS reply,"
    " (SELECT min(next_attempt_at) FROM delivery) - crm_now() AS deliver,"
    " (SELECT min(due_at) FROM qb_event) - crm_now() AS notices"
)


async def until_due(session: AsyncSession) -> dict[str, timedelta | None]:
    """How long each job has nothing to do (negative: something is due); None where nothing is planned at all."""
    return dict((await session.execute(_UNTIL_DUE)).mappings().one())
