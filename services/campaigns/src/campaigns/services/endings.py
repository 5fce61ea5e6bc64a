"""Ending everybody who waits, in two statements however many they are."""

from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import insert, literal, select, update

from campaigns.models import Recipient, Transition
from campaigns.states import RECIPIENT_MOVES, RecipientStatus, check_move


async def end_waiting(
    uow: UnitOfWork, audience_id: UUID, target: RecipientStatus, *, reason: str | None = None
) -> None:
    """Move all waiting recipients to `target`, each with its line in the log."""
    check_move(RECIPIENT_MOVES, RecipientStatus.WAITING, target, what="recipient")
    await uow.session.flush()
    ended = (
        update(Recipient)
        .where(Recipient.audience_id == audience_id, Recipient.status == RecipientStatus.WAITING)
        .values(status=target, reason=reason, status_at=uow.now)
        .returning(Recipient.id, Recipient.campaign_id)
        .cte("ended")
    )
    await uow.session.execute(
        insert(Transition).from_select(
            ["campaign_id", "recipient_id", "from_status", "to_status", "reason", "occurred_at"],
            select(
                ended.c.campaign_id,
                ended.c.id,
                literal(RecipientStatus.WAITING.value),
                literal(target.value),
                literal(reason),
                literal(uow.now),
            ),
        )
    )
