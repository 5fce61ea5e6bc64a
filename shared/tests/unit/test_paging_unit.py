"""Cursors: opaque, bound to their list, and refused in words."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.errors import Invalid
from shared.paging import _after, _decode, _digest, _encode
from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid

THING = Table("thing", MetaData(), Column("at", DateTime), Column("n", Integer), Column("t", Text), Column("id", Uuid))
KEYS = [THING.c.n.desc(), THING.c.t.asc(), THING.c.id]
COLUMNS = [THING.c.n, THING.c.t, THING.c.id]
DIGEST = _digest({"q": "x"}, KEYS)


@given(st.integers(-(2**31), 2**31), st.text(st.characters(exclude_categories=["Cs"])), st.uuids())
def test_a_cursor_brings_back_what_it_was_made_of(number: int, text: str, identity: UUID) -> None:
    assert _decode(_encode(DIGEST, [number, text, identity]), DIGEST, COLUMNS) == [number, text, identity]


@given(st.dates())
def test_a_cursor_brings_back_a_day_as_a_day(day: date) -> None:
    column = Column("day", Date)
    assert _decode(_encode(DIGEST, [day]), DIGEST, [column]) == [day]


def test_a_cursor_of_another_filter_or_sort_is_refused() -> None:
    cursor = _encode(DIGEST, [1, "a", UUID(int=1)])
    for other in (_digest({"q": "y"}, KEYS), _digest({"q": "x"}, KEYS[1:])):
        with pytest.raises(Invalid, match="another list"):
            _decode(cursor, other, COLUMNS)


@given(st.text(max_size=60))
def test_garbage_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        _decode(cursor, DIGEST, COLUMNS)


def test_the_condition_follows_each_direction() -> None:
    sql = str(_after(KEYS, [1, "a", UUID(int=1)]))
    assert "thing.n < " in sql
    assert "thing.t > " in sql
    assert "thing.id > " in sql


def test_the_condition_names_a_range_that_an_index_can_begin_at() -> None:
    assert str(_after(KEYS, [1, "a", UUID(int=1)])).startswith("thing.n <= ")
    assert str(_after(KEYS[1:], ["a", UUID(int=1)])).startswith("thing.t >= ")
