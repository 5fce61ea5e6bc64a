"""Money in campaigns' books before these are fuzzed: it comes by events, which no request can make."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import svcs
from campaigns.models import Audience, Recipient
from campaigns.services.attribution import Attributor
from campaigns.services.campaigns import CampaignService, NewCampaign, NewVariant
from campaigns.services.revenue import RevenueService
from campaigns.spec import SPEC
from campaigns.states import AudienceStatus, RecipientStatus
from shared.database import Begin, UnitOfWork
from shared.events.billing import AppliedItem, PaymentReceived
from shared.events.envelope import Money
from shared.ids import uuid7


async def receive_money(settings: dict[str, Any]) -> None:
    """Two payments of somebody who was texted, in two currencies, and one of a stranger."""
    registry = SPEC.registry(SPEC.settings(**settings))
    async with svcs.Container(registry) as container:
        async with (await container.aget(Begin))() as tx:
            somebody = await _texted(tx)
            await (await tx.aget(RevenueService)).record_payments(
                [_payment(tx.get(UnitOfWork), *told) for told in (("USD", somebody), ("CAD", somebody), ("USD", None))]
            )
        for _ in range(2):
            await (await container.aget(Attributor)).run_once()
    await registry.aclose()


async def _texted(tx: svcs.Container) -> Any:
    """The contact of a recipient whose text was sent yesterday."""
    uow = tx.get(UnitOfWork)
    wanted = NewCampaign(name="Earns", variants=[NewVariant("Hello")])
    campaign = await (await tx.aget(CampaignService)).create(wanted, author="contract")
    await uow.session.flush()
    audience = Audience(
        id=uuid7(),
        campaign_id=campaign.id,
        number=1,
        status=AudienceStatus.READY,
        lists=[],
        exclude_lists=[],
        recontact_days=0,
        blocks_on_missing=True,
        created_at=uow.now,
    )
    uow.session.add(audience)
    await uow.session.flush()
    yesterday = uow.now - timedelta(days=1)
    recipient = Recipient(
        id=uuid7(),
        campaign_id=campaign.id,
        audience_id=audience.id,
        contact_id=uuid4(),
        contact_version=1,
        position=1,
        phone="+16175550143",
        values={},
        place_key="",
        variant="A",
        status=RecipientStatus.DELIVERED,
        status_at=yesterday,
        sent_at=yesterday,
    )
    uow.session.add(recipient)
    return recipient.contact_id


def _payment(uow: UnitOfWork, currency: str, contact_id: Any) -> PaymentReceived:
    return PaymentReceived(
        payment_id=uuid4(),
        version=1,
        customer_id=uuid4(),
        contact_id=contact_id,
        amount=Money(amount_cents=50_000, currency=currency),
        applied=[AppliedItem(invoice_id=uuid4(), amount=Money(amount_cents=30_000, currency=currency))],
        received_on=uow.now.date(),
        occurred_at=uow.now,
    )
