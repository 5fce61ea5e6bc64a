"""When a write of ours meets a change of theirs."""

import pytest
from billing.clashes import CustomerEdit, accept_clash, found_clash
from billing.models import Customer, Push
from billing.states import PushKind


def edited(**values: str | None) -> tuple[Customer, Push]:
    """Somebody changed a customer here, and it is still to be written."""
    row = Customer(sync_token=1, display_name="Ana Lima", city="Quincy", email=None)
    push = Push(kind=PushKind.UPDATE_CUSTOMER, argument=CustomerEdit.on(row, values).stored())
    for name, value in values.items():
        setattr(row, name, value)
    return row, push


def read(row: Customer, **theirs: str | None) -> None:
    """A newer state of QuickBooks's is mirrored."""
    row.sync_token += 1
    for name, value in theirs.items():
        setattr(row, name, value)


@pytest.mark.parametrize("theirs", ["Quincy", "Boston"])
def test_what_they_left_as_it_was_or_made_the_same_is_no_clash(theirs: str) -> None:
    row, push = edited(city="Boston")
    assert found_clash(push, row) is None
    read(row, city=theirs, display_name="Ana M. Lima")
    assert found_clash(push, row) is None


def test_what_they_changed_too_is_said_with_both_values() -> None:
    row, push = edited(city="Boston")
    read(row, city="Milton")
    found = found_clash(push, row)
    assert found is not None
    assert [word in found for word in ("Quincy", "Boston", "Milton")] == [True, True, True]


def test_whoever_tries_again_writes_over_it_but_not_over_a_further_change() -> None:
    row, push = edited(email="ana@example.com")
    read(row, email="lima@example.com")
    accept_clash(push, row)
    assert found_clash(push, row) is None
    read(row, email=None)
    assert "empty" in (found_clash(push, row) or "")


def test_trying_again_what_failed_otherwise_keeps_what_it_was() -> None:
    """The row says ours then, which QuickBooks never did."""
    row, push = edited(city="Boston")
    accept_clash(push, row)
    read(row, city="Quincy")
    assert found_clash(push, row) is None
