"""Pages of the provider's lists: opaque tokens, and a total that is not to be trusted."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select

from sandbox.provider_errors import bad_request
from sandbox.queries import Order, Slice, newest_first
from sandbox.routes.edge import Answer, Call

DEFAULT_PAGE = 10


def _digest(call: Call) -> str:
    """Everything that must stay the same while paging."""
    fixed = {name: value for name, value in call.query.items() if name not in ("pageToken", "maxResults")}
    canonical = orjson.dumps([call.operation.id, fixed], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:12]


def _encode(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def _decode(call: Call) -> tuple[int, Any]:
    """(uses so far, position) of the request's page token."""
    token = call.query["pageToken"]
    try:
        digest, uses, position = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError) as error:
        raise bad_request("The page token is not valid") from error
    if digest != _digest(call) or not isinstance(uses, int):
        raise bad_request("The page token belongs to another request")
    lasts = call.workspace.controls.faults.page_token_requests
    if lasts is not None and uses > lasts:
        raise bad_request("The page token has expired")
    return uses, position


def _slice(call: Call) -> tuple[Slice, int]:
    limit = int(call.query.get("maxResults", DEFAULT_PAGE))
    if "pageToken" not in call.query:
        return Slice(limit), 0
    uses, position = _decode(call)
    try:
        if isinstance(position, int):
            return Slice(limit, offset=max(0, position)), uses
        instant, key = position
        return Slice(limit, after=(datetime.fromisoformat(instant), str(key))), uses
    except (ValueError, TypeError) as error:
        raise bad_request("The page token is not valid") from error


def untrue_total(total: int) -> int:
    """`totalItems` is documented as inaccurate: this one always is, except for an empty list."""
    return total + 1 + total // 10 if total else 0


async def newest_first_page(
    call: Call,
    statement: Select[Any],
    order: Order,
    render: Callable[[Any], dict[str, Any]],
) -> Answer:
    """One page of `statement`. The token names the last row, or by the controls merely counts rows."""
    part, uses = _slice(call)
    rows, has_more, total = await newest_first(call.uow.session, statement, order=order, part=part)
    token = None
    if has_more and call.workspace.controls.faults.is_list_paged_by_offset:
        token = _encode(_digest(call), uses + 1, part.offset + len(rows))
    elif has_more:
        at, key = (getattr(rows[-1], column.key) for column in order)
        token = _encode(_digest(call), uses + 1, [at.isoformat(), key])
    return listed(map(render, rows), total, token)


def plain_page(call: Call, items: list[dict[str, Any]]) -> Answer:
    """One page of a list that is short and never changes under the caller."""
    part, uses = _slice(call)
    end = part.offset + part.limit
    token = _encode(_digest(call), uses + 1, end) if end < len(items) else None
    return listed(items[part.offset : end], len(items), token)


def listed(items: Iterable[dict[str, Any]], total: int, token: str | None) -> Answer:
    return Answer(200, {"data": list(items), "totalItems": untrue_total(total), "nextPageToken": token})
