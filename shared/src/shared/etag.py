"""Edits that do not lose another's: ETag `"<version>"` and If-Match."""

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from shared.errors import Invalid, PreconditionFailed, PreconditionRequired

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def _if_match(
    if_match: Annotated[str | None, Header(description='The ETag you last read, for example `"3"`.')] = None,
) -> int:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag you last read, so that nobody's edit is lost.")
    found = _ETAG.fullmatch(if_match.strip())
    if not found:
        raise Invalid('If-Match must be one ETag such as "3".', request_field="header.if-match")
    return int(found.group(1))


IfMatch = Annotated[int, Depends(_if_match)]
"""The version that the caller last read."""


def check_version(current: int, expected: int) -> None:
    """Raises PreconditionFailed, with both versions, when somebody has changed the record meanwhile."""
    if current != expected:
        raise PreconditionFailed(
            "Somebody changed this since you read it; read it again and repeat your change.",
            your_version=expected,
            current_version=current,
        )


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'
