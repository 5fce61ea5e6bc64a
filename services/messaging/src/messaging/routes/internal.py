"""/internal/v1: what campaigns ask."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from shared.auth import Principal
from shared.errors import InvalidTransition, NotFound
from shared.http.dependencies import Needs, can
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from sqlalchemy.ext.asyncio import AsyncSession

from messaging import queries
from messaging.models import WebhookDelivery
from messaging.routes.payloads import FailedWebhook, FailedWebhooks, PhoneFactsList, PhoneFactsOut, PhoneQuery
from messaging.services.webhooks import DeliveryService

router = ApiRouter(prefix="/internal/v1", tags=["internal"])
Insider = Annotated[Principal, can("internal")]


@router.get("/phone-states")
async def get_phone_states(
    session: Needs[AsyncSession], caller: Insider, phones: Annotated[list[str], Query(max_length=100)]
) -> PhoneFactsList:
    """Opt-out, line type, last texts and earlier conversation of a few phones."""
    return await _facts(session, phones)


@router.post("/phone-states")
async def query_phone_states(query: PhoneQuery, session: Needs[AsyncSession], caller: Insider) -> PhoneFactsList:
    """The same for up to 10,000 phones in one question: an audience is built in a few of these."""
    return await _facts(session, query.phones)


@router.get("/failed-webhooks")
async def list_failed_webhooks(session: Needs[AsyncSession], caller: Insider) -> FailedWebhooks:
    """The 500 newest deliveries of the provider that were kept but could not be processed."""
    rows = await session.scalars(queries.failed_deliveries().order_by(WebhookDelivery.id.desc()).limit(500))
    return FailedWebhooks(items=[FailedWebhook.model_validate(row) for row in rows])


@router.post("/failed-webhooks/{delivery_id}/replay", responses=problems(NotFound, InvalidTransition))
async def replay_failed_webhook(
    delivery_id: UUID, deliveries: Needs[DeliveryService], caller: Insider
) -> FailedWebhook:
    """Process it again, through the same code; it fails again where its cause is still there."""
    return FailedWebhook.model_validate(await deliveries.replay(delivery_id))


async def _facts(session: AsyncSession, phones: list[str]) -> PhoneFactsList:
    rows = await queries.phone_facts(session, phones)
    return PhoneFactsList(items=[PhoneFactsOut.model_validate(row) for row in rows])
