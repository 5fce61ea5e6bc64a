"""What was changed on both sides: read again, said again, and after some tries left to a person."""

from typing import Any

import pytest
from billing.models import Customer, Estimate, Push
from billing.services.claiming import MOST_CLASHES
from billing.states import EstimateStatus, PushKind, PushState
from shared.rules.money import Money

from shared import failpoints

from .office import LOST, Office
from .sales import post
from .writes import decide, draft, failed, free_leases, pushed, shown, step


async def test_after_three_clashes_a_person_decides(connected: Office) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    await connected.turn(events=LOST)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    for number in range(MOST_CLASHES + 1):
        newest = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
        body = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, "PrivateNote": f"edit {number}"}
        await connected.quickbooks("POST", "estimate", body)
        assert (await connected.one(Push, Push.kind == PushKind.MARK_ESTIMATE)).state is PushState.PENDING
        assert await step(connected) == 1
    push = await failed(connected)
    assert (push.kind, push.error_code, push.clashes) == (PushKind.MARK_ESTIMATE, "5010", MOST_CLASHES + 1)
    assert push.error is not None
    assert "at the same time" in push.error
    await decide(connected, "retry", push.id)
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["PrivateNote"]) == ("Accepted", f"edit {MOST_CLASHES}")


@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_an_answer_that_could_not_be_written_is_not_forgotten(connected: Office, decision: str) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    await connected.turn(calls={"chosen": {"update estimate": ["fault_in_200"]}})
    await post(connected, f"estimates/{made['id']}/decline", name="Ana Lima", note="Too dear")
    await connected.settle()
    # Somebody changes something else there: it is still pending in QuickBooks.
    newest = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    memo = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, "CustomerMemo": {"value": "Mind the dog"}}
    await connected.quickbooks("POST", "estimate", memo)
    await connected.settle()
    row = await connected.one(Estimate)
    assert (row.status, row.memo) == (EstimateStatus.DECLINED, "Mind the dog")
    await decide(connected, decision, (await failed(connected)).id)
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    status = (await connected.one(Estimate)).status
    if decision == "retry":
        assert (theirs["TxnStatus"], status) == ("Rejected", EstimateStatus.DECLINED)
    else:
        # Given up: what QuickBooks says counts.
        assert (theirs["TxnStatus"], status) == ("Pending", EstimateStatus.OPEN)


async def edit_theirs(office: Office, entity: str, qb_id: str | None, **changes: Any) -> None:
    """Somebody changes it in QuickBooks."""
    newest = (await office.quickbooks("GET", f"{entity}/{qb_id}"))[entity.capitalize()]
    body = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, **changes}
    await office.quickbooks("POST", entity, body)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_a_price_that_was_changed_after_the_yes_is_a_persons_to_decide(
    connected: Office, decision: str, *, is_told: bool
) -> None:
    made = await pushed(connected)
    row = await connected.one(Estimate)
    before = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    if not is_told:
        await connected.turn(events=LOST)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    line = {
        "DetailType": "SalesItemLineDetail",
        "Amount": 999,
        "SalesItemLineDetail": before["Line"][0]["SalesItemLineDetail"] | {"Qty": 1, "UnitPrice": 999},
    }
    await edit_theirs(connected, "estimate", row.qb_id, Line=[line])
    await connected.settle()
    push = await failed(connected)
    assert (push.kind, push.error_code) == (PushKind.MARK_ESTIMATE, "changed_in_quickbooks")
    now = (await connected.one(Estimate)).total_cents
    assert push.error is not None
    assert str(Money(row.total_cents)) in push.error
    assert str(Money(now)) in push.error
    assert now != row.total_cents
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert theirs["TxnStatus"] == "Pending"
    await decide(connected, decision, push.id)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert theirs["TxnStatus"] == ("Accepted" if decision == "retry" else "Pending")


@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_one_thing_changed_on_both_sides_is_a_persons_to_decide(connected: Office, decision: str) -> None:
    await pushed(connected)
    await connected.turn(events=LOST)
    row = await connected.one(Customer)
    edited = await connected.api.patch(
        f"/api/v1/customers/{row.id}", json={"city": "Quincy"}, headers={"If-Match": f'"{row.version}"'}
    )
    assert edited.is_success, edited.text
    await edit_theirs(connected, "customer", row.qb_id, BillAddr={"City": "Milton"})
    await connected.settle()
    push = await failed(connected)
    assert (push.kind, push.error_code) == (PushKind.UPDATE_CUSTOMER, "changed_in_quickbooks")
    assert push.error is not None
    assert "Quincy" in push.error
    assert "Milton" in push.error
    await decide(connected, decision, push.id)
    theirs = (await connected.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"]
    kept = "Quincy" if decision == "retry" else "Milton"
    assert (theirs["BillAddr"]["City"], (await connected.one(Customer)).city) == (kept, kept)


async def test_two_edits_in_a_row_are_no_clash(connected: Office) -> None:
    await pushed(connected)
    row = await connected.one(Customer)
    for city in ("Quincy", "Milton"):
        newest = await connected.one(Customer)
        edited = await connected.api.patch(
            f"/api/v1/customers/{row.id}", json={"city": city}, headers={"If-Match": f'"{newest.version}"'}
        )
        assert edited.is_success, edited.text
    await connected.settle()
    assert (await connected.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"]["BillAddr"]["City"] == "Milton"
    assert {state for _, state in await connected.pushes()} == {"done"}


async def test_a_request_id_that_somebody_used_is_replaced_by_another(connected: Office) -> None:
    """600: nothing of ours is to be found, so nothing of ours was written."""
    await connected.turn(requests={"differing_body": "refuse"})
    made = await draft(connected)
    failpoints.configure("push.before_request=raise")
    try:
        await post(connected, f"estimates/{made['id']}/push")
        with pytest.raises(failpoints.FailpointError):
            await step(connected)
    finally:
        failpoints.configure("")
    (push,) = [one for one in await connected.rows(Push) if one.request_id is not None]
    await connected.quickbooks("POST", f"customer?requestid={push.request_id}", {"DisplayName": "Somebody Else"})
    await free_leases(connected)
    await connected.settle()
    assert {state for _, state in await connected.pushes()} == {"done"}
    assert (await shown(connected, f"estimates/{made['id']}"))["qb_id"] is not None
