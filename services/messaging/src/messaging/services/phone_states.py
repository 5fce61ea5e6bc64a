"""The row per outside phone: made with its first message, locked before anything else of that phone."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from messaging.models import Conversation, ConversationState, PhoneState, conversation_id_of


class PhoneStateService:
    """Locks in this order everywhere: phone_state (sorted), message (sorted), cap_counter (sorted, last)."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session
        self._now = uow.now

    async def ensure(self, phone: str) -> None:
        """Make the phone's row without locking it: what writes a queued text needs it to be there."""
        await self._session.execute(
            insert(PhoneState)
            .values(
                phone=phone,
                is_opted_out=False,
                needs_review=False,
                consent_version=0,
                line_type="unknown",
                line_type_version=0,
            )
            .on_conflict_do_nothing()
        )

    async def lock(self, phones: Iterable[str]) -> dict[str, PhoneState]:
        """The rows of these phones, made where missing, locked in order."""
        wanted = sorted(set(phones))
        for phone in wanted:
            await self.ensure(phone)
        return await self.lock_known(wanted)

    async def lock_known(self, phones: Iterable[str]) -> dict[str, PhoneState]:
        """The same for phones that have a row for certain, as those of texts have."""
        wanted = set(phones)
        if not wanted:
            return {}
        rows = await self._session.scalars(
            select(PhoneState)
            .where(PhoneState.phone.in_(wanted))
            .order_by(PhoneState.phone)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {row.phone: row for row in rows}

    async def ensure_conversation(self, phone: str, number_id: UUID | None, at: datetime) -> UUID:
        """The phone's conversation; a new one waits for nobody until somebody writes."""
        conversation_id = conversation_id_of(phone)
        await self._session.execute(
            insert(Conversation)
            .values(
                id=conversation_id,
                version=1,
                phone=phone,
                number_id=number_id,
                state=ConversationState.DONE,
                unread=0,
                last_message_at=at,
                created_at=self._now,
            )
            .on_conflict_do_nothing()
        )
        return conversation_id
