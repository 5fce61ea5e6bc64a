"""What an error of the database means to those who asked."""

import asyncpg
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import AlreadyExists, AppError, Conflict, Invalid, ServiceUnavailable


def translate_database_error(error: BaseException) -> AppError | None:
    """What a database error means to a caller; None where it is our own mistake."""
    cause = cause_of(error)
    match cause:
        case asyncpg.UniqueViolationError():
            return AlreadyExists("This exists already.")
        case asyncpg.ForeignKeyViolationError():
            return Conflict("Something that this refers to does not exist, or is still in use.")
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError() | asyncpg.LockNotAvailableError():
            return ServiceUnavailable("Others are changing the same records; try again in a moment.")
        case asyncpg.DataError() | UnicodeEncodeError():  # Class 22: a value the database cannot hold.
            return Invalid("A value is out of range or holds characters that cannot be stored.")
    is_away = isinstance(error, InterfaceError | OperationalError | PoolTimeout | OSError) or isinstance(
        cause,
        OSError
        | asyncpg.PostgresConnectionError
        | asyncpg.CannotConnectNowError
        | asyncpg.AdminShutdownError
        | asyncpg.InterfaceError
        | asyncpg.CrashShutdownError
        | asyncpg.TooManyConnectionsError
        | asyncpg.InvalidCatalogNameError
        | asyncpg.ObjectNotInPrerequisiteStateError
        | TimeoutError,
    )
    return ServiceUnavailable("The database does not answer; nothing was changed. Try again.") if is_away else None


def refuses_values(error: BaseException) -> bool:
    """Whether the database is there, and refuses what it was given: that breaks a rule, or cannot be stored at all."""
    refusals = asyncpg.IntegrityConstraintViolationError | asyncpg.DataError | asyncpg.ProgramLimitExceededError
    return isinstance(cause_of(error), refusals | UnicodeEncodeError)


def cause_of(error: BaseException) -> BaseException:
    """What stands behind SQLAlchemy's error: asyncpg's own, or what a column made of its value."""
    seen = error.orig if isinstance(error, StatementError) and error.orig else error
    while seen.__cause__ is not None and not isinstance(seen, asyncpg.PostgresError):
        seen = seen.__cause__
    return seen
