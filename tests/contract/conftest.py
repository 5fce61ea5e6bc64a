"""Every boundary once a run: fuzzing leaves it full of odd things, which is what its documents must hold for."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
import svcs
from gateway.passwords import Passwords
from messaging.services.numbers import NumberSyncProcess
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from shared.auth import JwksVerifier, TokenVerifier
from shared.testing.plugin import Databases
from shared.testing.tokens import TokenIssuer

from contract import seeds
from contract.boundaries import (
    CONTROL_KEY,
    DATED_KEY,
    LEGACY_KEY,
    NOBODY,
    PROVIDER_KEY,
    SPECS,
    VERIFIER_TOKEN,
    Boundary,
    application,
    served,
)
from contract.desk import PERSON, Desk
from contract.money import receive_money

Serve = Callable[..., AbstractContextManager[Boundary]]
KeepBooks = Callable[[Boundary, str], AbstractContextManager[tuple[Boundary, Desk]]]


def bearer(issuer: TokenIssuer, audience: str, subject: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(audience, ['*', 'internal'], subject=subject)}"}


def product_verifier(issuer: TokenIssuer) -> JwksVerifier:
    """The product's own, with the keys of the test run; its clock always says that it is time to look at the keys."""
    publish = httpx.MockTransport(lambda _: httpx.Response(200, json=issuer.key_set))
    return JwksVerifier("http://gateway/.well-known/jwks.json", transport=publish, seconds=count(0, 10).__next__)


@pytest.fixture(scope="session")
def serve(databases: Databases, nats_server: str, token_issuer: TokenIssuer) -> Serve:
    """`with serve("contacts", some_setting=...) as boundary`."""

    @contextmanager
    def run(
        name: str,
        *,
        prepare: Callable[[svcs.Registry], None] = lambda _: None,
        seed: Callable[[dict[str, Any]], None] = lambda _: None,
        **changes: Any,
    ) -> Iterator[Boundary]:
        spec = SPECS[name]
        databases.template(spec)
        database = asyncio.run(databases.create(spec))
        settings = {"database_url": database.url, "nats_url": nats_server, "mode": "sandbox", **changes}

        def complete(registry: svcs.Registry) -> None:
            registry.register_value(TokenVerifier, product_verifier(token_issuer))
            prepare(registry)

        seed(settings)
        with served(application(spec, settings, complete)) as url:
            boundary = Boundary(name, url, lambda: bearer(token_issuer, name, str(uuid4())))
            yield boundary
            boundary.anonymous.close()
        asyncio.run(databases.drop(database))

    return run


@pytest.fixture(scope="session")
def contacts(serve: Serve) -> Iterator[Boundary]:
    with serve("contacts") as boundary:
        boundary.seeds = seeds.contacts(boundary)
        yield boundary


@pytest.fixture(scope="session")
def campaigns(serve: Serve) -> Iterator[Boundary]:
    with serve(
        "campaigns",
        seed=lambda settings: asyncio.run(receive_money(settings)),
        contacts_url=NOBODY,
        messaging_url=NOBODY,
    ) as boundary:
        boundary.seeds = seeds.campaigns(boundary)
        yield boundary


def _cheap_passwords(registry: svcs.Registry) -> None:
    """The product's hashing at its lowest cost: fuzzing signs in often."""
    registry.register_value(
        Passwords, Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
    )


@pytest.fixture(scope="session")
def gateway(serve: Serve, token_issuer: TokenIssuer) -> Iterator[Boundary]:
    urls = {f"{service}_url": NOBODY for service in ("contacts", "campaigns", "messaging", "billing")}
    workers = {
        f"{service}_worker_url": NOBODY for service in ("contacts", "campaigns", "messaging", "billing", "gateway")
    }
    with serve(
        "gateway",
        prepare=_cheap_passwords,
        sealing_key=secrets.token_hex(32),
        service_secrets={"contacts": "the secret of contacts"},
        **urls,
        **workers,
    ) as boundary:
        boundary.seeds = seeds.gateway(boundary)
        # From here on somebody with an account is signed in: what is asked about oneself needs one.
        boundary.credentials = lambda: bearer(token_issuer, "gateway", boundary.seeds["me"])
        yield boundary


def _sandbox(serve: Serve) -> AbstractContextManager[Boundary]:
    return serve(
        "sandbox",
        sandbox_key=CONTROL_KEY,
        openphone_api_key=PROVIDER_KEY,
        quickbooks_client_secret=PROVIDER_KEY,
        quickbooks_verifier_token=VERIFIER_TOKEN,
        openphone_rate_limit=None,
        sandbox_delivery_timeout_seconds=1.0,
    )


@pytest.fixture(scope="session")
def provider(serve: Serve) -> Iterator[Boundary]:
    """The provider's surface of a sandbox that nobody turns."""
    with _sandbox(serve) as boundary:
        boundary.name, boundary.credentials = "openphone", lambda: {"Authorization": PROVIDER_KEY}
        boundary.seeds = seeds.provider(boundary)
        yield boundary


