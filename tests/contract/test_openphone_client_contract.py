"""Our client and the sandbox, both held against the provider's description: neither may agree with the other alone."""

import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from messaging.clients.openphone.client import OpenPhoneClient, http_client
from messaging.provider import Accepted, MessageQuery, OutboundText, Rejected
from messaging.states import Direction
from shared.clock import wall_now
from shared.errors import ProviderRejected

from contract.boundaries import NOBODY, PROVIDER_KEY, ROOT, Boundary
from contract.provider_description import ProviderDescription

ANA = "+16175550143"
CALLED = {
    "sendMessage_v1",
    "listMessages_dated",
    "listMessages_v1",
    "getMessageById_v1",
    "listConversations_v1",
    "listPhoneNumbers_v1",
    "listWebhooks_dated",
    "listWebhooks_v1",
    "createWebhook_dated",
    "createMessageWebhook_v1",
    "deleteWebhook_dated",
    "deleteWebhookById_v1",
}


class WithoutDatedSurface(httpx.AsyncBaseTransport):
    """An account that the provider has not moved: dated addresses are not there."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "Quo-Api-Version" in request.headers:
            body = json.dumps({"error": {"type": "not_found", "message": "Not found"}})
            return httpx.Response(404, content=body, headers={"Content-Type": "application/json"})
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _free(*_: float) -> None:
    """No rate to keep to."""


@pytest.fixture
def judge() -> ProviderDescription:
    return ProviderDescription()


@pytest_asyncio.fixture
async def http(provider: Boundary, judge: ProviderDescription) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(provider.url, PROVIDER_KEY, timeout=30, connections=2) as http:
        http.event_hooks = {"request": [judge.check_request], "response": [judge.check_response]}
        yield http


@pytest.fixture
def client(http: httpx.AsyncClient) -> OpenPhoneClient:
    return OpenPhoneClient(http, _free, _free)


@pytest_asyncio.fixture
async def legacy_client(provider: Boundary, judge: ProviderDescription) -> AsyncIterator[OpenPhoneClient]:
    transport = WithoutDatedSurface(httpx.AsyncHTTPTransport())
    async with http_client(provider.url, PROVIDER_KEY, timeout=30, connections=2, transport=transport) as http:

        async def judge_the_providers(response: httpx.Response) -> None:
            if "Quo-Api-Version" not in response.request.headers:
                await judge.check_response(response)

        http.event_hooks = {"request": [judge.check_request], "response": [judge_the_providers]}
        yield OpenPhoneClient(http, _free, _free)


def text(provider: Boundary, **changes: str) -> OutboundText:
    return OutboundText(
        message_id=uuid4(),
        fence=uuid4(),
        from_provider_id=changes.get("sender", provider.seeds["phoneNumberId"]),
        to=changes.get("to", ANA),
        body=changes.get("body", "Hello Ana — is the crack still wet? 💧"),
        deadline=time.monotonic() + 30,
        not_after=wall_now() + timedelta(seconds=30),
    )


async def test_every_operation_that_we_call_keeps_to_the_description(
    provider: Boundary, client: OpenPhoneClient, legacy_client: OpenPhoneClient, judge: ProviderDescription
) -> None:
    numbers = await client.list_numbers()
    own = next(number for number in numbers if number.provider_id == provider.seeds["phoneNumberId"])
    sent = await client.send(text(provider))
    assert isinstance(sent, Accepted)

    found = await client.get_message(sent.provider_id)
    assert found is not None
    assert (found.direction, found.other, found.number_provider_id) == (Direction.OUTBOUND, ANA, own.provider_id)

    since, until = wall_now() - timedelta(days=1), wall_now() + timedelta(days=1)
    query = MessageQuery(own.provider_id, own.e164, other=ANA, since=since, until=until)
    for asked in (client, legacy_client):
        for listed in (await asked.list_messages(query), await asked.list_number(query)):
            assert sent.provider_id in {message.provider_id for message in listed.messages}

    await _subscribes(client, "dated")
    await _subscribes(legacy_client, "legacy")
    await client.list_subscriptions()

    assert judge.seen.keys() == CALLED


async def _subscribes(client: OpenPhoneClient, scheme: str) -> None:
    made = await client.subscribe(f"{NOBODY}/webhooks/openphone")
    assert made.scheme == scheme
    assert made.key
    assert (made.provider_id, made.url) in await client.list_subscriptions()
    await client.unsubscribe(made.provider_id)
    assert made.provider_id not in {provider_id for provider_id, _ in await client.list_subscriptions()}
    await client.unsubscribe(made.provider_id)


async def test_pages_follow_one_another(
    provider: Boundary, client: OpenPhoneClient, legacy_client: OpenPhoneClient
) -> None:
    sent = [await client.send(text(provider, to="+16175550177", body=f"Text {n}")) for n in range(3)]
    ids = {outcome.provider_id for outcome in sent if isinstance(outcome, Accepted)}
    query = MessageQuery(provider.seeds["phoneNumberId"], "", other="+16175550177")
    for asked in (client, legacy_client):
        assert {message.provider_id for message in (await asked.list_messages(query)).messages} == ids


async def test_refusals_are_the_providers_and_are_understood(
    provider: Boundary, client: OpenPhoneClient, http: httpx.AsyncClient, judge: ProviderDescription
) -> None:
    assert isinstance(await client.send(text(provider, sender="PN00000000")), Rejected)
    assert await client.get_message("AC" + "0" * 32) is None
    http.headers["Authorization"] = "not a key"
    with pytest.raises(ProviderRejected):
        await client.list_numbers()
    assert judge.seen["listPhoneNumbers_v1"] == {401}
    assert judge.seen["getMessageById_v1"] == {404}


async def test_the_judge_refuses_what_is_not_described(http: httpx.AsyncClient) -> None:
    for method, path, options in (
        ("GET", "/v1/nothing", {}),
        ("GET", "/v1/phone-numbers", {"params": {"page": 1}}),
        ("GET", "/messages", {}),
        ("POST", "/v1/messages", {"json": {"content": "x", "from": "PN1", "to": ANA}}),
    ):
        with pytest.raises((AssertionError, ValueError)):
            await http.request(method, path, **options)


def test_every_path_in_the_client_is_one_that_is_tried_here() -> None:
    source = (ROOT / "services/messaging/src/messaging/clients/openphone/client.py").read_text()
    document = json.loads((ROOT / "sandbox/src/sandbox/openphone_openapi.json").read_text())
    tried = {path for path, ways in document["paths"].items() for way in ways.values() if way["operationId"] in CALLED}
    in_code = {part for part in source.replace("{provider_id}", "{id}").split('"') if part.startswith("/")}
    assert in_code == tried
