"""Reads for people and for campaigns: SQL in, rows out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.clock import wall_now
from shared.database import Begin
from shared.jobs import Backlog
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from messaging.models import (
    CampaignState,
    ConsentEntry,
    ContactAlias,
    ContactPhone,
    Conversation,
    ConversationState,
    DeliveryState,
    Hold,
    HoldScope,
    Message,
    PhoneState,
    WebhookDelivery,
)
from messaging.models.conversation import IN_DEFAULT_INBOX
from messaging.states import COUNTS_AS_SENT, Kind, Status

_NOT_DIGITS = re.compile(r"[^0-9]")


def held() -> ColumnElement[bool]:
    """Whether a hold in place covers a message: part of the claim's WHERE, so that it acts with its commit."""
    return exists().where(
        Hold.lifted_at.is_(None),
        or_(
            Hold.scope == HoldScope.ALL,
            and_(Hold.scope == HoldScope.NUMBER, Hold.number_id == Message.number_id),
            and_(
                Hold.scope == HoldScope.CAMPAIGN,
                Message.kind == Kind.CAMPAIGN,
                or_(Hold.campaign_id.is_(None), Hold.campaign_id == Message.campaign_id),
            ),
        ),
    )


def claimable(now: datetime) -> ColumnElement[bool]:
    return and_(Message.status == Status.QUEUED, Message.not_before <= now, ~held())


def conversations(*, state: ConversationState | None, unread: bool | None, q: str | None) -> Any:
    """The inbox. Threads in which nobody ever wrote back are campaigns' business and left out, except in a search.

    `q`: part of a phone, or words of a name or of the texts.
    """
    statement = select(Conversation, ContactPhone).outerjoin(ContactPhone, ContactPhone.phone == Conversation.phone)
    if state is not None:
        statement = statement.where(Conversation.state == state)
    if unread is not None:
        statement = statement.where(Conversation.unread > 0 if unread else Conversation.unread == 0)
    if q:
        return statement.where(_found(q))
    return statement.where(text(f"({IN_DEFAULT_INBOX})"))


def _found(q: str) -> Any:
    words = f"%{_escaped(q)}%"
    options = [
        func.concat_ws(" ", ContactPhone.first_name, ContactPhone.last_name, ContactPhone.company).ilike(words),
        exists().where(Message.conversation_id == Conversation.id, Message.body.ilike(words)),
    ]
    digits = _NOT_DIGITS.sub("", q)
    if len(digits) >= 3 and len(digits) >= len(q) // 2:
        options.append(Conversation.phone.like(f"%{digits}%"))
    return or_(*options)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def thread(conversation_id: UUID) -> Select[Any]:
    return select(Message).where(Message.conversation_id == conversation_id)


def messages(*, status: Status | None, campaign_id: UUID | None, phone: str | None) -> Select[Any]:
    statement = select(Message)
    if status is not None:
        statement = statement.where(Message.status == status)
    if campaign_id is not None:
        statement = statement.where(Message.campaign_id == campaign_id)
    if phone is not None:
        statement = statement.where(Message.phone == phone)
    return statement


def opt_outs(*, needs_review: bool | None, q: str | None) -> Select[Any]:
    statement = select(PhoneState).where(PhoneState.is_opted_out, PhoneState.consent_at.is_not(None))
    if needs_review is not None:
        statement = statement.where(PhoneState.needs_review.is_(needs_review))
    if q:
        statement = statement.where(PhoneState.phone.like(f"%{_NOT_DIGITS.sub('', q)}%"))
    return statement


def holds(*, in_place: bool | None) -> Select[Any]:
    statement = select(Hold)
    if in_place is None:
        return statement
    return statement.where(Hold.lifted_at.is_(None) if in_place else Hold.lifted_at.is_not(None))


async def consent_entries(session: AsyncSession, phone: str) -> list[ConsentEntry]:
    """The ledger of one phone, oldest first."""
    statement = select(ConsentEntry).where(ConsentEntry.phone == phone).order_by(ConsentEntry.seq)
    return list(await session.scalars(statement))


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """What campaigns need to know of a phone when they build an audience."""

    phone: str
    is_opted_out: bool
    consent_version: int
    line_type: str
    last_texted_at: datetime | None
    has_conversation: bool


