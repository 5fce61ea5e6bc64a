import pytest
from shared.testing import settle, until


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
