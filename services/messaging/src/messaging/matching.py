"""Which provider message is the one an uncertain intent sent? Pure; reliability rests on it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from messaging.models.message import body_hash
from messaging.provider import ProviderMessage
from messaging.states import Direction
from messaging.wording import is_provider_own

LOOK_BACK = timedelta(minutes=2)
"""Clocks differ: a provider message up to this much older than the intent may still be its own."""


@dataclass(frozen=True, slots=True)
class Intent:
    message_id: UUID
    phone: str
    body_hash: str
    intent_at: datetime


class Finding(StrEnum):
    MATCH = "match"
    NOTHING = "nothing"
    DIFFERS = "differs"
    """An unbound outgoing text of that time whose body differs: the provider changed it, or staff wrote it."""


@dataclass(frozen=True, slots=True)
class Look:
    finding: Finding
    match: ProviderMessage | None = None
    duplicates: tuple[ProviderMessage, ...] = field(default=())


def look_for(
    intent: Intent, listed: list[ProviderMessage], *, bound: set[str], later_intents: tuple[datetime, ...] = ()
) -> Look:
    """Find the intent among the listed messages.

    `bound` are provider ids that belong to other texts. `later_intents` are instants of newer intents with this
    very text to this phone (a person's resend): what was created after one of them is that one's.
    """
    until = min(later_intents, default=None)
    candidates = sorted(
        (
            message
            for message in listed
            if message.direction is Direction.OUTBOUND
            and message.other == intent.phone
            and message.provider_id not in bound
            and message.created_at >= intent.intent_at - LOOK_BACK
            and (until is None or message.created_at < until)
        ),
        key=lambda message: message.created_at,
    )
    same = [message for message in candidates if body_hash(message.body) == intent.body_hash]
    if same:
        return Look(Finding.MATCH, same[0], tuple(same[1:]))
    others = [message for message in candidates if not is_provider_own(message.body)]
    return Look(Finding.DIFFERS if others else Finding.NOTHING)


def owner_of(message: ProviderMessage, intents: list[Intent]) -> Intent | None:
    """The intent a provider message belongs to: of those with its text and phone, the newest not after it.

    Clocks differ, so where none precedes it, the oldest within LOOK_BACK after it.
    """
    fitting = [i for i in intents if i.phone == message.other and i.body_hash == body_hash(message.body)]
    before = [i for i in fitting if i.intent_at <= message.created_at]
    if before:
        return max(before, key=lambda i: i.intent_at)
    after = [i for i in fitting if i.intent_at - LOOK_BACK <= message.created_at]
    return min(after, key=lambda i: i.intent_at, default=None)
