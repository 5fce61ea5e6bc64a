"""Bulk changes travel in lists that a broker takes."""

from contacts.publishing import batches
from hypothesis import given
from hypothesis import strategies as st
from shared.events.contacts import ContactItem
from shared.ids import uuid7


def item(size: int) -> ContactItem:
    # Two bytes a character: what a broker refuses is bytes.
    return ContactItem(contact_id=uuid7(), version=1, first_name="é" * (size // 2))


@given(st.lists(st.integers(0, 3000), max_size=40), st.integers(1, 10))
def test_batches_hold_everything_in_order_and_stay_small(sizes: list[int], max_items: int) -> None:
    items = [item(size) for size in sizes]
    made = list(batches(items, max_items=max_items, max_bytes=5000))
    assert [one for batch in made for one in batch] == items
    for batch in made:
        assert 1 <= len(batch) <= max_items
        assert len(batch) == 1 or sum(len(one.model_dump_json().encode()) + 1 for one in batch) <= 5000


def test_no_event_holds_more_than_500_contacts() -> None:
    assert [len(batch) for batch in batches([item(1)] * 1201)] == [500, 500, 201]
