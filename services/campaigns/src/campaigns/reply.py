"""Which send an inbound text answers: a reply within 72 h belongs to the newest unreplied send to that phone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

REPLY_WINDOW = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Send:
    """`requested_at` is the earliest it can have left: an unclear send is reported later than its answer."""

    recipient_id: UUID
    requested_at: datetime
    sent_at: datetime


def attribute_replies(sends: Iterable[Send], received_at: Iterable[datetime]) -> dict[UUID, datetime]:
    """The time of the reply of each replied send of one phone: a function of the whole history, so that the order
    in which sends and replies become known does not matter."""
    newest_first = sorted(sends, key=lambda send: (send.sent_at, send.recipient_id), reverse=True)
    replied: dict[UUID, datetime] = {}
    for at in sorted(received_at):
        for send in newest_first:
            unreplied = send.recipient_id not in replied
            if unreplied and send.requested_at <= at <= send.sent_at + REPLY_WINDOW:
                replied[send.recipient_id] = at
                break
    return replied
