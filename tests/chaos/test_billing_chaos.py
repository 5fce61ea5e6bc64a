"""Rows 58 to 63: whatever happens between us and QuickBooks, a write is one object there and the books are equal."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import billing
from harness.counts import count, time_limit
from harness.figures import Figures
from harness.processes import extra_workers
from harness.system import System
from shared.testing import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

WORKER, API = "billing-worker", "billing-api"
UNANSWERED = "SELECT 1 FROM qb_event WHERE attempts > 0 AND delivered_at IS NULL"
AT = ("push.before_request", "push.after_answer", "push.before_settle")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def connected(system: System) -> AsyncIterator[None]:
    """QuickBooks, for one test: what it has to do hourly would slow the days of all others."""
    async with billing.connected(system):
        yield


@pytest.mark.parametrize("forgets", [False, True], ids=["remembers", "forgets"])
async def test_a_write_whose_answer_never_comes_is_one_invoice(system: System, figures: Figures, forgets: bool) -> None:
    """Rows 58 and 59: QuickBooks commits and then hangs, drops the connection, or says 500."""
    faults = ["timeout_after_commit", "reset_after_commit", "error_after_commit", "truncated_after_commit"]
    for n in range(count(2, 40)):
        made = await billing.accepted_estimate(system, *system.phones(1))
        await system.settle()
        await billing.turn(
            system,
            requests={"retention_seconds": 0 if forgets else 86_400},
            calls={"hang_seconds": 5.0, "chosen": {"create invoice": [faults[n % len(faults)]]}},
        )
        figures.trial()
        invoice = await billing.invoice(system, made)
        with figures.timed("to written"):
            shown = await billing.wait_written(system, invoice["id"])
        assert await billing.created(system, shown["number"]) == 1


async def test_a_worker_that_dies_while_writing_leaves_one_invoice(system: System, figures: Figures) -> None:
    """Row 58: SIGKILL before the request, after the answer, before it is settled; QuickBooks forgets request ids."""
    for n in range(count(3, 60)):
        made = await billing.accepted_estimate(system, *system.phones(1))
        await system.settle()
        await billing.turn(system, requests={"retention_seconds": 0})
        figures.trial()
        pid = await system.arm(WORKER, f"{AT[n % len(AT)]}=kill")
        invoice = await billing.invoice(system, made)
        await system.wait_restarted(WORKER, pid)
        with figures.timed("start to written"):
            shown = await billing.wait_written(system, invoice["id"])
        assert await billing.created(system, shown["number"]) == 1


async def test_workers_that_find_the_token_expired_refresh_it_once(system: System, figures: Figures) -> None:
    """Row 60: whoever came second would be refused, and cost the first its tokens too."""
    await billing.turn(system, tokens={"rotation_seconds": 0, "after_rotation": "revoke_all"})
    async with extra_workers(system, 2, service="billing"):
        for _ in range(count(2, 20)):
            contacts = [await billing.person(system, phone) for phone in system.phones(20)]
            drafts = [await billing.estimate(system, contact) for contact in contacts]
            before = (await billing.grants(system))["items"]
            await billing.people_do(system, "expire-access")
            figures.trial()
            await asyncio.gather(*(system.post(f"/api/v1/estimates/{one['id']}/push") for one in drafts))
            await system.settle()
            after = (await billing.grants(system))["items"]
            assert sum(one["refreshes"] for one in after) == sum(one["refreshes"] for one in before) + 1
            assert (await system.get("/api/v1/quickbooks/connection"))["status"] == "connected"


async def test_a_worker_that_dies_with_new_tokens_in_hand_loses_nothing_but_them(
    system: System, figures: Figures
) -> None:
    """Row 61: between Intuit's answer and our commit. The old token is tried; where it is dead, a person reconnects."""
    for n in range(count(2, 20)):
        is_dead = bool(n % 2)
        made = await billing.accepted_estimate(system, *system.phones(1))
        await system.settle()
        await billing.turn(system, tokens={"rotation_seconds": 0 if is_dead else 86_400, "after_rotation": "refuse"})
        figures.trial()
        pid = await system.arm(WORKER, "refresh.after_answer=kill")
        await billing.people_do(system, "expire-access")
        invoice = await billing.invoice(system, made)
        await system.wait_restarted(WORKER, pid)
        if is_dead:
            await until(lambda: _needs_reconnect(system), what="a person is asked for")
            shown = await system.get(f"/api/v1/invoices/{invoice['id']}")
            assert [write["state"] for write in shown["writes"]] == ["pending"]
            await billing.connect(system)
        shown = await billing.wait_written(system, invoice["id"])
        assert await billing.created(system, shown["number"]) == 1


async def _needs_reconnect(system: System) -> bool:
    return bool((await system.get("/api/v1/quickbooks/connection"))["status"] == "needs_reconnect")


async def test_webhooks_that_were_not_answered_or_never_came_are_made_up_for(system: System, figures: Figures) -> None:
    """Row 62: a receiver that stands still for longer than three seconds blocks the later ones; some are lost."""
    for n in range(count(2, 20)):
        made = await billing.accepted_estimate(system, *system.phones(1))
        invoice = await billing.invoice(system, made)
        shown = await billing.wait_written(system, invoice["id"])
        await system.settle()
        figures.trial()
        customer = await billing.customer_there(system, shown)
        payment = {"customer_id": customer, "amount": "100.00", "invoice_id": shown["qb_id"]}
        if n % 2:
            await billing.turn(system, events={"shares": {"missing": 1.0}})
            await billing.people_do(system, "payments", **payment)
            await system.advance(hours=1.1)
        else:
            pid = await system.kill(API, signal.SIGSTOP)
            try:
                await billing.people_do(system, "payments", **payment)
                await billing.people_do(system, "payments", **payment)
                await until(lambda: system.rows("sandbox", UNANSWERED), what="an attempt was not answered")
            finally:
                await system.kill(API, signal.SIGCONT)
            assert pid
            await system.advance(minutes=1)
        after = await system.get(f"/api/v1/invoices/{invoice['id']}")
        assert after["balance"]["amount_cents"] == shown["total"]["amount_cents"] - (10_000 if n % 2 else 20_000)


