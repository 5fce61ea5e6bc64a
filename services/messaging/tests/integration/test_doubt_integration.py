"""Texts of which nobody knows whether they were sent: looked up, never repeated by a machine."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import svcs
from messaging.clients.openphone.client import OpenPhoneClient
from messaging.models import Message
from messaging.provider import Accepted, Listing, MessageLister, MessageQuery, ProviderMessage, Unavailable, Unknown
from messaging.services.outbound import ClaimService
from messaging.services.phone_states import PhoneStateService
from messaging.services.resolver import ResolverProcess
from messaging.services.settling import SettleService
from messaging.services.webhooks import WebhookProcess
from messaging.states import Status
from shared.errors import ProviderRejected
from shared.failpoints import FailpointError, configure
from shared.testing.waiting import until
from sqlalchemy.ext.asyncio import AsyncSession

from .system import ANA, BEN, System, phone

WAIT = timedelta(seconds=121)
INTERVAL = timedelta(seconds=391)


async def _resolve(system: System) -> None:
    async with svcs.Container(system.registry) as container:
        await (await container.aget(ResolverProcess)).run_once()


async def _send_with(system: System, fault: str, **life: Any) -> UUID:
    """A text struck by a fault, without any receipt that would tell."""
    await system.turn(life={"stuck": 1.0}, faults={"recipients": {ANA: {"send": [fault]}}})
    message_id = await system.request()
    await system.settle()
    return message_id


@pytest.mark.parametrize(
    "fault", ["timeout_after_accept", "reset_after_accept", "error_after_accept", "unreadable_after_accept"]
)
async def test_a_text_that_went_out_unheard_is_found_in_the_list(system: System, fault: str) -> None:
    message_id = await _send_with(system, fault)
    assert (await system.message(message_id)).status is Status.UNKNOWN
    await system.advance(WAIT)
    await _resolve(system)
    message = await system.message(message_id)
    [row] = await system.ledger()
    assert (message.status, message.provider_id) == (Status.ACCEPTED, row["message_id"])
    assert await system.moves(message_id) == ["queued", "in_flight", "unknown", "accepted"]


@pytest.mark.parametrize("fault", ["error_before_accept", "reset_before_accept", "hang_before_accept"])
async def test_a_text_that_never_went_out_is_not_found_after_three_looks_and_never_resent(
    system: System, fault: str
) -> None:
    message_id = await _send_with(system, fault)
    for wait, status in ((WAIT, Status.UNKNOWN), (INTERVAL, Status.UNKNOWN), (INTERVAL, Status.NOT_FOUND)):
        await system.advance(wait)
        await system.settle()
        assert (await system.message(message_id)).status is status
    assert await system.ledger() == []
    assert len(await system.events("messaging.message.not_found.v1")) == 1


async def test_a_receipt_settles_a_doubt_before_the_resolver_does(system: System) -> None:
    await system.turn(faults={"recipients": {ANA: {"send": ["error_after_accept"]}}})
    message_id = await system.request()
    await system.settle()
    assert (await system.message(message_id)).status is Status.DELIVERED
    assert await system.moves(message_id) == ["queued", "in_flight", "unknown", "accepted", "delivered"]


async def test_a_person_cannot_end_the_search_for_a_text_in_doubt(system: System) -> None:
    message_id = await _send_with(system, "error_after_accept")
    answer = await system.api.post(f"/api/v1/messages/{message_id}/mark-not-sent")
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert (await system.message(message_id)).status is Status.UNKNOWN


async def test_another_text_to_the_same_phone_asks_for_a_review(system: System) -> None:
    message_id = await _send_with(system, "error_before_accept")
    await _staff_text_from_the_providers_app(system)
    for wait in (WAIT, INTERVAL, INTERVAL):
        await system.advance(wait)
        await system.settle()
    assert (await system.message(message_id)).status is Status.REVIEW
    answer = await system.api.post(f"/api/v1/messages/{message_id}/mark-not-sent")
    assert (answer.status_code, answer.json()["status"]) == (200, "not_found")


async def _staff_text_from_the_providers_app(system: System) -> None:
    from .system import NUMBER, PROVIDER_KEY

    answer = await system.control.post(
        "/v1/messages",
        json={"content": "Sam here, from my phone", "from": NUMBER, "to": [ANA]},
        headers={"Authorization": PROVIDER_KEY},
    )
    assert answer.status_code == 202, answer.text


async def test_a_person_may_send_it_again_as_a_linked_text(system: System) -> None:
    original = await _send_with(system, "error_before_accept")
    assert (await system.api.post(f"/api/v1/messages/{original}/resend")).status_code == 409
    for wait in (WAIT, INTERVAL, INTERVAL):
        await system.advance(wait)
        await system.settle()
    await system.at_once()
    answer = await system.api.post(f"/api/v1/messages/{original}/resend")
    assert (answer.status_code, answer.json()["resend_of"]) == (202, str(original))
    assert (await system.api.post(f"/api/v1/messages/{original}/resend")).status_code == 409
    await system.settle()
    assert (await system.message(answer.json()["id"])).status in (Status.ACCEPTED, Status.DELIVERED)
    assert len(await system.ledger()) == 1


async def test_late_evidence_wins_over_not_found_even_after_a_resend(system: System) -> None:
    original = await _send_with(system, "error_before_accept")
    for wait in (WAIT, INTERVAL, INTERVAL):
        await system.advance(wait)
        await system.settle()
    again = (await system.api.post(f"/api/v1/messages/{original}/resend")).json()["id"]
    await system.settle()
    first, second = await system.message(original), await system.message(again)
    assert (first.status, first.provider_id) == (Status.NOT_FOUND, None)
    assert second.provider_id is not None


@pytest.mark.parametrize("more_settings", [{"send_deadline_seconds": 0.3}])
async def test_a_text_whose_sender_died_goes_to_the_resolver_and_never_back_to_the_queue(system: System) -> None:
    message_id = await system.request()
    async with system.begin() as tx:
        [text] = await (await tx.aget(ClaimService)).claim(5, 0.0)
    # Its sender is gone. Nobody touches it until its deadline has passed.
    await _resolve(system)
    assert (await system.message(message_id)).status is Status.IN_FLIGHT

    async def is_unknown() -> bool:
        await _resolve(system)
        return (await system.message(message_id)).status is Status.UNKNOWN

    await until(is_unknown)
    # Should it wake up after all, what it knows of no sending does not bring the text back to the queue ...
    async with system.begin() as tx:
        await (await tx.aget(SettleService)).settle([(text, Unavailable("too_late", 1.0))])
    assert (await system.message(message_id)).status is Status.UNKNOWN
    # ... while what it knows of a sending is evidence.
    async with system.begin() as tx:
        await (await tx.aget(SettleService)).settle([(text, Accepted("AClate"))])
    assert (await system.message(message_id)).status is Status.ACCEPTED


async def test_a_phone_counts_as_texted_once_its_text_may_have_left(system: System) -> None:
    for to, outcome, is_texted in (
        (ANA, Unavailable("too_late", 60.0), False),
        (BEN, Unknown("reset"), True),
        (phone(1), Accepted("AC1"), True),
    ):
        await system.request(to)
        async with system.begin() as tx:
            [text] = await (await tx.aget(ClaimService)).claim(5, 0.0)
        async with system.begin() as tx:
            await (await tx.aget(SettleService)).settle([(text, outcome)])
        assert (await _last_texted_at(system, to) is not None) is is_texted, outcome


async def _last_texted_at(system: System, to: str) -> str | None:
    [facts] = (await system.api.post("/internal/v1/phone-states", json={"phones": [to]})).json()["items"]
    return str(facts["last_texted_at"]) if facts["last_texted_at"] else None


@pytest.mark.parametrize("more_settings", [{"send_deadline_seconds": 0.01}])
async def test_a_phone_whose_senders_are_lost_counts_as_texted(system: System) -> None:
    message_id = await system.request()
    async with system.begin() as tx:
        await (await tx.aget(ClaimService)).claim(5, 0.0)

    async def is_unknown() -> bool:
        await _resolve(system)
        return (await system.message(message_id)).status is Status.UNKNOWN

    await until(is_unknown)
    assert await _last_texted_at(system, ANA) is not None


async def test_a_look_waits_for_the_phone_before_it_holds_the_text(system: System) -> None:
    """Whoever locks the phone first, as a STOP does, may lock its texts: nobody holds them and waits for the phone."""
    message_id = await _send_with(system, "error_after_accept")
    await system.advance(WAIT)
    async with system.begin() as tx:
        await (await tx.aget(PhoneStateService)).lock_known([ANA])
        look = asyncio.create_task(_resolve(system))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(look), 1.0)
        session = await tx.aget(AsyncSession)
        await session.get_one(Message, message_id, with_for_update={"nowait": True})
    await look
    assert (await system.message(message_id)).status is Status.ACCEPTED


async def test_a_thread_that_is_refused_does_not_stop_the_search_in_others(system: System) -> None:
    first, second = await _send_with(system, "error_after_accept"), await system.request(BEN)
    async with system.begin() as tx:
        [text] = await (await tx.aget(ClaimService)).claim(5, 0.0)
    async with system.begin() as tx:
        await (await tx.aget(SettleService)).settle([(text, Unknown("reset"))])
    await system.advance(WAIT)
    resolver = ResolverProcess(system.begin, Refusing(await _client(system), {BEN}))
    assert await resolver.run_once() == 1
    assert (await system.message(first)).status is Status.ACCEPTED
    assert (await system.message(second)).looks == 0


class Refusing:
    """The provider's lists, some of which it refuses."""

    def __init__(self, provider: MessageLister, refused: set[str]) -> None:
        self._provider = provider
        self._refused = refused

    async def list_messages(self, query: MessageQuery) -> Listing:
        if query.other in self._refused or query.number_provider_id in self._refused:
            raise ProviderRejected("Not Phone Number User", provider="openphone", operation="list", status_code=403)
        return await self._provider.list_messages(query)

    async def list_number(self, query: MessageQuery) -> Listing:
        return await self.list_messages(query)

    async def get_message(self, provider_id: str) -> ProviderMessage | None:
        return await self._provider.get_message(provider_id)


