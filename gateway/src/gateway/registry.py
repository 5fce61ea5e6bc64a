"""The composition root."""

import svcs
from shared.auth import ServiceTokens, TokenVerifier
from shared.database import Begin, UnitOfWork
from shared.registry import Registry, base_registry
from shared.sealing import Seal

from gateway.api_documents import declared_permissions, load_documents
from gateway.clients.services import HttpServices
from gateway.passwords import Passwords
from gateway.rate_limits import per_minute
from gateway.services.accounts import Accounts, SignInLimits
from gateway.services.api_keys import ApiKeyService
from gateway.services.audit import AuditLog
from gateway.services.authorizer import Authorizer, DeclaredPermissions
from gateway.services.cleanup import Cleanup
from gateway.services.invites import InviteService
from gateway.services.live import Hub
from gateway.services.own_tokens import OwnTokens
from gateway.services.second_factor import SecondFactorService
from gateway.services.sessions import SessionService
from gateway.services.signing_keys import KeyRotation, SigningKeys
from gateway.services.system import Addresses, Services, SystemService
from gateway.services.users import UserService
from gateway.settings import GatewaySettings

NAME = "gateway"


def build_registry(settings: GatewaySettings) -> Registry:
    registry = base_registry(settings, name=NAME)
    _register_transactional(registry)
    _register_processes(registry, settings)
    return registry


def _register_transactional(registry: Registry) -> None:
    """What lives in one transaction."""
    registry.provide(AuditLog, lambda c: AuditLog(c.get(UnitOfWork)))
    registry.provide(SessionService, lambda c: SessionService(c.get(UnitOfWork), c.get(GatewaySettings)))
    registry.provide(UserService, lambda c: UserService(c.get(UnitOfWork), c.get(SessionService), c.get(AuditLog)))
    registry.provide(
        InviteService,
        lambda c: InviteService(c.get(UnitOfWork), c.get(UserService), c.get(AuditLog), c.get(GatewaySettings)),
    )
    registry.provide(ApiKeyService, lambda c: ApiKeyService(c.get(UnitOfWork), c.get(UserService), c.get(AuditLog)))
    registry.provide(
        SecondFactorService, lambda c: SecondFactorService(c.get(UserService), c.get(AuditLog), c.get(Seal))
    )


def _register_processes(registry: Registry, settings: GatewaySettings) -> None:
    """What lives as long as the process."""
    registry.register_factory(Seal, lambda: Seal(settings.sealing_key_bytes))
    registry.provide(SigningKeys, lambda c: SigningKeys(c.get(Begin), c.get(Seal)))
    registry.provide(TokenVerifier, lambda c: c.get(SigningKeys))  # type: ignore[type-abstract]
    registry.provide(ServiceTokens, lambda c: OwnTokens(c.get(SigningKeys)))
    registry.register_factory(
        DeclaredPermissions, lambda: DeclaredPermissions(declared_permissions(load_documents(settings.api_documents)))
    )
    registry.provide(
        Authorizer,
        lambda c: Authorizer(c.get(Begin), c.get(SigningKeys), c.get(DeclaredPermissions), c.get(GatewaySettings)),
    )
    registry.register_factory(Passwords, Passwords)
    registry.register_factory(
        SignInLimits,
        lambda: SignInLimits(
            per_account=per_minute(settings.sign_ins_per_minute),
            per_address=per_minute(settings.address_sign_ins_per_minute),
        ),
    )
    registry.provide(Accounts, lambda c: Accounts(c.get(Begin), c.get(Passwords), c.get(SignInLimits)))
    registry.register_value(Hub, Hub())
    registry.provide(Services, _services)  # type: ignore[type-abstract]
    registry.provide(SystemService, lambda c: SystemService(c.get_abstract(Services), c.get(GatewaySettings)))
    registry.provide(KeyRotation, lambda c: KeyRotation(c.get(Begin), c.get(Seal)))
    registry.provide(Cleanup, lambda c: Cleanup(c.get(Begin)))


def _services(container: svcs.Container) -> HttpServices:
    settings = container.get(GatewaySettings)
    addresses = Addresses(settings.service_urls(), settings.worker_urls(), settings.sandbox_url())
    return HttpServices(addresses, container.get(ServiceTokens))
