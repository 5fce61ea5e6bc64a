"""What long routes ask for: processes that open their own transactions instead of living in the request's."""

from typing import Annotated

from fastapi import Depends, Request
from shared.database import Begin

from contacts.services.uploads import UploadProcess


async def _begin(request: Request) -> Begin:
    return await request.app.state.container.aget(Begin)  # type: ignore[no-any-return]


async def _uploads(request: Request) -> UploadProcess:
    return await request.app.state.container.aget(UploadProcess)  # type: ignore[no-any-return]


Transactions = Annotated[Begin, Depends(_begin)]
Uploads = Annotated[UploadProcess, Depends(_uploads)]
