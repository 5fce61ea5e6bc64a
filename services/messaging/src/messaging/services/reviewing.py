"""What people decide about single outbound texts."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound

from messaging.models import Message
from messaging.services.moves import MoveService
from messaging.states import Direction, Status


class ReviewService:
    def __init__(self, uow: UnitOfWork, moves: MoveService) -> None:
        self._uow = uow
        self._moves = moves

    async def cancel(self, message_id: UUID) -> Message:
        """Raises InvalidTransition once it has left the queue."""
        message = await self._locked(message_id)
        self._moves.move(message, Status.CANCELLED, by="person", reason="cancelled")
        return message

    async def mark_not_sent(self, message_id: UUID) -> Message:
        """review → not_found: late evidence still wins afterwards.

        Raises InvalidTransition from anywhere else: what is unknown is the resolver's to look up, and a person who
        could end that early could send the text twice.
        """
        message = await self._locked(message_id)
        if message.status is not Status.REVIEW:
            raise InvalidTransition(f"Only a text in review is looked into; this one is {message.status.value}.")
        self._moves.move(message, Status.NOT_FOUND, by="person", reason="reviewed")
        return message

    async def _locked(self, message_id: UUID) -> Message:
        message = await self._uow.session.get(Message, message_id, with_for_update=True)
        if message is None or message.direction is not Direction.OUTBOUND:
            raise NotFound("There is no such outgoing text.")
        return message
