"""Structured logs: JSON, an event name and ids. Phone numbers and refused rows are masked, bodies and names never get
here.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_DETAIL = re.compile(r"DETAIL:.*?(?=\n\[SQL|\n\nThe above exception|\n\nDuring handling|\Z)", re.DOTALL)
"""What PostgreSQL says of a refused row: the row itself."""
_ARGUMENT = re.compile(r"(invalid input for query argument \$\d+).*?(?=\n|\\n\[SQL|\Z)")
"""What asyncpg says of a value that it cannot send: the value's beginning."""
_PHONE = re.compile(r"\+?1?\d{10,14}\b")


def mask_phones(text: str) -> str:
    """Every run of digits that could be a phone number, reduced to its last two digits."""
    return _PHONE.sub(lambda found: "•" * (len(found.group()) - 2) + found.group()[-2:], text)


def without_rows(text: str) -> str:
    """What an error of the database says, without the values that it names."""
    return _ARGUMENT.sub(r"\1", _DETAIL.sub("DETAIL: (left out)", text))


def said_of(error: BaseException, most: int = 500) -> str:
    """An error in short, to be kept beside what it befell: without the values of a refused row."""
    return without_rows(repr(error))[:most]


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key != "timestamp":
            event[key] = mask_phones(without_rows(value))
    return event


def configure_logging(service: str, level: str) -> None:
    """Everything, the libraries' own records included, goes to standard output as one JSON object a line."""
    shared_steps: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)
