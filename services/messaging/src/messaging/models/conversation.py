"""Conversations: one thread per outside phone, over all numbers of ours."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from shared.ids import derived
from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.models.tables import Base

CONVERSATIONS = UUID("5c1de1ab-7f5e-5b0e-9b1d-0a6a2f1f7c11")


IN_DEFAULT_INBOX = "last_inbound_at IS NOT NULL OR state = 'open'"
"""Threads in which nobody ever wrote back are campaigns' business; the index is of this very condition."""


def conversation_id_of(phone: str) -> UUID:
    """The id of the one conversation with this phone: derived, so that two writers make the same row."""
    return derived(CONVERSATIONS, phone)


class ConversationState(StrEnum):
    OPEN = "open"
    DONE = "done"


class Conversation(Identified, Versioned, Base):
    __tablename__ = "conversation"
    __table_args__ = (
        Index("ix_conversation_inbox", "state", "last_message_at", "id"),
        Index("ix_conversation_default", "last_message_at", "id", postgresql_where=text(IN_DEFAULT_INBOX)),
        Index("ix_conversation_digits", "phone", postgresql_using="gin", postgresql_ops={"phone": "gin_trgm_ops"}),
    )

    phone: Mapped[str] = mapped_column(ForeignKey("phone_state.phone"), unique=True)
    number_id: Mapped[UUID | None] = mapped_column(ForeignKey("phone_number.id"))
    """Our number that last took part: replies go out from it."""
    state: Mapped[ConversationState] = mapped_column(str_enum(ConversationState), default=ConversationState.DONE)
    unread: Mapped[int] = mapped_column(default=0)
    last_message_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
