"""What every service's registry holds; its own registry.py adds what is its own."""

from collections.abc import Callable
from typing import TypeVar

import svcs
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.auth import JwksVerifier, ServiceTokens, TokenVerifier
from shared.consuming import Consumption, Consumptions, DeadLetterService
from shared.database import Begin, UnitOfWork, create_engine
from shared.housekeeping import Housekeeping
from shared.jobs import Backlog
from shared.settings import ServiceSettings

T = TypeVar("T")


class Registry(svcs.Registry):
    """A registry whose factories are plain lambdas of the container."""

    def provide(self, service: type[T], make: Callable[[svcs.Container], T]) -> None:
        """Register `make`, called with the container that needs a `service`: `provide(A, lambda c: A(c.get(B)))`."""

        # svcs hands the container over only to an argument of this name.
        def factory(svcs_container: svcs.Container) -> T:
            return make(svcs_container)

        self.register_factory(service, factory)


def base_registry(
    settings: ServiceSettings, *, name: str, consumes: tuple[Consumption, ...] | list[Consumption] = ()
) -> Registry:
    """A registry with settings, engine, transactions, token verification and consuming of one service.

    `name` is the service's name: its audience, its NATS durable, the source of its events.
    """
    registry = Registry()
    engine = create_engine(settings.database_url.get_secret_value(), name=name, pool_size=settings.pool_size)
    registry.register_value(ServiceSettings, settings)
    registry.register_value(type(settings), settings)
    registry.register_value(AsyncEngine, engine, on_registry_close=engine.dispose)
    registry.register_value(Begin, Begin(registry, engine, name))
    registry.register_value(TokenVerifier, JwksVerifier(f"{settings.gateway_url}/.well-known/jwks.json"))
    registry.register_value(ServiceTokens, ServiceTokens(settings.gateway_url, name, settings.service_secret))
    registry.register_value(Consumptions, Consumptions(consumes))
    registry.register_value(Backlog, Backlog())
    registry.provide(Housekeeping, lambda c: Housekeeping(c.get(Begin)))
    registry.provide(DeadLetterService, lambda c: DeadLetterService(c.get(UnitOfWork)))
    return registry
