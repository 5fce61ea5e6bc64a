"""Rows that are only begun are like any other, but for the database."""

import pytest
from billing.models import Customer, unwatched


def test_a_row_that_is_only_begun_reads_and_counts_like_any_other() -> None:
    ana, ben = unwatched(Customer, display_name="Ana"), unwatched(Customer, display_name="Ben")
    assert (ana.display_name, ana.email, ana.version) == ("Ana", None, None)
    assert (ana.touch(), ana.touch(), ana.version, ben.version) == (1, 2, 2, None)


def test_a_row_that_is_only_begun_has_the_columns_of_its_table_alone() -> None:
    with pytest.raises(TypeError, match="emial"):
        unwatched(Customer, emial="a@b.example")
