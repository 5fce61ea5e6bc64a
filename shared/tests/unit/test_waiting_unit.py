from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from shared.testing import settle, settle_beside, until
from shared.worker import Worker


async def test_until_returns_the_first_truthy_value() -> None:
    values = iter([0, None, "ready"])
    assert await until(lambda: next(values)) == "ready"


async def test_until_fails_when_the_time_is_up() -> None:
    with pytest.raises(AssertionError, match="the door"):
        await until(lambda: False, within=0.05, what="the door")


async def test_settle_wants_two_idle_answers_in_a_row() -> None:
    answers = iter([[{"idle": True}], [{"idle": False}], [{"idle": True}], [{"idle": True}]])

    async def ask():
        return next(answers)

    assert await settle(ask) == [{"idle": True}]
    assert next(answers, None) is None


async def test_settle_tells_who_is_busy() -> None:
    async def ask():
        return [{"idle": True}, {"idle": False, "service": "messaging"}]

    with pytest.raises(AssertionError, match="messaging"):
        await settle(ask, within=0.05)


class Beside:
    """A worker and the sandbox beside it, whose answers are given; what was asked, in order."""

    def __init__(self, sandbox: list[bool], worker: list[bool]) -> None:
        self.asked: list[str] = []
        self._sandbox, self._worker = iter(sandbox), iter(worker)

    async def run_until_idle(self) -> int:
        self.asked.append("run")
        return 0

    async def idle(self) -> Any:
        self.asked.append("worker")
        return SimpleNamespace(idle=next(self._worker))

    def answer(self, _: httpx.Request) -> httpx.Response:
        self.asked.append("sandbox")
        return httpx.Response(200, json={"idle": next(self._sandbox)})

    async def settle(self, **more: float) -> None:
        transport = httpx.MockTransport(self.answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as sandbox:
            await settle_beside(cast(Worker, self), sandbox, **more)


async def test_what_the_sandbox_brought_after_the_worker_came_to_rest_is_worked_off() -> None:
    beside = Beside(sandbox=[False, True, True], worker=[True, False, True])
    await beside.settle()
    assert beside.asked == ["run", "sandbox", "worker"] * 3


async def test_whoever_never_comes_to_rest_is_told() -> None:
    with pytest.raises(AssertionError, match="idle=False"):
        await Beside(sandbox=[True] * 9, worker=[False] * 9).settle(within=0.05)
