"""What nobody outside Intuit knows for sure, as the controls turn it."""

from datetime import timedelta
from typing import Any

import pytest
from shared.testing.plugin import FakeClock

from .app import App


@pytest.mark.parametrize(("answer", "code"), [("6000", "6000"), ("4001", "4001"), ("cut", None)])
async def test_changes_that_are_too_old_are_refused_or_left_out(
    app: App, turn: Any, crm_clock: FakeClock, answer: str, code: str | None
) -> None:
    await turn(shapes={"cdc_days": 7, "cdc_too_old": answer})
    old = await app.customer("Old")
    await crm_clock.advance(timedelta(days=8))
    await app.refresh()
    new = await app.customer("New")
    since = old["MetaData"]["CreateTime"]
    answered = (await app.call("GET", "cdc", entities="Customer", changedSince=since)).json()
    if code is None:
        [group] = answered["CDCResponse"][0]["QueryResponse"]
        assert [one["Id"] for one in group["Customer"]] == [new["Id"]]
    else:
        assert answered["Fault"]["Error"][0]["code"] == code
