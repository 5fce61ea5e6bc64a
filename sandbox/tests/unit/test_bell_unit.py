"""Which requests wake the jobs."""

import pytest
from sandbox.bell import Bell, RingsAtChanges
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


async def rings(method: str, status: int | None) -> bool:
    """Whether a request rings that is answered with `status`, or with nothing at all."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if status is None:
            raise ConnectionResetError
        await Response(status_code=status)(scope, receive, send)

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def forget(_: Message) -> None: ...

    bell = Bell()
    heard = bell.listener()
    try:
        await RingsAtChanges(app, bell)({"type": "http", "method": method}, nothing, forget)
    except ConnectionResetError:
        assert status is None
    return heard.is_set()


@pytest.mark.parametrize(
    ("method", "status", "wakes"),
    [
        ("POST", 200, True), ("PATCH", 204, True), ("DELETE", 200, True),
        ("GET", 200, False),
        ("POST", 400, False), ("PUT", 422, False), ("POST", 429, False),
        # The change may stand all the same: an error after the commit, a connection that is cut.
        ("POST", 500, True), ("POST", None, True),
    ],
)  # fmt: skip
async def test_what_may_have_changed_something_rings(method: str, status: int | None, wakes: bool) -> None:
    assert await rings(method, status) is wakes
