"""Rules that live with the state."""

from datetime import UTC, datetime

import pytest
from contacts.importing.plan import Duplicates, Outcome
from contacts.models import Consent, ImportJob, ImportStatus, strictest
from contacts.models.imports import TRANSITIONS
from shared.errors import InvalidTransition

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def job(status: ImportStatus) -> ImportJob:
    return ImportJob(
        version=1,
        status=status,
        duplicates=Duplicates.SKIP,
        next_row=1,
        created_rows=0,
        updated_rows=0,
        unchanged_rows=0,
        rejected_rows=0,
        warned_rows=0,
    )


@pytest.mark.parametrize("start", ImportStatus)
@pytest.mark.parametrize("to", ImportStatus)
def test_an_import_makes_only_legal_moves(start: ImportStatus, to: ImportStatus) -> None:
    moving = job(start)
    if to in TRANSITIONS[start]:
        moving.move(to, at=NOW)
        assert (moving.status, moving.version) == (to, 2)
        assert (moving.finished_at == NOW) == (
            to in {ImportStatus.COMPLETED, ImportStatus.CANCELLED, ImportStatus.FAILED}
        )
    else:
        with pytest.raises(InvalidTransition):
            moving.move(to, at=NOW)
        assert moving.status is start


def test_counting_moves_the_cursor_by_the_rows_that_were_stored() -> None:
    counting = job(ImportStatus.RUNNING)
    counting.count({Outcome.CREATED: 3, Outcome.REJECTED: 2}, warned=1)
    assert (counting.next_row, counting.created_rows, counting.rejected_rows, counting.warned_rows) == (6, 3, 2, 1)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], Consent.UNKNOWN),
        ([Consent.OPTED_IN], Consent.OPTED_IN),
        ([Consent.OPTED_IN, Consent.UNKNOWN], Consent.UNKNOWN),
        ([Consent.OPTED_IN, Consent.UNKNOWN, Consent.OPTED_OUT], Consent.OPTED_OUT),
    ],
)
def test_the_strictest_consent_wins(states: list[Consent], expected: Consent) -> None:
    assert strictest(states) is expected
