"""Every move of an outbound text: checked, logged, published, in the transaction of its cause."""

from datetime import timedelta

from shared.database import UnitOfWork
from shared.events import messaging as events

from messaging.models import Message, MessageTransition
from messaging.states import Direction, Status, check_transition

RECEIPT_OVERDUE = timedelta(minutes=15)
"""An accepted text without a receipt is asked for by its id after this long: v1 reports no failures."""

_EVENTS: dict[Status, type[events.MessageMoved]] = {
    Status.ACCEPTED: events.MessageAccepted,
    Status.REJECTED: events.MessageRejected,
    Status.UNKNOWN: events.MessageUnknown,
    Status.NOT_FOUND: events.MessageNotFound,
    Status.REVIEW: events.MessageReview,
    Status.DELIVERED: events.MessageDelivered,
    Status.UNDELIVERED: events.MessageUndelivered,
    Status.FAILED: events.MessageFailed,
    Status.SUPPRESSED: events.MessageSuppressed,
    Status.EXPIRED: events.MessageExpired,
    Status.CANCELLED: events.MessageCancelled,
}


class MoveService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def move(self, message: Message, to: Status, *, by: str, reason: str | None = None) -> None:
        """Move a locked message. Raises InvalidTransition where the machine has no such move."""
        check_transition(message.status, to)
        came_from, message.status = message.status, to
        message.reason = reason
        message.touch()
        if to is Status.ACCEPTED:
            message.looks, message.next_look_at = 0, self._uow.now + RECEIPT_OVERDUE
        self._log(message, came_from, by)
        self._publish(message)

    def born(self, message: Message, *, by: str) -> None:
        """Log the first state of an outbound text; one that never gets further is published at once."""
        self._log(message, None, by)
        self._publish(message)

    def _log(self, message: Message, came_from: Status | None, by: str) -> None:
        self._uow.session.add(
            MessageTransition(
                message_id=message.id,
                from_status=came_from.value if came_from else None,
                to_status=message.status.value,
                reason=message.reason,
                by=by,
                at=self._uow.now,
            )
        )
        if message.kind and message.kind.value != "campaign":
            self._uow.hint("conversations", message.conversation_id, message.version)

    def _publish(self, message: Message) -> None:
        event = _EVENTS.get(message.status)
        if event is None or message.direction is not Direction.OUTBOUND or message.kind is None:
            return
        has_cost = message.status in (Status.ACCEPTED, Status.DELIVERED, Status.UNDELIVERED, Status.FAILED)
        self._uow.publish(
            event(
                message_id=message.id,
                version=message.version,
                kind=message.kind.value,
                conversation_id=message.conversation_id,
                contact_id=message.contact_id,
                campaign_id=message.campaign_id,
                recipient_id=message.recipient_id,
                variant=message.variant,
                turn=message.turn,
                number_id=message.number_id,
                to=message.phone,
                provider_id=message.provider_id,
                segments=message.segments,
                cost_cents=message.cost_cents if has_cost else None,
                reason=message.reason,
                text=message.body if message.status is Status.ACCEPTED else None,
                occurred_at=self._uow.now,
            )
        )
