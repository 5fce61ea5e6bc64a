"""The composition root of messaging: what each of its parts is made of."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from httpx import AsyncClient
from shared.consuming import Consumption
from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from shared.rate import RateLimiter
from shared.registry import Registry, base_registry
from shared.rules.quiet_hours import next_allowed
from shared.sealing import Seal, derived_key
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.clients.openphone.client import OpenPhoneClient, http_client
from messaging.clients.openphone.deliveries import SignedDeliveries
from messaging.clients.openphone.payloads import parse_event
from messaging.clients.openphone.signatures import Keys
from messaging.gate import Gate
from messaging.queries import MessagingBacklog
from messaging.services.breaker import BreakerProcess, BreakerService
from messaging.services.caps import CapService
from messaging.services.consent import ConsentService
from messaging.services.contacts import ContactCopyService
from messaging.services.conversations import ConversationService
from messaging.services.holds import HoldService
from messaging.services.inbound import InboundService
from messaging.services.keeping import KeepingProcess, KeepingService
from messaging.services.moves import MoveService
from messaging.services.numbers import NumberService, NumberSyncProcess
from messaging.services.outbound import ClaimService
from messaging.services.phone_states import PhoneStateService
from messaging.services.queueing import RequestService, WritingService
from messaging.services.receipts import ReceiptService
from messaging.services.reconciler import ReconcilerProcess, WalkService
from messaging.services.resolver import DoubtService, ResolverProcess
from messaging.services.reviewing import ReviewService
from messaging.services.sender import ExpiryProcess, SenderProcess
from messaging.services.settling import SettleService
from messaging.services.subscriptions import AcceptedKeys, SubscriptionProcess
from messaging.services.webhooks import DeliveryService, DeliveryStore, OrphanProcess, WebhookProcess
from messaging.settings import MessagingSettings

_NEVER = timedelta(days=60)


def open_hours(now: datetime, zones: Sequence[str], region: str | None) -> datetime:
    """The law's hours at the recipient's place; a place that is never open waits for a person to notice."""
    return next_allowed(now, zones, region) or now + _NEVER


def create_registry(settings: MessagingSettings, consumes: Sequence[Consumption] = ()) -> Registry:
    registry = base_registry(settings, name="messaging", consumes=tuple(consumes))
    _register_services(registry, settings)
    _register_processes(registry, settings)
    return registry


def _register_services(registry: Registry, settings: MessagingSettings) -> None:
    """What lives in one transaction."""
    gate = Gate(open_hours, settings.replies_pass_quiet_hours, settings.allowed_phones)
    registry.register_value(Gate, gate)
    add = registry.provide
    add(MoveService, lambda c: MoveService(c.get(UnitOfWork)))
    add(PhoneStateService, lambda c: PhoneStateService(c.get(UnitOfWork)))
    add(CapService, lambda c: CapService(c.get(UnitOfWork)))
    add(HoldService, lambda c: HoldService(*c.get(UnitOfWork, MoveService)))
    add(KeepingService, lambda c: KeepingService(c.get(UnitOfWork)))
    add(ConversationService, lambda c: ConversationService(c.get(UnitOfWork)))
    add(ReviewService, lambda c: ReviewService(c.get(UnitOfWork), c.get(MoveService)))
    add(NumberService, lambda c: NumberService(c.get(UnitOfWork), settings))
    add(ConsentService, lambda c: ConsentService(*c.get(UnitOfWork, PhoneStateService, MoveService)))
    add(ContactCopyService, lambda c: ContactCopyService(c.get(UnitOfWork), c.get(ConsentService)))
    add(BreakerService, lambda c: BreakerService(*c.get(UnitOfWork, HoldService, MessagingSettings)))
    add(RequestService, lambda c: RequestService(*c.get(UnitOfWork, MoveService, MessagingSettings)))
    add(WritingService, lambda c: WritingService(*c.get(UnitOfWork, MoveService, PhoneStateService, MessagingSettings)))
    add(ClaimService, lambda c: ClaimService(*c.get(UnitOfWork, MoveService, CapService, Gate, MessagingSettings)))
    add(
        ReceiptService,
        lambda c: ReceiptService(*c.get(UnitOfWork, MoveService, ConsentService, PhoneStateService)),
    )
    add(
        SettleService,
        lambda c: SettleService(
            *c.get(UnitOfWork, MoveService, ConsentService, PhoneStateService, CapService, ReceiptService),
            *c.get(HoldService, MessagingSettings),
        ),
    )
    add(
        InboundService,
        lambda c: InboundService(
            *c.get(UnitOfWork, PhoneStateService, ConsentService, WritingService, MessagingSettings)
        ),
    )
    add(
        DoubtService,
        lambda c: DoubtService(*c.get(UnitOfWork, MoveService, PhoneStateService, ReceiptService, MessagingSettings)),
    )
    add(WalkService, lambda c: WalkService(*c.get(UnitOfWork, InboundService, ReceiptService)))
    add(
        DeliveryService,
        lambda c: DeliveryService(c.get(UnitOfWork), parse_event, *c.get(InboundService, ReceiptService)),
    )


def _register_processes(registry: Registry, settings: MessagingSettings) -> None:
    """What opens transactions and calls the provider between them."""
    http = http_client(
        settings.openphone_url,
        settings.openphone_api_key.get_secret_value(),
        timeout=settings.provider_timeout_seconds,
        connections=settings.send_connections,
    )
    seal = Seal(derived_key(settings.service_secret, "webhook keys"))
    registry.register_value(Seal, seal)
    add = registry.provide
    add(RateLimiter, lambda c: RateLimiter(c.get(Begin), _account(settings), settings.rate_per_second))
    registry.register_value(_Http, _Http(http), on_registry_close=http.aclose)
    add(OpenPhoneClient, lambda c: _client(c.get(_Http).client, c.get(RateLimiter)))
    add(SenderProcess, lambda c: SenderProcess(*c.get(Begin, OpenPhoneClient, RateLimiter, MessagingSettings)))
    add(ExpiryProcess, lambda c: ExpiryProcess(c.get(Begin)))
    add(ResolverProcess, lambda c: ResolverProcess(*c.get(Begin, OpenPhoneClient)))
    add(NumberSyncProcess, lambda c: NumberSyncProcess(*c.get(Begin, OpenPhoneClient)))
    add(ReconcilerProcess, lambda c: ReconcilerProcess(*c.get(Begin, OpenPhoneClient, MessagingSettings)))
    add(
        SubscriptionProcess,
        lambda c: SubscriptionProcess(*c.get(Begin, AsyncEngine, OpenPhoneClient, Seal, MessagingSettings)),
    )
    add(WebhookProcess, lambda c: WebhookProcess(c.get(Begin), settings))
    add(OrphanProcess, lambda c: OrphanProcess(c.get(Begin)))
    add(KeepingProcess, lambda c: KeepingProcess(c.get(Begin)))
    add(BreakerProcess, lambda c: BreakerProcess(c.get(Begin)))
    add(Backlog, lambda c: MessagingBacklog(c.get(Begin)))
    add(DeliveryStore, lambda c: DeliveryStore(c.get(AsyncEngine)))
    add(
        SignedDeliveries, lambda c: SignedDeliveries(_accepted_keys(c.get(Begin), seal, settings), c.get(DeliveryStore))
    )


def _accepted_keys(begin: Begin, seal: Seal, settings: MessagingSettings) -> AcceptedKeys[Keys]:
    return AcceptedKeys(begin, seal, settings, Keys)


def _account(settings: MessagingSettings) -> str:
    """Whom the provider counts, without saying the key."""
    return hashlib.sha256(settings.openphone_api_key.get_secret_value().encode()).hexdigest()[:16]


def _client(http: AsyncClient, rate: RateLimiter) -> OpenPhoneClient:
    return OpenPhoneClient(http, rate.for_read, rate.back_off)


class _Http:
    """The provider's connection pool; a type of its own, as others may need other pools."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
