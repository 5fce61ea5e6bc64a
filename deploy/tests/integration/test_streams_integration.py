"""What each user may do on NATS, tried as that user; and streams and durables as the bootstrap makes them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nats.js.errors import NotFoundError
from shared.embedded import NatsServer, free_port

from shared import bootstrap

Connect = Callable[[str], Awaitable[Any]]
SENT = "messaging.message.sent.v1"
DURABLES = [{"stream": "MESSAGING", "durable": "campaigns", "subjects": [SENT]}]


@pytest.fixture
async def deploy_session(connect: Connect) -> Any:
    session = await connect("deploy")
    await bootstrap.create_streams(session.client)
    await bootstrap.create_durables(session.client, "campaigns", DURABLES)
    return session


async def test_a_service_publishes_its_own_events_and_reads_its_own_durable(
    deploy_session: Any, connect: Connect
) -> None:
    messaging, campaigns = await connect("messaging"), await connect("campaigns")
    await messaging.client.jetstream().publish(SENT, b"text", timeout=5)
    reader = await campaigns.client.jetstream().pull_subscribe_bind(durable="campaigns", stream="MESSAGING")
    message = (await reader.fetch(1, timeout=5))[0]
    await message.ack_sync(timeout=5)
    assert (await campaigns.client.jetstream().consumer_info("MESSAGING", "campaigns")).num_ack_pending == 0
    assert not await messaging.is_refused()
    assert not await campaigns.is_refused()


@pytest.mark.parametrize(
    "subject",
    [
        "messaging.message.sent.v1",
        "live.messaging.messages",
        "$JS.API.STREAM.PURGE.CONTACTS",
        "$JS.API.STREAM.DELETE.CONTACTS",
        "$JS.API.STREAM.CREATE.EXTRA",
        "$JS.API.STREAM.UPDATE.CONTACTS",
        "$JS.API.STREAM.MSG.DELETE.CONTACTS",
        "$JS.API.STREAM.MSG.GET.MESSAGING",
        "$JS.API.DIRECT.GET.MESSAGING",
        "$JS.API.CONSUMER.CREATE.MESSAGING",
        "$JS.API.CONSUMER.DURABLE.CREATE.MESSAGING.contacts",
        "$JS.API.CONSUMER.DELETE.MESSAGING.contacts",
        "$JS.API.CONSUMER.MSG.NEXT.MESSAGING.campaigns",
        "$JS.API.CONSUMER.INFO.MESSAGING.campaigns",
        "$JS.ACK.MESSAGING.campaigns.1.1.1.1.1",
        "_INBOX_campaigns.forged",
        "$SYS.REQ.SERVER.PING",
    ],
)
async def test_a_service_publishes_nowhere_else(connect: Connect, subject: str) -> None:
    contacts = await connect("contacts")
    await contacts.client.publish(subject, b"{}")
    assert await contacts.is_refused()


@pytest.mark.parametrize(
    "subject",
    [">", "*.>", "messaging.>", "contacts.>", "live.>", "$JS.>", "$SYS.>", "_INBOX.>", "_INBOX_campaigns.>"],
)
async def test_a_service_listens_to_nothing_but_its_own_answers(connect: Connect, subject: str) -> None:
    contacts = await connect("contacts")
    await contacts.client.subscribe(subject)
    assert await contacts.is_refused()


async def test_the_gateway_hears_live_hints_and_no_events(connect: Connect) -> None:
    gateway, contacts = await connect("gateway"), await connect("contacts")
    hints = await gateway.client.subscribe("live.>")
    assert not await gateway.is_refused()
    await contacts.client.publish("live.contacts.contacts", b"hint")
    assert (await hints.next_msg(timeout=5)).data == b"hint"
    await gateway.client.subscribe("contacts.>")
    assert await gateway.is_refused()


async def test_nobody_enters_without_a_password(own_nats: NatsServer) -> None:
    for credentials in (b"{}", b'{"user": "contacts", "pass": "guessed"}'):
        reader, writer = await asyncio.open_connection("127.0.0.1", own_nats.port)
        assert (await reader.readline()).startswith(b"INFO")
        writer.write(b"CONNECT " + credentials + b"\r\nPING\r\n")
        assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()
        await writer.wait_closed()


async def test_a_filter_that_changed_is_taken_over_without_losing_the_place(deploy_session: Any) -> None:
    jetstream = deploy_session.client.jetstream()
    await jetstream.purge_stream("MESSAGING")
    await jetstream.publish(SENT, b"1")
    reader = await jetstream.pull_subscribe_bind(durable="campaigns", stream="MESSAGING")
    await (await reader.fetch(1, timeout=5))[0].ack_sync()
    more = [{"stream": "MESSAGING", "durable": "campaigns", "subjects": [SENT, "messaging.message.failed.v1"]}]
    await bootstrap.create_durables(deploy_session.client, "campaigns", more)
    info = await jetstream.consumer_info("MESSAGING", "campaigns")
    assert info.config.filter_subjects == ["messaging.message.failed.v1", SENT]
    assert info.num_pending == 0


async def test_a_stream_that_is_no_longer_consumed_loses_its_durable(deploy_session: Any) -> None:
    await bootstrap.create_durables(deploy_session.client, "campaigns", [])
    with pytest.raises(NotFoundError):
        await deploy_session.client.jetstream().consumer_info("MESSAGING", "campaigns")


async def test_a_durable_of_a_stream_nobody_publishes_is_refused(deploy_session: Any) -> None:
    with pytest.raises(bootstrap.BootstrapError, match="BILLINGS"):
        await bootstrap.create_durables(deploy_session.client, "campaigns", [{"stream": "BILLINGS", "subjects": ["x"]}])


async def test_streams_keep_events_on_disk_for_thirty_days(deploy_session: Any) -> None:
    await bootstrap.create_streams(deploy_session.client)  # a second time changes nothing
    config = (await deploy_session.client.jetstream().stream_info("CONTACTS")).config
    assert (config.storage, config.retention, config.discard) == ("file", "limits", "new")
    assert (config.max_age, config.duplicate_window) == (30 * 86_400, 120)
    assert config.subjects == ["contacts.>"]


async def test_deliveries_that_were_given_up_are_kept(deploy_session: Any) -> None:
    jetstream = deploy_session.client.jetstream()
    await jetstream.publish(SENT, b"poison")
    reader = await jetstream.pull_subscribe_bind(durable="campaigns", stream="MESSAGING")
    for message in await reader.fetch(10, timeout=5):
        await message.term()
    advisories = await jetstream.pull_subscribe("", durable="reader", stream=bootstrap.ADVISORIES)
    assert b"campaigns" in (await advisories.fetch(1, timeout=5))[0].data


async def test_storage_that_syncs_before_it_answers_is_accepted(own_nats: NatsServer) -> None:
    await bootstrap.assert_synced_storage(f"http://127.0.0.1:{own_nats.monitor_port}")


async def test_storage_is_refused_when_a_power_cut_could_lose_events(tmp_path: Any) -> None:
    with (
        NatsServer(tmp_path / "late", free_port(), free_port(), users=[], sync_interval="2m") as server,
        pytest.raises(bootstrap.BootstrapError, match="sync_interval"),
    ):
        await bootstrap.assert_synced_storage(f"http://127.0.0.1:{server.monitor_port}")
