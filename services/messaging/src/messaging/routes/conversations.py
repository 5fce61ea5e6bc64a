"""/api/v1/conversations: the inbox."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.auth import Principal
from shared.errors import NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http.dependencies import Needs, can
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from messaging import queries
from messaging.models import ContactPhone, Conversation, ConversationState, Message
from messaging.routes.payloads import ConversationEdit, ConversationOut, MessageOut
from messaging.services.conversations import ConversationService

router = ApiRouter(prefix="/api/v1/conversations", tags=["conversations"])
Reader = Annotated[Principal, can("conversations:read")]
Editor = Annotated[Principal, can("conversations:write")]


@router.get("")
async def list_conversations(
    session: Needs[AsyncSession],
    params: PageParams,
    user: Reader,
    state: ConversationState | None = None,
    unread: bool | None = None,
    q: Annotated[
        str | None, Query(min_length=2, max_length=100, description="Part of a phone, a name, or words of a text.")
    ] = None,
) -> Page[ConversationOut]:
    """Newest first. Threads that only campaigns wrote to are found by searching."""
    rows, cursor, total = await page(
        session,
        queries.conversations(state=state, unread=unread, q=q),
        keys=[Conversation.last_message_at.desc(), Conversation.id.desc()],
        params=params,
        scope={"state": state, "unread": unread, "q": q},
    )
    merged = await queries.primaries(session, (contact.contact_id for _, contact in rows if contact))
    return Page(items=[ConversationOut.of(row[0], row[1], merged) for row in rows], next_cursor=cursor, total=total)


@router.get("/{conversation_id}", responses=problems(NotFound))
async def get_conversation(
    conversation_id: UUID,
    conversations: Needs[ConversationService],
    session: Needs[AsyncSession],
    response: Response,
    user: Reader,
) -> ConversationOut:
    conversation = await conversations.get(conversation_id)
    set_etag(response, conversation.version)
    return await _shown(conversation, session)


@router.get("/{conversation_id}/messages", responses=problems(NotFound))
async def list_thread(
    conversation_id: UUID,
    conversations: Needs[ConversationService],
    session: Needs[AsyncSession],
    params: PageParams,
    user: Reader,
) -> Page[MessageOut]:
    """The thread, newest first, by the provider's time."""
    await conversations.get(conversation_id)
    rows, cursor, total = await page(
        session,
        queries.thread(conversation_id),
        keys=[Message.created_at.desc(), Message.id.desc()],
        params=params,
        scope={"conversation": conversation_id},
        counted=False,
    )
    merged = await queries.primaries(session, (row.contact_id for row in rows))
    return Page(items=[MessageOut.of(row, merged) for row in rows], next_cursor=cursor, total=total)


@router.patch("/{conversation_id}", responses=problems(NotFound, PreconditionFailed, PreconditionRequired))
async def edit_conversation(
    conversation_id: UUID,
    edit: ConversationEdit,
    version: IfMatch,
    conversations: Needs[ConversationService],
    session: Needs[AsyncSession],
    response: Response,
    user: Editor,
) -> ConversationOut:
    """File as done or open; mark as read."""
    conversation = await conversations.edit(
        conversation_id, version, state=edit.state, is_read=edit.is_read is not None
    )
    set_etag(response, conversation.version)
    return await _shown(conversation, session)


async def _shown(conversation: Conversation, session: AsyncSession) -> ConversationOut:
    contact = await session.get(ContactPhone, conversation.phone)
    merged = await queries.primaries(session, [contact.contact_id if contact else None])
    return ConversationOut.of(conversation, contact, merged)
