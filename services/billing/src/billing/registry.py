"""The composition root of billing: what each of its parts is made of."""

import functools

import httpx
from shared.consuming import Consumption
from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from shared.rate import RateLimiter
from shared.registry import Registry, base_registry
from shared.sealing import Seal, derived_key

from billing.clients.quickbooks.client import QuickBooksClient, Wire
from billing.clients.quickbooks.oauth import OAuthClient
from billing.clients.quickbooks.receiver import SignedNotices
from billing.provider import Books
from billing.public_links import PublicLinks
from billing.services.announcing import Announcer
from billing.services.backlog import BillingBacklog
from billing.services.building import DocumentBuilder
from billing.services.calendars import CalendarService
from billing.services.claiming import PushService
from billing.services.connections import ConnectionService, Connector
from billing.services.customer_mirror import CustomerMirror
from billing.services.customers import CustomerService
from billing.services.differences import DifferenceProcess, DifferenceService
from billing.services.documents import DocumentService
from billing.services.estimates import EstimateService, ExpiryProcess
from billing.services.form_mirror import FormMirror
from billing.services.forms import FormService
from billing.services.intents import IntentService
from billing.services.invoices import InvoiceService, OverdueProcess
from billing.services.jobs import JobService
from billing.services.leases import Leases
from billing.services.marks import MarkService
from billing.services.matching import MatchProcess, MatchService
from billing.services.mirror import MirrorService
from billing.services.notices import NoticeProcess, NoticeService
from billing.services.paying import PayLinks
from billing.services.payments import PaymentMirror
from billing.services.people import PeopleService
from billing.services.pulling import ChangeProcess, CompanyProcess, PullProcess
from billing.services.pushing import PushProcess
from billing.services.reading import Reader
from billing.services.telling import TellingProcess, TellingService
from billing.services.tokens import TokenKeeper
from billing.settings import Settings


