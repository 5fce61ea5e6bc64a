"""The product's verifier: which keys it holds, when it asks the gateway for them, and what it does without it."""

import base64
from collections.abc import Callable

import httpx
import pytest
from joserfc.jwk import KeySet
from shared.auth import JwksVerifier, ServiceAuth, ServiceTokens
from shared.errors import ServiceUnavailable, Unauthorized
from shared.telemetry import span
from shared.testing.tokens import TokenIssuer


class Gateway:
    """Publishes the keys of its issuers, or is away; counts how often it was asked."""

    def __init__(self, *issuers: TokenIssuer) -> None:
        self.issuers = list(issuers)
        self.is_away = False
        self.asked = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.is_away:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(200, json=KeySet([issuer.key for issuer in self.issuers]).as_dict(private=False))


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
def gateway(issuer: TokenIssuer) -> Gateway:
    return Gateway(issuer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(gateway: Gateway, clock: Callable[[], float]) -> JwksVerifier:
    return JwksVerifier("http://gateway/jwks", transport=httpx.MockTransport(gateway.answer), seconds=clock)


async def test_the_keys_are_asked_for_once_and_again_when_they_are_old(
    verifier: JwksVerifier, gateway: Gateway, issuer: TokenIssuer, clock: Clock
) -> None:
    for _ in range(3):
        await verifier.verify(issuer.token("contacts", []), "contacts")
    assert gateway.asked == 1
    clock.seconds += 301
    await verifier.verify(issuer.token("contacts", []), "contacts")
    assert gateway.asked == 2


async def test_a_key_nobody_knew_is_asked_for_but_not_at_each_request(
    verifier: JwksVerifier, gateway: Gateway, issuer: TokenIssuer, clock: Clock
) -> None:
    await verifier.verify(issuer.token("contacts", []), "contacts")
    rotated = TokenIssuer(kid="rotated")
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await verifier.verify(rotated.token("contacts", []), "contacts")
    assert gateway.asked == 1
    gateway.issuers.append(rotated)
    clock.seconds += 6
    await verifier.verify(rotated.token("contacts", []), "contacts")
    await verifier.verify(issuer.token("contacts", []), "contacts")
    assert gateway.asked == 2


async def test_known_keys_serve_on_while_the_gateway_is_away(
    verifier: JwksVerifier, gateway: Gateway, issuer: TokenIssuer, clock: Clock
) -> None:
    await verifier.verify(issuer.token("contacts", []), "contacts")
    gateway.is_away = True
    clock.seconds += 3600
    assert (await verifier.verify(issuer.token("contacts", ["a:b"]), "contacts")).may("a:b")
    await verifier.ready()


async def test_without_any_key_nobody_is_called_a_stranger(
    verifier: JwksVerifier, gateway: Gateway, issuer: TokenIssuer
) -> None:
    gateway.is_away = True
    for ask in (verifier.verify(issuer.token("contacts", []), "contacts"), verifier.ready()):
        with pytest.raises(ServiceUnavailable):
            await ask
    gateway.is_away = False
    await verifier.verify(issuer.token("contacts", []), "contacts")


@pytest.mark.parametrize("header", ["[]", "null", "1", '"x"', "true", "{}", '{"kid":[]}', "{", "\xff", ""])
async def test_a_header_that_is_no_header_is_refused(
    verifier: JwksVerifier, issuer: TokenIssuer, clock: Clock, header: str
) -> None:
    await verifier.verify(issuer.token("contacts", []), "contacts")
    clock.seconds += 6
    head = base64.urlsafe_b64encode(header.encode("latin-1")).decode().rstrip("=")
    with pytest.raises(Unauthorized):
        await verifier.verify(f"{head}.x.y", "contacts")


async def test_a_call_to_another_service_carries_the_trace_it_belongs_to() -> None:
    class Tokens(ServiceTokens):
        async def token_for(self, audience: str) -> str:
            return f"for-{audience}"

    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    auth = ServiceAuth(Tokens("", "campaigns", ""), "contacts")  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        with span("work", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
            await client.get("http://contacts/", auth=auth)
    assert sent[0].headers["authorization"] == "Bearer for-contacts"
    assert sent[0].headers["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