@contextmanager
def _quickbooks(serve: Serve) -> Iterator[Boundary]:
    with _sandbox(serve) as boundary:
        # Clients that do not keep to the limits of themselves are to be seen to the end.
        limits = dict.fromkeys(("per_second", "per_minute", "batch_per_minute"))
        unlimited = {"quickbooks": {"limits": limits}}
        controls = f"{boundary.url}/sandbox/v1/controls"
        httpx.patch(controls, json=unlimited, headers={"X-Sandbox-Key": CONTROL_KEY}).raise_for_status()
        yield boundary


@pytest.fixture(scope="session")
def quickbooks(serve: Serve) -> Iterator[Boundary]:
    """The accounting provider of a sandbox of its own."""
    with _quickbooks(serve) as boundary:
        yield boundary


@pytest.fixture(scope="session")
def turned_quickbooks(serve: Serve) -> Iterator[Boundary]:
    """Another one, whose controls tests turn."""
    with _quickbooks(serve) as boundary:
        yield boundary


@pytest.fixture(scope="session")
def sandbox(serve: Serve) -> Iterator[Boundary]:
    """The controls of another sandbox: what they do must not disturb the provider's surface under test."""
    with _sandbox(serve) as boundary:
        token = boundary.credentials
        boundary.credentials = lambda: {**token(), "X-Sandbox-Key": CONTROL_KEY}
        boundary.seeds = seeds.sandbox(boundary)
        yield boundary


async def _learn_numbers(settings: dict[str, Any]) -> None:
    """What the worker does at its start: the account's numbers, read from the provider."""
    spec = SPECS["messaging"]
    registry = spec.registry(spec.settings(**settings))
    async with svcs.Container(registry) as container:
        await (await container.aget(NumberSyncProcess)).run_once()
    await registry.aclose()


@pytest.fixture(scope="session")
def messaging(serve: Serve, provider: Boundary) -> Iterator[Boundary]:
    with serve(
        "messaging",
        seed=lambda settings: asyncio.run(_learn_numbers(settings)),
        openphone_url=provider.url,
        openphone_api_key=PROVIDER_KEY,
        openphone_webhook_keys=f"{LEGACY_KEY},{DATED_KEY}",
        rate_per_second=0,
    ) as boundary:
        boundary.seeds = seeds.messaging(boundary)
        yield boundary


@pytest.fixture(scope="session")
def billing_settings() -> dict[str, Any]:
    """Of a billing whose QuickBooks is a sandbox nearby."""
    return {
        "billing_key": secrets.token_hex(32),
        "quickbooks_client_secret": PROVIDER_KEY,
        "quickbooks_verifier_token": VERIFIER_TOKEN,
        "quickbooks_rate": 0,
        "quickbooks_throttle_seconds": 0.1,
        "quickbooks_timeout_seconds": 5.0,
        "push_retry_seconds": 0.01,
    }


@pytest.fixture(scope="session")
def keep_books(serve: Serve, billing_settings: dict[str, Any], token_issuer: TokenIssuer) -> KeepBooks:
    """`with keep_books(sandbox, realm_id) as (boundary, desk)`: a billing that is not connected yet."""

    @contextmanager
    def run(quickbooks: Boundary, realm_id: str) -> Iterator[tuple[Boundary, Desk]]:
        desk = Desk(quickbooks, realm_id)
        with (
            serve("billing", seed=desk.settings.update, openphone_url=quickbooks.url, **billing_settings) as boundary,
            desk.opened(),
        ):
            boundary.credentials = lambda: bearer(token_issuer, "billing", PERSON)
            yield boundary, desk

    return run


@pytest.fixture(scope="session")
def billing(keep_books: KeepBooks, quickbooks: Boundary) -> Iterator[Boundary]:
    with keep_books(quickbooks, "9130350000000002") as (boundary, desk):
        boundary.seeds = seeds.billing(boundary, desk)
        yield boundary


@pytest.fixture(scope="session")
def disconnected(keep_books: KeepBooks, quickbooks: Boundary) -> Iterator[Boundary]:
    """A billing that lost its QuickBooks after it had read and written the books."""
    with keep_books(quickbooks, "9130350000000003") as (boundary, desk):
        boundary.seeds = seeds.billing(boundary, desk)
        with boundary.client() as api:
            api.post("/api/v1/quickbooks/disconnect").raise_for_status()
        yield boundary


@pytest.fixture(scope="session")
def boundaries(
    contacts: Boundary,
    campaigns: Boundary,
    messaging: Boundary,
    billing: Boundary,
    gateway: Boundary,
    sandbox: Boundary,
) -> dict[str, Boundary]:
    """The boundaries that have a committed document of their own."""
    return {boundary.name: boundary for boundary in (contacts, campaigns, messaging, billing, gateway, sandbox)}
