"""/api/v1/messages: single texts."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.auth import Principal
from shared.errors import InvalidTransition, NotFound
from shared.etag import set_etag
from shared.http.dependencies import Needs, can
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from messaging import queries
from messaging.errors import (
    NoSendingNumber,
    NotResendable,
    RecipientOptedOut,
    SameTextRecently,
    StrangerInTrial,
)
from messaging.models import Message
from messaging.routes.payloads import MessageOut, NewMessage, Phone
from messaging.services.conversations import ConversationService
from messaging.services.queueing import WritingService
from messaging.services.reviewing import ReviewService
from messaging.states import Status

router = ApiRouter(prefix="/api/v1/messages", tags=["messages"])
Reader = Annotated[Principal, can("messages:read")]
Sender = Annotated[Principal, can("messages:send")]


@router.post(
    "",
    status_code=202,
    responses=problems(NotFound, RecipientOptedOut, StrangerInTrial, NoSendingNumber, SameTextRecently),
)
async def create_message(
    new: NewMessage,
    writing: Needs[WritingService],
    conversations: Needs[ConversationService],
    user: Sender,
) -> MessageOut:
    """Queue one text to one person; it goes before campaigns' texts, and is checked again when it leaves."""
    to = new.to or (await conversations.get(new.conversation_id)).phone if new.conversation_id else new.to
    message = await writing.reply(
        to=to or "",
        body=new.body,
        author=user.id,
        number_id=new.number_id,
        repeats_text=new.repeats_text,
    )
    return MessageOut.of(message)


@router.get("")
async def list_messages(
    session: Needs[AsyncSession],
    params: PageParams,
    user: Reader,
    status: Status | None = None,
    campaign_id: UUID | None = None,
    phone: Annotated[Phone | None, Query()] = None,
) -> Page[MessageOut]:
    """Newest first."""
    rows, cursor, total = await page(
        session,
        queries.messages(status=status, campaign_id=campaign_id, phone=phone),
        keys=[Message.created_at.desc(), Message.id.desc()],
        params=params,
        scope={"status": status, "campaign": campaign_id, "phone": phone},
        counted=False,
    )
    merged = await queries.primaries(session, (row.contact_id for row in rows))
    return Page(items=[MessageOut.of(row, merged) for row in rows], next_cursor=cursor, total=total)


@router.get("/{message_id}", responses=problems(NotFound))
async def get_message(message_id: UUID, session: Needs[AsyncSession], response: Response, user: Reader) -> MessageOut:
    message = await session.get(Message, message_id)
    if message is None:
        raise NotFound("There is no such text.")
    set_etag(response, message.version)
    return MessageOut.of(message, await queries.primaries(session, [message.contact_id]))


@router.post(
    "/{message_id}/resend",
    status_code=202,
    responses=problems(NotFound, NotResendable, RecipientOptedOut, StrangerInTrial, NoSendingNumber),
)
async def resend_message(message_id: UUID, writing: Needs[WritingService], user: Sender) -> MessageOut:
    """Send a text that did not arrive again, as a new text linked to it. A machine never does this."""
    return MessageOut.of(await writing.resend(message_id, author=user.id))


@router.post("/{message_id}/cancel", responses=problems(NotFound, InvalidTransition))
async def cancel_message(message_id: UUID, reviews: Needs[ReviewService], user: Sender) -> MessageOut:
    """Take a text back that still waits."""
    return MessageOut.of(await reviews.cancel(message_id))


@router.post("/{message_id}/mark-not-sent", responses=problems(NotFound, InvalidTransition))
async def mark_not_sent(message_id: UUID, reviews: Needs[ReviewService], user: Sender) -> MessageOut:
    """A person looked into a text in review: it was not sent."""
    return MessageOut.of(await reviews.mark_not_sent(message_id))
