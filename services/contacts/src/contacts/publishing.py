"""Contacts and properties as the events that others keep copies by."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from shared.database import UnitOfWork
from shared.events.contacts import ContactChanged, ContactItem, PropertyChanged, PropertyItem
from shared.events.envelope import Payload

MAX_ITEMS = 500
# The rest of 256 KiB is the envelope's.
MAX_BYTES = 250 * 1024

Item = TypeVar("Item", bound=Payload)


def batches(
    items: Sequence[Item], *, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES
) -> Iterator[Sequence[Item]]:
    """Lists that each fit into one event, in order. An item that alone is too large still gets a list of its own."""
    for start in range(0, len(items), max_items):
        yield from _halved(items[start : start + max_items], max_bytes)


def _halved(items: Sequence[Item], max_bytes: int) -> Iterator[Sequence[Item]]:
    if len(items) <= 1 or sum(len(item.model_dump_json().encode()) + 1 for item in items) <= max_bytes:
        yield items
        return
    middle = len(items) // 2
    yield from _halved(items[:middle], max_bytes)
    yield from _halved(items[middle:], max_bytes)


def publish_contacts(uow: UnitOfWork, items: Sequence[ContactItem]) -> None:
    for batch in batches(items):
        uow.publish(ContactChanged.model_construct(contacts=list(batch)))


def publish_properties(uow: UnitOfWork, items: Sequence[PropertyItem]) -> None:
    for batch in batches(items):
        uow.publish(PropertyChanged.model_construct(properties=list(batch)))
