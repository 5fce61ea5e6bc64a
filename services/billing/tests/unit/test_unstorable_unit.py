"""Which errors are about what was to be stored, and which about where."""

import asyncpg
import orjson
import pytest
from billing.services.mirror import is_about_values
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout


def wrapped(kind: type[DBAPIError], cause: BaseException) -> DBAPIError:
    """As SQLAlchemy's asyncpg driver raises it."""
    outer = RuntimeError()
    outer.__cause__ = cause
    return kind("UPDATE invoice", {}, outer)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CheckViolationError("total"),
        wrapped(IntegrityError, asyncpg.UniqueViolationError("number")),
        wrapped(DBAPIError, asyncpg.StringDataRightTruncationError("too long")),
        wrapped(DBAPIError, asyncpg.CharacterNotInRepertoireError("no such character")),
        StatementError("", "UPDATE invoice", {}, orjson.JSONEncodeError("half an emoji")),
        AttributeError("nobody thought of it"),
        KeyError("Line"),
    ],
)
def test_what_values_are_the_reason_of(error: Exception) -> None:
    assert is_about_values(error)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(OperationalError, OSError("refused")),
        wrapped(DBAPIError, asyncpg.AdminShutdownError("terminating")),
        wrapped(DBAPIError, asyncpg.DeadlockDetectedError("deadlock")),
        wrapped(DBAPIError, asyncpg.UndefinedColumnError("no such column")),
        wrapped(DBAPIError, asyncpg.InsufficientPrivilegeError("may not")),
        asyncpg.InterfaceError("connection is closed"),
        PoolTimeout("no connection is free"),
        ConnectionRefusedError(),
    ],
)
def test_what_they_are_not_the_reason_of(error: Exception) -> None:
    assert not is_about_values(error)