class OpenedBooks:
    """The books of any company (provider.OpenBooks)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __call__(self, realm_id: str) -> Books:
        return QuickBooksClient(self._wire, realm_id)


def build_registry(settings: Settings, consumes: tuple[Consumption, ...] = ()) -> Registry:
    registry = base_registry(settings, name="billing", consumes=consumes)
    registry.register_value(Seal, Seal(derived_key(settings.billing_key, "quickbooks tokens")))
    registry.register_value(PublicLinks, PublicLinks(derived_key(settings.billing_key, "public links")))
    _register_services(registry)
    _register_clients(registry, settings)
    _register_processes(registry)
    return registry


def _register_services(registry: Registry) -> None:
    """What lives in one transaction."""
    add = registry.provide
    add(MarkService, lambda c: MarkService(*c.get(UnitOfWork, Settings)))
    add(Announcer, lambda c: Announcer(c.get(UnitOfWork)))
    add(ConnectionService, lambda c: ConnectionService(*c.get(UnitOfWork, MarkService, Seal)))
    add(PaymentMirror, lambda c: PaymentMirror(*c.get(UnitOfWork, Announcer)))
    add(CustomerMirror, lambda c: CustomerMirror(*c.get(UnitOfWork, PeopleService)))
    add(FormMirror, lambda c: FormMirror(*c.get(UnitOfWork, Announcer, PaymentMirror)))
    add(
        MirrorService,
        lambda c: MirrorService(*c.get(UnitOfWork, Announcer, CustomerMirror, FormMirror, PaymentMirror)),
    )
    add(TellingService, lambda c: TellingService(*c.get(UnitOfWork, Announcer, PaymentMirror)))
    add(NoticeService, lambda c: NoticeService(c.get(UnitOfWork)))
    add(DocumentBuilder, lambda c: DocumentBuilder(c.get(UnitOfWork)))
    add(IntentService, lambda c: IntentService(*c.get(UnitOfWork, MarkService, DocumentBuilder, Settings)))
    add(PushService, lambda c: PushService(*c.get(UnitOfWork, IntentService, Settings)))
    add(PeopleService, lambda c: PeopleService(*c.get(UnitOfWork, Announcer)))
    add(JobService, lambda c: JobService(*c.get(UnitOfWork, PeopleService)))
    add(CalendarService, lambda c: CalendarService(*c.get(UnitOfWork, PeopleService)))
    add(MatchService, lambda c: MatchService(*c.get(UnitOfWork, PeopleService, Announcer)))
    add(
        CustomerService,
        lambda c: CustomerService(*c.get(UnitOfWork, PeopleService, ConnectionService, IntentService, Announcer)),
    )
    add(FormService, lambda c: FormService(c.get(UnitOfWork)))
    add(
        EstimateService,
        lambda c: EstimateService(
            *c.get(UnitOfWork, ConnectionService, CustomerService, FormService, IntentService, Announcer, Settings)
        ),
    )
    add(
        InvoiceService,
        lambda c: InvoiceService(
            *c.get(UnitOfWork, ConnectionService, EstimateService, FormService, IntentService, Announcer)
        ),
    )
    add(DifferenceService, lambda c: DifferenceService(c.get(UnitOfWork)))


def _register_clients(registry: Registry, settings: Settings) -> None:
    timeout = httpx.Timeout(settings.quickbooks_timeout_seconds, connect=5)
    api = httpx.AsyncClient(base_url=settings.api_url, timeout=timeout)
    oauth = httpx.AsyncClient()
    registry.register_value(OAuthClient, OAuthClient(oauth, settings), on_registry_close=oauth.aclose)
    registry.provide(TokenKeeper, lambda c: TokenKeeper(*c.get(Begin, OAuthClient, Seal, Settings)))
    registry.register_value(_Http, _Http(api), on_registry_close=api.aclose)
    registry.provide(OpenedBooks, lambda c: OpenedBooks(_wire(c.get(_Http), *c.get(TokenKeeper, Begin), settings)))
    registry.provide(
        SignedNotices, lambda c: SignedNotices(c.get(Begin), settings.quickbooks_verifier_token.get_secret_value())
    )


def _register_processes(registry: Registry) -> None:
    """What opens transactions and calls QuickBooks between them."""
    add = registry.provide
    add(Connector, lambda c: Connector(*c.get(Begin, OAuthClient)))
    add(Reader, lambda c: Reader(*c.get(Begin, OpenedBooks)))
    add(Leases, lambda c: Leases(*c.get(Begin, Settings)))
    add(CompanyProcess, lambda c: CompanyProcess(*c.get(Begin, Reader, Leases)))
    add(PullProcess, lambda c: PullProcess(*c.get(Begin, Reader, Leases)))
    add(ChangeProcess, lambda c: ChangeProcess(*c.get(Begin, Reader, Leases, Settings)))
    add(NoticeProcess, lambda c: NoticeProcess(*c.get(Begin, Reader, Leases)))
    add(PushProcess, lambda c: PushProcess(*c.get(Begin, OpenedBooks, Reader)))
    add(TellingProcess, lambda c: TellingProcess(c.get(Begin)))
    add(MatchProcess, lambda c: MatchProcess(c.get(Begin)))
    add(DifferenceProcess, lambda c: DifferenceProcess(*c.get(Begin, Reader, Leases)))
    add(ExpiryProcess, lambda c: ExpiryProcess(c.get(Begin)))
    add(OverdueProcess, lambda c: OverdueProcess(c.get(Begin)))
    add(DocumentService, lambda c: DocumentService(*c.get(Begin, OpenedBooks)))
    add(PayLinks, lambda c: PayLinks(*c.get(Begin, OpenedBooks)))
    add(Backlog, lambda c: BillingBacklog(c.get(Begin)))


class _Http:
    """The connections to QuickBooks's API; a type of its own, as others may need other ones."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client


def _wire(http: _Http, tokens: TokenKeeper, begin: Begin, settings: Settings) -> Wire:
    @functools.cache
    def limiter(realm_id: str) -> RateLimiter:
        return RateLimiter(begin, realm_id, settings.quickbooks_rate)

    async def turn(realm_id: str) -> None:
        await limiter(realm_id).turn()

    async def back_off(realm_id: str, seconds: float) -> None:
        await limiter(realm_id).back_off(seconds)

    async def take_if_free(realm_id: str) -> bool:
        return await limiter(realm_id).take_if_free()

    return Wire(
        http.client,
        tokens.token,
        turn,
        take_if_free,
        back_off,
        throttle_seconds=settings.quickbooks_throttle_seconds,
        timeout_seconds=settings.quickbooks_timeout_seconds,
    )