async def _client(system: System) -> OpenPhoneClient:
    async with svcs.Container(system.registry) as container:
        return await container.aget(OpenPhoneClient)


async def test_settling_twice_changes_nothing(system: System) -> None:
    message_id = await system.request()
    async with system.begin() as tx:
        [text] = await (await tx.aget(ClaimService)).claim(5, 0.0)
    for _ in range(2):
        async with system.begin() as tx:
            await (await tx.aget(SettleService)).settle([(text, Accepted("AC1"))])
    assert await system.moves(message_id) == ["queued", "in_flight", "accepted"]


async def test_a_receipt_that_comes_before_our_own_answer_is_kept_and_linked(system: System) -> None:
    await system.turn(faults={"slow_seconds": 0.6, "recipients": {ANA: {"send": ["slow_after_accept"]}}})
    message_id = await system.request()
    await system.settle()
    assert await system.moves(message_id) == ["queued", "in_flight", "accepted", "delivered"]


async def test_a_crash_before_processing_leaves_the_webhook_pending(system: System) -> None:
    message_id = await system.request()
    configure("webhook.before_process=raise")
    try:
        async with svcs.Container(system.registry) as container:
            process = await container.aget(WebhookProcess)
            await system.receives(ANA, "STOP")

            async def struck() -> bool:
                return await process.run_once() > 0

            await until(struck)
    finally:
        configure("")
    assert not (await _phone_is_out(system))
    await system.advance(timedelta(seconds=30))

    async def is_out() -> bool:
        await system.run()
        return await _phone_is_out(system)

    await until(is_out)
    # The provider blocked it first, so that the text was refused; it never got through.
    assert (await system.message(message_id)).status in (Status.CANCELLED, Status.REJECTED)
    assert await system.ledger() == []


async def _phone_is_out(system: System) -> bool:
    return (await system.phone_state(ANA)).is_opted_out


async def test_a_crash_after_the_claim_is_nobodys_text_until_the_resolver_comes(system: System) -> None:
    message_id = await system.request()
    configure("send.after_claim=raise")
    try:
        with pytest.raises(FailpointError):
            await system.run()
    finally:
        configure("")
    async with system.begin() as tx:
        message = await (await tx.aget(AsyncSession)).get_one(Message, message_id)
    assert message.status is Status.IN_FLIGHT
    await system.run()
    assert await system.ledger() == []