async def phone_facts(session: AsyncSession, phones: Sequence[str]) -> list[PhoneFacts]:
    """One answer per phone that is known here; a phone that is missing was never texted and never wrote."""
    # Asked of the texts themselves: a stored instant would stay where a claimed text came back unsent.
    last_text = select(func.max(Message.intent_at)).where(
        Message.phone == PhoneState.phone, Message.status.in_(COUNTS_AS_SENT)
    )
    rows = await session.execute(
        select(
            PhoneState.phone,
            PhoneState.is_opted_out,
            PhoneState.consent_version,
            PhoneState.line_type,
            last_text.scalar_subquery(),
            PhoneState.last_inbound_at.is_not(None),
        ).where(PhoneState.phone.in_(phones))
    )
    return [PhoneFacts(*row) for row in rows]


async def primaries(session: AsyncSession, contact_ids: Iterable[UUID | None]) -> dict[UUID, UUID]:
    """Of these contacts, those that were merged, with the one that each is read as: foreign ids are never rewritten."""
    found: dict[UUID, UUID] = {}
    asked = {contact_id for contact_id in contact_ids if contact_id is not None}
    while asked:
        rows = await session.execute(
            select(ContactAlias.secondary_id, ContactAlias.primary_id).where(
                ContactAlias.secondary_id.in_(asked), ContactAlias.is_active
            )
        )
        merged = {row.secondary_id: row.primary_id for row in rows}
        found |= merged
        asked = set(merged.values()) - found.keys()
    return {secondary: _end_of(found, secondary) for secondary in found}


def _end_of(merged: dict[UUID, UUID], contact_id: UUID) -> UUID:
    """Where a chain of merges leads; a circle, which no honest history has, is left where it closes."""
    passed: set[UUID] = set()
    while contact_id in merged and contact_id not in passed:
        passed.add(contact_id)
        contact_id = merged[contact_id]
    return contact_id


async def is_campaign_known(session: AsyncSession, campaign_id: UUID) -> bool:
    """Whether messaging has heard of it: campaigns are known here by their events and their texts only."""
    if await session.get(CampaignState, campaign_id) is not None:
        return True
    return bool(await session.scalar(select(exists().where(Message.campaign_id == campaign_id))))


def failed_deliveries() -> Select[Any]:
    return select(WebhookDelivery).where(WebhookDelivery.state == DeliveryState.FAILED)


class MessagingBacklog(Backlog):
    """What messaging still has to do, and when something will be due."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def counts(self) -> dict[str, int]:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            now = await session.scalar(text("SELECT crm_now()"))
            due = await session.scalar(select(func.count()).select_from(Message).where(claimable(now)))
            expired = await session.scalar(
                select(func.count())
                .select_from(Message)
                .where(Message.status == Status.QUEUED, Message.expires_at <= now)
            )
            in_flight = await _count(session, Message, Message.status == Status.IN_FLIGHT)
            doubtful = await _count(
                session, Message, and_(Message.status == Status.UNKNOWN, Message.next_look_at <= now)
            )
            deliveries = await _count(
                session,
                WebhookDelivery,
                and_(
                    WebhookDelivery.state == DeliveryState.PENDING,
                    or_(WebhookDelivery.next_attempt_at.is_(None), WebhookDelivery.next_attempt_at <= wall_now()),
                ),
            )
        return {
            "texts_due": due or 0,
            "texts_expired": expired or 0,
            "texts_in_flight": in_flight,
            "texts_in_doubt": doubtful,
            "webhooks_pending": deliveries,
        }

    async def next_due_at(self) -> datetime | None:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            now = await session.scalar(text("SELECT crm_now()"))
            instants = [
                await session.scalar(select(func.min(column)).where(Message.status == status, column > now))
                for column, status in (
                    (Message.not_before, Status.QUEUED),
                    (Message.expires_at, Status.QUEUED),
                    (Message.next_look_at, Status.UNKNOWN),
                )
            ]
        return min((instant for instant in instants if instant is not None), default=None)


async def _count(session: AsyncSession, table: type[Any], condition: Any) -> int:
    return await session.scalar(select(func.count()).select_from(table).where(condition)) or 0
