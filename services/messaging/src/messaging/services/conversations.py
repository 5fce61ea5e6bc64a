"""Conversations as people work on them."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version

from messaging.models import Conversation, ConversationState


class ConversationService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def get(self, conversation_id: UUID) -> Conversation:
        conversation = await self._uow.session.get(Conversation, conversation_id)
        if conversation is None:
            raise NotFound("There is no such conversation.")
        return conversation

    async def edit(
        self, conversation_id: UUID, expected_version: int, *, state: ConversationState | None, is_read: bool
    ) -> Conversation:
        """File it as done or open, mark it read."""
        conversation = await self._uow.session.get(Conversation, conversation_id, with_for_update=True)
        if conversation is None:
            raise NotFound("There is no such conversation.")
        check_version(conversation.version, expected_version)
        if state is not None:
            conversation.state = state
        if is_read:
            conversation.unread = 0
        conversation.touch()
        self._uow.hint("conversations", conversation.id, conversation.version)
        return conversation
