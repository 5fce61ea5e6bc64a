"""Money finds the texts that earned it, whatever is reported first, and every cent of it stays accounted for."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
import svcs
from campaigns.attribution import Earner, Touch, attribute, moment_of
from campaigns.attribution import Payment as Received
from campaigns.models import Recipient
from campaigns.services.attribution import PAYMENTS_AT_ONCE, AttributionService, Attributor
from campaigns.services.outcomes import OutcomeService
from campaigns.services.revenue import RevenueService
from shared.events import billing, contacts, messaging
from shared.events.envelope import Event, Money
from shared.testing.plugin import ClientAs, FakeClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .bookkeeping import TUESDAY, Books, contact, invoice, link, payment, voided
from .office import Office, report_of

SETTINGS = "/api/v1/revenue/settings"
WHOLE = {"first_touch": 50_000, "last_touch": 50_000}


@pytest_asyncio.fixture
async def books(office: Office) -> Books:
    return Books(office)


def merged(primary: int, secondary: int, version: int) -> contacts.ContactMerged:
    return contacts.ContactMerged(
        primary_id=contact(primary), secondary_id=contact(secondary), version=version, primary_version=version
    )


def unmerged(primary: int, secondary: int, version: int) -> contacts.ContactUnmerged:
    return contacts.ContactUnmerged(primary_id=contact(primary), secondary_id=contact(secondary), version=version)


async def test_a_payment_goes_to_the_text_that_its_person_got(books: Books) -> None:
    campaign = await books.texted(0, 1)
    await books.tell(link(), payment(applied={1: 30_000}))
    assert await books.earned(campaign) == WHOLE
    total = (await books.revenue())["USD"]
    assert (total["total_cents"], total["payments"], total["refunds"]) == (50_000, 1, 0)
    assert total["models"][0]["people"] == 1
    entries = await books.entries(model="first_touch")
    assert [(e["amount_cents"], e["invoice_id"], e["reason"]) for e in entries] == [
        (30_000, str(invoice(1)), "payment"),
        (20_000, None, "payment"),
    ]
    assert {e["contact_id"] for e in entries} == {str(contact(0))}


async def test_first_last_and_assisting_texts_are_of_different_campaigns(books: Books, crm_clock: FakeClock) -> None:
    first = await books.texted(0)
    await crm_clock.advance(timedelta(days=7))
    second = await books.texted(0)
    await crm_clock.advance(timedelta(days=7))
    third = await books.texted(0)
    await books.tell(link(), payment(on=TUESDAY + timedelta(days=14)))
    assert await books.earned(first) == {"first_touch": 50_000, "assisted": 50_000}
    assert await books.earned(second) == {"assisted": 50_000}
    assert await books.earned(third) == {"last_touch": 50_000}


async def test_money_that_nobody_earned_says_why(books: Books) -> None:
    await books.texted(0)
    late, early = TUESDAY + timedelta(days=90), TUESDAY - timedelta(days=2)
    await books.tell(
        link(0, 0),
        link(1, 9),
        payment(1, 100, of=0, on=late),
        payment(2, 20, of=0, on=early),
        payment(3, 3_000, of=1),
        payment(4, 40_000, of=2),
    )
    assert await books.unattributed() == {"outside_window": 120, "never_texted": 3_000, "not_linked": 40_000}
    assert await books.entries() == []


async def test_a_text_of_the_same_day_counts_in_the_companys_zone(books: Books, crm_clock: FakeClock) -> None:
    """It is the 24th by UTC when the last texts of the 23rd leave in New York."""
    await crm_clock.advance(timedelta(hours=7, minutes=30))
    campaign = await books.texted(0, window_end="20:00")
    monday = TUESDAY - timedelta(days=1)
    await books.tell(link(), payment(on=monday))
    assert await books.earned(campaign) == WHOLE


async def test_a_void_adds_what_takes_it_back_and_rewrites_nothing(books: Books) -> None:
    campaign = await books.texted(0)
    await books.tell(link(), payment())
    before = await books.entries()
    await books.tell(voided())
    after = await books.entries()
    assert after[: len(before)] == before
    assert [(e["amount_cents"], e["reason"], e["payment_version"]) for e in after[len(before) :]] == [
        (-50_000, "void", 2)
    ] * 2
    assert await books.earned(campaign) == {}
    assert (await books.revenue())["USD"]["total_cents"] == 0
    assert sum(event.amount.amount_cents for event in await books.published()) == 0


async def test_money_given_back_is_taken_from_those_who_earned_it(books: Books) -> None:
    """However late: the window is that of the money which it gives back."""
    campaign = await books.texted(0)
    refund = payment(2, -20_000, kind=billing.PaymentRefunded, applied={}, on=TUESDAY + timedelta(days=200))
    await books.tell(link(), refund)
    assert await books.unattributed() == {"outside_window": -20_000}
    await books.tell(payment(1))
    assert await books.earned(campaign) == {"first_touch": 30_000, "last_touch": 30_000}
    await books.tell(voided(1))
    assert await books.unattributed() == {"outside_window": -20_000}
    await books.tell(payment(1, version=3))
    assert (await books.earned(campaign))["last_touch"] == 30_000
    await books.tell(payment(1, version=4, of=5))
    assert await books.unattributed() == {"outside_window": -20_000, "not_linked": 50_000}


async def test_money_is_published_once_it_is_applied_to_an_invoice(books: Books) -> None:
    await books.texted(0)
    await books.tell(link(), payment(applied={}))
    assert await books.published() == []
    await books.tell(payment(applied={1: 50_000}, version=2))
    told = await books.published()
    assert sorted((e.model, e.invoice_id, e.amount.amount_cents) for e in told) == [
        ("first_touch", invoice(1), 50_000),
        ("last_touch", invoice(1), 50_000),
    ]
    await books.tell(payment(applied={2: 50_000}, version=3))
    moved: Counter[UUID] = Counter()
    for event in await books.published():
        moved[event.invoice_id] += event.amount.amount_cents
    assert moved == {invoice(1): 0, invoice(2): 100_000}


async def test_a_link_that_is_told_late_or_taken_back_or_moved_takes_the_money_along(books: Books) -> None:
    campaign = await books.texted(0, 1, variants=[{"message": "Hello {first_name}", "label": "A"}])
    await books.tell(payment())
    assert await books.unattributed() == {"not_linked": 50_000}
    await books.tell(link(version=2))
    assert await books.earned(campaign) == WHOLE
    await books.tell(link(version=3, linked=False), link(version=1))
    assert await books.unattributed() == {"not_linked": 50_000}
    await books.tell(link(0, 1, version=4))
    assert await books.earned(campaign) == WHOLE
    reasons = [entry["reason"] for entry in await books.entries(model="last_touch")]
    assert reasons == ["link", "unlink", "link"]


async def test_what_the_texts_to_somebody_earned_stays_earned_once_they_are_erased(books: Books) -> None:
    campaign = await books.texted(0)
    await books.tell(link(), payment())
    assert await books.earned(campaign) == WHOLE
    await books.tell(link(version=2, linked=False, reason=billing.CustomerUnlinked.ERASED))
    assert await books.earned(campaign) == WHOLE
    await books.tell(voided(contact_id=None))
    assert [entry["amount_cents"] for entry in await books.entries(model="last_touch")] == [50_000, -50_000]


async def test_what_a_payment_says_of_its_customer_holds_until_a_link_says_better(books: Books) -> None:
    campaign = await books.texted(0)
    await books.tell(payment(contact_id=contact(0)))
    assert await books.earned(campaign) == WHOLE
    await books.tell(link(linked=False))
    assert await books.unattributed() == {"not_linked": 50_000}


async def test_a_merge_that_comes_later_attributes_anew_and_its_undoing_too(books: Books) -> None:
    campaign = await books.texted(0)
    await books.tell(link(0, 9), payment())
    assert await books.unattributed() == {"never_texted": 50_000}
    await books.tell(merged(8, 0, 5), merged(9, 8, 6))
    assert await books.earned(campaign) == WHOLE
    await books.tell(unmerged(8, 0, 7))
    assert await books.unattributed() == {"never_texted": 50_000}
    await books.tell(merged(9, 0, 8))
    assert await books.earned(campaign) == WHOLE
    # It moves on to somebody else without our hearing first that it was unmerged.
    await books.tell(merged(7, 0, 10), unmerged(9, 0, 9))
    assert await books.unattributed() == {"never_texted": 50_000}
    assert {e["reason"] for e in await books.entries()} == {"merge", "unmerge"}


async def test_people_who_were_merged_are_counted_once(books: Books) -> None:
    campaign = await books.texted(0, 1)
    await books.tell(link(0, 0), link(1, 1), payment(1), payment(2, of=1), merged(0, 1, 5))
    [found] = (await books.client.get(f"/api/v1/campaigns/{campaign}/revenue")).json()["revenue"]
    assert (found["last_touch"]["payments"], found["last_touch"]["people"]) == (2, 1)


async def test_texts_that_become_known_after_the_payment_earn_it(books: Books) -> None:
    texts = await books.requested(0)
    campaign = str(texts[0].campaign_id)
    await books.tell(link(), payment())
    assert await books.unattributed() == {"never_texted": 50_000}
    await books.office.report(messaging.MessageAccepted, texts)
    assert await books.earned(campaign) == WHOLE
    await books.office.report(messaging.MessageUndelivered, texts, reason="carrier_30006")
    assert await books.unattributed() == {"never_texted": 50_000}
    assert [e["reason"] for e in await books.entries(model="last_touch")] == ["text", "text"]


@pytest.mark.parametrize("first", ["report", "payment"])
async def test_a_text_and_a_payment_that_do_not_see_each_other_meet(books: Books, first: str) -> None:
    """Each in a transaction of its own; the attribution runs after the first has committed and before the second."""
    [text] = await books.requested(0)
    await books.tell(link())

    async def record(tx: svcs.Container, kind: str) -> None:
        if kind == "report":
            await (await tx.aget(OutcomeService)).record_reports([report_of(messaging.MessageAccepted, text)])
        else:
            await (await tx.aget(RevenueService)).record_payments([payment()])
        await (await tx.aget(AsyncSession)).flush()

    second = "payment" if first == "report" else "report"
    async with books.office.begin() as later:
        await record(later, second)
        async with books.office.begin() as earlier:
            await record(earlier, first)
        await books.office.worker.run_until_idle()
    await books.office.worker.run_until_idle()
    assert await books.earned(str(text.campaign_id)) == WHOLE


async def test_two_workers_do_not_both_append(books: Books) -> None:
    await books.texted(0)
    async with books.office.begin() as tx:
        await (await tx.aget(RevenueService)).record_link(link())  # type: ignore[arg-type]
        await (await tx.aget(RevenueService)).record_payments([payment(n, 100) for n in range(20)])
    both = [Attributor(books.office.begin) for _ in range(4)]
    for _ in range(4):
        await asyncio.gather(*(attributor.run_once() for attributor in both))
    await books.office.worker.run_until_idle()
    assert len(await books.entries(model="last_touch")) == 20
    assert set((await books.sums()).values()) == {100}


async def test_news_that_comes_during_an_attribution_waits_for_its_end(books: Books) -> None:
    campaign = await books.texted(0)
    async with books.office.begin() as tx:
        await (await tx.aget(RevenueService)).record_payments([payment(contact_id=contact(0))])

    async def spread() -> None:
        async with books.office.begin() as tx:
            assert await (await tx.aget(AttributionService)).spread_news() == 1

    await spread()
    async with books.office.begin() as first:
        assert await (await first.aget(AttributionService)).attribute_next() == 1
        await (await first.aget(AsyncSession)).flush()
        async with books.office.begin() as tx:
            await (await tx.aget(RevenueService)).record_link(link())  # type: ignore[arg-type]
        await spread()
        async with books.office.begin() as second:
            assert await (await second.aget(AttributionService)).attribute_next() == 0
    await books.office.worker.run_until_idle()
    assert await books.earned(campaign) == WHOLE


async def test_whoever_has_a_payment_in_hand_is_not_waited_for(books: Books) -> None:
    campaign = await books.texted(0)
    async with books.office.begin() as tx:
        await (await tx.aget(RevenueService)).record_payments([payment(1), payment(2)])
    await books.office.worker.run_until_idle()
    await books.tell(link())
    async with books.office.begin() as holder:
        await (await holder.aget(RevenueService)).record_payments([payment(1, 70_000, version=2)])
        async with books.office.begin() as tx:
            await (await tx.aget(RevenueService)).record_payments([payment(2, 10_000, version=2)])
        assert await Attributor(books.office.begin).run_once() > 0
        async with books.office.begin() as tx:
            assert await (await tx.aget(AttributionService)).attribute_next() == 0
    await books.office.worker.run_until_idle()
    assert await books.earned(campaign) == {"first_touch": 80_000, "last_touch": 80_000}


async def test_the_window_is_set_by_the_user_and_everything_is_attributed_anew_in_steps(books: Books) -> None:
    campaign = await books.texted(0)
    count = PAYMENTS_AT_ONCE * 2 + 5
    await books.tell(link(), *(payment(n, 100, on=TUESDAY + timedelta(days=20)) for n in range(count)))
    assert (await books.earned(campaign))["last_touch"] == 100 * count
    answer = await books.client.get(SETTINGS)
    assert (answer.json()["window_days"], answer.headers["etag"]) == (90, '"1"')
    wanted: dict[str, Any] = {"json": {"window_days": 20}}
    assert (await books.client.put(SETTINGS, **wanted)).status_code == 428
    assert (await books.client.put(SETTINGS, **wanted, headers={"If-Match": '"7"'})).status_code == 412
    changed = await books.client.put(SETTINGS, **wanted, headers={"If-Match": '"1"'})
    assert (changed.json()["is_reattributing"], changed.headers["etag"]) == (True, '"2"')
    await Attributor(books.office.begin).run_once()
    assert 0 < (await books.revenue())["USD"]["models"][0]["attributed_cents"] < 100 * count
    assert (await books.client.get("/api/v1/revenue")).json()["is_reattributing"]
    await books.office.worker.run_until_idle()
    assert await books.unattributed() == {"outside_window": 100 * count}
    assert not (await books.client.get(SETTINGS)).json()["is_reattributing"]
    await books.client.put(SETTINGS, json={"window_days": 21}, headers={"If-Match": '"2"'})
    await books.office.worker.run_until_idle()
    assert (await books.earned(campaign))["last_touch"] == 100 * count
    reasons = Counter(e["reason"] for e in await books.entries(model="last_touch"))
    assert reasons == {"payment": count, "window": 2 * count}


async def test_a_window_that_makes_no_sense_is_refused(client: httpx.AsyncClient) -> None:
    for wrong in ({"window_days": 0}, {"window_days": 3651}, {"window_days": "90"}, {}, {"days": 3}):
        answer = await client.put(SETTINGS, json=wrong, headers={"If-Match": '"1"'})
        assert (answer.status_code, wrong) == (422, wrong)
    same = await client.put(SETTINGS, json={"window_days": 90}, headers={"If-Match": '"1"'})
    assert same.headers["etag"] == '"1"'
    assert (await client.get("/api/v1/revenue", params={"received_from": "0"})).status_code == 422


async def test_two_currencies_are_never_added_up(books: Books) -> None:
    campaign = await books.texted(0)
    await books.tell(link(), payment(1), payment(2, 7_000, currency="CAD"))
    assert await books.earned(campaign) == WHOLE
    assert await books.earned(campaign, "CAD") == {"first_touch": 7_000, "last_touch": 7_000}
    await books.tell(payment(1, 40_000, version=2, currency="CAD"))
    assert await books.earned(campaign) == {}
    assert await books.earned(campaign, "CAD") == {"first_touch": 47_000, "last_touch": 47_000}


async def test_what_is_reported_and_not_yet_attributed_is_pending(books: Books) -> None:
    await books.texted(0)
    await books.tell(link(), payment())
    async with books.office.begin() as tx:
        await (await tx.aget(RevenueService)).record_payments([voided(), payment(2, 300)])
    assert await books.unattributed() == {"pending": 300 - 50_000}
    await books.office.worker.run_until_idle()
    assert await books.unattributed() == {}


async def test_revenue_is_shown_for_the_days_that_are_asked_for(books: Books) -> None:
    await books.texted(0)
    await books.tell(link(), payment(1, 100), payment(2, 20, on=TUESDAY + timedelta(days=1)))
    shown = await books.revenue(received_from="2026-11-25", received_until="2026-11-25")
    assert shown["USD"]["total_cents"] == 20
    assert await books.revenue(received_from="2026-11-26") == {}


async def test_entries_are_listed_page_by_page_and_filtered(books: Books) -> None:
    campaign = await books.texted(0)
    other = await books.texted(1)
    await books.tell(link(0, 0), link(1, 1), payment(1), payment(2, of=1))
    url = "/api/v1/revenue/entries"
    page = (await books.client.get(url, params={"limit": 3})).json()
    rest = (await books.client.get(url, params={"limit": 3, "cursor": page["next_cursor"]})).json()
    ids = [entry["id"] for entry in page["items"] + rest["items"]]
    assert (len(ids), page["total"], rest["next_cursor"]) == (4, 4, None)
    assert ids == sorted(ids, reverse=True)
    assert {e["campaign_id"] for e in await books.entries(campaign_id=other)} == {other}
    [found] = await books.entries(campaign_id=campaign, model="last_touch")
    assert found in await books.entries(payment_id=found["payment_id"])


async def test_money_is_shown_to_those_who_may_see_it(client_as: ClientAs, books: Books) -> None:
    campaign = await books.texted(0)
    for path in ("/api/v1/revenue", "/api/v1/revenue/entries", SETTINGS, f"/api/v1/campaigns/{campaign}/revenue"):
        assert (await client_as(["campaigns:*"]).get(path)).status_code == 403
        assert (await client_as(["revenue:read"]).get(path)).status_code == 200
    change = await client_as(["revenue:read"]).put(SETTINGS, json={"window_days": 3}, headers={"If-Match": '"1"'})
    assert change.status_code == 403


async def test_a_payment_in_another_currency_than_its_invoice_is_kept_for_a_person_to_look_at(books: Books) -> None:
    odd = payment()
    part = billing.AppliedItem(invoice_id=invoice(1), amount=Money(amount_cents=1, currency="CAD"))
    async with books.office.begin() as tx:
        with pytest.raises(ValueError, match="another currency"):
            await (await tx.aget(RevenueService)).record_payments([odd.model_copy(update={"applied": [part]})])


# Anything may be told in any order, any number of times: what is written adds up to what the newest of it says.


def history(rng: random.Random) -> list[Event]:
    told: list[Event] = []
    for n in range(4):
        for version in range(1, rng.randint(1, 4) + 1):
            cents = rng.choice([0, 1, 99, 50_000, -20_000])
            applied = {i: rng.randint(1, 40_000) for i in rng.sample(range(3), rng.randint(0, 2))}
            on = TUESDAY + timedelta(days=rng.choice([0, 5, 60, 120]))
            told.append(payment(n, cents, version=version, applied=applied, on=on, of=rng.randrange(3)))
    told += [
        link(n, rng.randrange(4), version=version, linked=rng.random() < 0.8)
        for n in range(3)
        for version in range(1, rng.randint(0, 3) + 1)
    ]
    told += [
        (merged if rng.random() < 0.7 else unmerged)(rng.randrange(n), n, version)
        for n in range(1, 4)
        for version in range(1, rng.randint(0, 3) + 1)
    ]
    return told


def newest(told: list[Event], kinds: tuple[type[Event], ...], key: str) -> dict[UUID, Any]:
    ours: list[Any] = [event for event in told if isinstance(event, kinds)]
    return {getattr(event, key): event for event in sorted(ours, key=lambda event: event.version)}


async def touches(books: Books) -> list[Touch]:
    async with books.office.begin() as tx:
        session = await tx.aget(AsyncSession)
        sent = (await session.scalars(select(Recipient).where(Recipient.sent_at.is_not(None)))).all()
    return [Touch(Earner(r.id, r.campaign_id, r.variant, r.contact_id), r.sent_at, r.sent_at.date()) for r in sent]


def expected(told: list[Event], known_touches: list[Touch]) -> dict[tuple[str, ...], int]:
    """From the newest of everything, without any history."""
    payments = newest(told, (billing.PaymentMoved,), "payment_id")
    links = newest(told, (billing.CustomerLinkMoved,), "customer_id")
    merges = newest(told, (contacts.ContactMerged, contacts.ContactUnmerged), "secondary_id")

    def root(of: UUID) -> UUID:
        while isinstance(merges.get(of), contacts.ContactMerged):
            of = merges[of].primary_id
        return of

    received = {
        p.payment_id: Received(
            p.payment_id,
            p.amount.amount_cents,
            p.amount.currency,
            p.received_on,
            tuple((part.invoice_id, part.amount.amount_cents) for part in p.applied),
        )
        for p in payments.values()
    }
    sums = {}
    for p in payments.values():
        told_link = links.get(p.customer_id)
        known = isinstance(told_link, billing.CustomerLinked)
        own = [t for t in known_touches if known and root(t.earner.contact_id) == root(told_link.contact_id)]
        siblings = [received[other.payment_id] for other in payments.values() if other.customer_id == p.customer_id]
        moment = moment_of(received[p.payment_id], siblings)
        lines = attribute(received[p.payment_id], own if known else None, moment=moment, window_days=90).lines
        for line, cents in lines.items():
            key = (p.payment_id, line.model.value, line.earner.recipient_id, line.invoice_id, line.currency)
            sums[tuple(map(str, key))] = cents
    return sums


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_and_repetition_of_what_is_told_do_not_matter(
    books: Books, crm_clock: FakeClock, seed: int
) -> None:
    rng = random.Random(seed)
    told = history(rng)
    first = await books.requested(0, 1, 2)
    shuffled = [*told, *rng.sample(told, 4)]
    rng.shuffle(shuffled)
    half = len(shuffled) // 2
    await books.tell(*shuffled[:half])
    await books.office.report(messaging.MessageAccepted, first)
    await crm_clock.advance(timedelta(days=42))
    await books.texted(1, 2, 3)
    for start in range(half, len(shuffled), 3):
        await books.tell(*shuffled[start : start + 3])
    assert await books.sums() == expected(told, await touches(books))
    assert await books.open_requests() == 0
    await books.revenue()
