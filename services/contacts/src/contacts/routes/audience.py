"""/internal/v1/audience: who is on some lists and on none of others, for campaigns."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from shared.auth import Principal
from shared.database import Begin
from shared.errors import NotFound
from shared.http import ApiRouter, can, problems
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.queries import audience as read
from contacts.routes.processes import Transactions
from contacts.views import AudienceRow

router = ApiRouter(prefix="/internal/v1/audience", tags=["internal"])

MEDIA_TYPE = "application/x-ndjson"
Insider = Annotated[Principal, can("internal")]
Lists = Annotated[list[UUID], Query(min_length=1, max_length=100)]
ExcludedLists = Annotated[list[UUID], Query(max_length=100)]


@router.get(
    "",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One AudienceRow a line.",
            "content": {MEDIA_TYPE: {"schema": AudienceRow.model_json_schema(mode="serialization")}},
        },
        **problems(NotFound),
    },
)
async def stream_audience(
    begin: Transactions,
    caller: Insider,
    lists: Lists,
    exclude_lists: ExcludedLists = [],  # noqa: B006 - FastAPI copies
) -> StreamingResponse:
    """Newline-delimited JSON from one consistent snapshot, in order of contact id, each person once.

    An answer that breaks off ends its connection without the last chunk, so it can't be taken for the whole.
    """
    async with begin() as tx:
        await read.check_lists(await tx.aget(AsyncSession), [*lists, *exclude_lists])
    return StreamingResponse(_lines(begin, lists, exclude_lists), media_type=MEDIA_TYPE)


async def _lines(begin: Begin, lists: list[UUID], exclude_lists: list[UUID]) -> AsyncIterator[str]:
    async for rows in read.audience(begin, lists, exclude_lists):
        yield "".join(f"{row.model_dump_json()}\n" for row in rows)
