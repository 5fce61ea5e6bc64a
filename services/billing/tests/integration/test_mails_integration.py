"""Forms leave by e-mail once for each time that somebody sends them: an e-mail cannot be taken back."""

from datetime import timedelta

import pytest
from billing.models import Push
from billing.states import PushKind, PushState
from sqlalchemy import text

from shared import failpoints

from .books import execute
from .office import Office
from .sales import post
from .writes import draft, free_leases, pushed, step, written


@pytest.mark.parametrize("is_forgotten", [True, False], ids=["forgotten", "remembered"])
@pytest.mark.parametrize("fault", ["reset_after_commit", "application_error"])
async def test_what_is_sent_a_second_time_is_mailed_once_more_and_not_twice(
    connected: Office, fault: str, is_forgotten: bool
) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    await connected.advance(timedelta(minutes=1))
    if is_forgotten:
        await connected.turn(requests={"retention_seconds": 0})
    await connected.turn(calls={"chosen": {"send estimate": [fault]}})
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    assert (await written(connected)).count(("Estimate", "emailed")) == 2
    assert {state for _, state in await connected.pushes()} == {"done"}


async def test_an_e_mail_whose_worker_died_before_it_left_is_sent_by_the_next_one(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    await connected.advance(timedelta(minutes=1))
    await post(connected, f"estimates/{made['id']}/send")
    failpoints.configure("push.before_request=raise@1")
    try:
        with pytest.raises(failpoints.FailpointError):
            await step(connected)
    finally:
        failpoints.configure("")
    await free_leases(connected)
    await connected.settle()
    # The first one died before it had sent anything.
    assert (await written(connected)).count(("Estimate", "emailed")) == 2


OTHERS_FIRST = text("UPDATE provider_rate SET next_at = clock_timestamp() + interval '5 seconds'")


@pytest.mark.parametrize(
    "more_settings", [{"quickbooks_rate": 10, "quickbooks_timeout_seconds": 3.0, "push_lease_seconds": 6.0}]
)
async def test_an_e_mail_that_waits_for_its_turn_until_another_worker_may_send_it_does_not_leave(
    connected: Office,
) -> None:
    made = await pushed(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await execute(connected, OTHERS_FIRST)
    assert await step(connected) == 1
    assert ("Estimate", "emailed") not in await written(connected)
    (push,) = [one for one in await connected.rows(Push) if one.kind is PushKind.SEND_ESTIMATE]
    assert (push.state, push.leased_until) == (PushState.PENDING, None)
    assert "waited too long for its turn" in str(push.error)
    await connected.settle()
    assert (await written(connected)).count(("Estimate", "emailed")) == 1
