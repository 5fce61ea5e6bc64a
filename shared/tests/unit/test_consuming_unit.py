"""What a batch of events does: in the order of the stream, those in a row of one method together."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
import svcs
from pydantic import ValidationError
from shared.clock import wall_now
from shared.consuming import Consumptions, Unreadable, consume
from shared.events.campaigns import TextRequested
from shared.events.envelope import Envelope, Event
from shared.events.messaging import ContactSeen, LineTypeDetermined

NOW = wall_now()


class Diary:
    def __init__(self) -> None:
        self.entries: list[tuple[str, ...]] = []

    async def record_seen(self, events: Sequence[ContactSeen | LineTypeDetermined]) -> None:
        self.entries.append(tuple(event.phone for event in events))

    async def record_request(self, event: ContactSeen, envelope: Envelope) -> None:
        self.entries.append((event.phone, str(envelope.id)))


TOGETHER = Consumptions(
    (consume(ContactSeen, Diary.record_seen), consume(LineTypeDetermined, Diary.record_seen)),
)


def seen(phone: str) -> Envelope:
    return enveloped(ContactSeen(phone=phone, conversation_id=uuid4(), seen_at=NOW))


def line_type(phone: str) -> Envelope:
    return enveloped(LineTypeDetermined(phone=phone, line_type="mobile", source="lookup", version=1))


def enveloped(event: Event) -> Envelope:
    return Envelope(id=uuid4(), type=event.type, source="/crm/test", time=NOW, data=event.model_dump(mode="json"))


@pytest.fixture
async def diary(tx: svcs.Container) -> Diary:
    return await tx.aget(Diary)


@pytest.fixture
def tx() -> svcs.Container:
    registry = svcs.Registry()
    registry.register_value(Diary, Diary())
    return svcs.Container(registry)


async def test_events_in_a_row_of_one_method_come_together_whatever_their_types(
    tx: svcs.Container, diary: Diary
) -> None:
    await TOGETHER.apply(tx, [seen("1"), line_type("2"), seen("3")])
    assert diary.entries == [("1", "2", "3")]


async def test_another_methods_event_in_between_keeps_its_place(tx: svcs.Container, diary: Diary) -> None:
    mixed = Consumptions((consume(ContactSeen, Diary.record_request), consume(LineTypeDetermined, Diary.record_seen)))
    between = seen("2")
    await mixed.apply(tx, [line_type("1"), between, line_type("3"), line_type("4")])
    assert diary.entries == [("1",), ("2", str(between.id)), ("3", "4")]


async def test_an_event_that_nobody_consumes_stops_the_batch_before_any_effect(
    tx: svcs.Container, diary: Diary
) -> None:
    stranger = Envelope(id=UUID(int=1), type=TextRequested.type, source="/crm/test", time=NOW, data={})
    with pytest.raises(Unreadable, match=TextRequested.type):
        await TOGETHER.apply(tx, [seen("1"), stranger])
    assert diary.entries == []


async def test_an_event_that_cannot_be_read_keeps_its_whole_row_from_having_an_effect(
    tx: svcs.Container, diary: Diary
) -> None:
    broken = seen("2").model_copy(update={"data": {"phone": "2"}})
    with pytest.raises(ValidationError):
        await TOGETHER.apply(tx, [seen("1"), broken])
    assert diary.entries == []