async def test_edits_and_merges_in_quickbooks_are_never_overwritten(system: System, figures: Figures) -> None:
    """Row 63: a customer merged there, a payment voided there, while our own writes are under way."""
    for _ in range(count(1, 20)):
        first, second = system.phones(2)
        made = await billing.accepted_estimate(system, first)
        other = await billing.accepted_estimate(system, second)
        await system.settle()
        kept, gone = [await billing.customer_there(system, one) for one in (made, other)]
        figures.trial()
        await billing.people_do(system, "merge-customers", kept_id=kept, gone_id=gone)
        invoice = await billing.invoice(system, other)
        shown = await billing.wait_written(system, invoice["id"])
        payment = await billing.people_do(
            system, "payments", customer_id=kept, amount="50.00", invoice_id=shown["qb_id"]
        )
        await billing.people_do(system, f"payment/{payment['id']}/void")
        await system.settle()
        after = await system.get(f"/api/v1/invoices/{invoice['id']}")
        assert after["balance"] == after["total"]
        assert after["customer"]["id"] == made["customer"]["id"]


async def test_what_was_changed_on_both_sides_is_shown_and_overwritten_by_nobody(
    system: System, figures: Figures
) -> None:
    """Row 63: an older SyncToken, the same field on both sides; SIGKILL before the write, then a person decides."""
    for n in range(count(2, 10)):
        made = await billing.accepted_estimate(system, *system.phones(1))
        await system.settle()
        await billing.turn(system, events={"shares": {"missing": 1.0}})
        there = await billing.customer_there(system, made)
        await billing.edit_there(system, "customer", there, BillAddr={"City": "Milton"})
        ours = f"/api/v1/customers/{made['customer']['id']}"
        figures.trial()
        pid = await system.arm(WORKER, "push.before_request=kill")
        version = (await system.get(ours))["version"]
        edited = await system.public.patch(ours, json={"city": "Quincy"}, headers={"If-Match": f'"{version}"'})
        assert edited.is_success, edited.text
        await system.wait_restarted(WORKER, pid)
        await system.settle()
        [shown] = (await system.get("/api/v1/quickbooks/writes", state="failed"))["items"]
        assert "Quincy" in shown["error"]
        assert "Milton" in shown["error"]
        decision, city = ("retry", "Quincy") if n % 2 else ("drop", "Milton")
        await system.post(f"/api/v1/quickbooks/writes/{shown['id']}/{decision}")
        await system.settle()
        assert (await system.get(ours))["address"]["city"] == city


READ_AGAIN = "UPDATE sync_mark SET position = 1, done_at = NULL, due_at = now() WHERE name LIKE 'pull %' RETURNING name"


@pytest.mark.parametrize("at", ["pull.before_commit=kill@4", "telling.before_commit=kill"])
async def test_a_first_reading_that_dies_goes_on_and_tells_everything_once(
    system: System, figures: Figures, at: str
) -> None:
    """SIGKILL before the second page of customers is committed, and while others are told what was found."""
    for n in range(count(1, 10)):
        fill = {"customers": 1_050, "invoices": 60, "payments": 40, "seed": len(at) + n}
        (await system.sandbox.post(f"{billing.COMPANY}/fill", json=fill, timeout=60)).raise_for_status()
        known = await _mirrored(system)
        figures.trial()
        pid = await system.arm(WORKER, at)
        # As after a month away, when changes cannot be asked for any more.
        await system.rows("billing", READ_AGAIN)
        await system.wait_restarted(WORKER, pid)
        with figures.timed("death to told"):
            await system.settle()
        added = [after - before for before, after in zip(known, await _mirrored(system), strict=True)]
        assert added == [1_050, 60, 40]
        untold = await system.rows(
            "billing",
            "SELECT id FROM invoice i WHERE (SELECT count(*) FROM outbox WHERE type = 'billing.invoice.issued.v1'"
            " AND envelope::jsonb->>'subject' = i.id::text) <> 1",
        )
        assert untold == []


COMPARE = "UPDATE sync_mark SET due_at = now() WHERE name = 'differences' RETURNING name"


async def test_a_comparison_that_dies_is_made_by_the_next_worker(system: System, figures: Figures) -> None:
    """SIGKILL with the differences in hand: whoever comes next need not wait long for what the dead one held."""
    compared = "SELECT count(*) FROM difference_run"
    for _ in range(count(1, 10)):
        before = await system.value("billing", compared)
        figures.trial()
        pid = await system.arm(WORKER, "differences.before_keep=kill")
        await system.rows("billing", COMPARE)
        await system.wait_restarted(WORKER, pid)
        with figures.timed("death to compared"):
            await system.settle()
        assert await system.value("billing", compared) == before + 1


async def _mirrored(system: System) -> list[int]:
    tables = ("customer", "invoice", "payment")
    return [await system.value("billing", f"SELECT count(*) FROM {table}") for table in tables]
