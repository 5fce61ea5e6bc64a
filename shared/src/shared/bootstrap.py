"""Prepares any PostgreSQL and NATS for the system: databases, roles, streams, durables. All of it is repeatable.

The installation and the tests are prepared by this one piece, so that tests run under the product's rights.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

# Every stream there is or is going to be; durables exist only for what a service says it consumes.
PUBLISHERS = ("contacts", "campaigns", "messaging", "billing")
STREAMS = tuple(name.upper() for name in PUBLISHERS)
EXTENSIONS = ("pg_trgm", "btree_gin", "btree_gist", "unaccent", "citext")
SERVICE_TIMEOUTS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
}
# Migrations may work long, but must not queue long for a lock in front of everybody else.
OWNER_TIMEOUTS = {"lock_timeout": "10s", "idle_in_transaction_session_timeout": "5min"}
NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

ADVISORIES = "ADVISORIES"
ADVISORY_SUBJECTS = (
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
)
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class RolePasswords:
    owner: str
    service: str


class BootstrapError(Exception):
    """Something could not be prepared; the sentence says what to do."""


async def create_database(admin_url: str, name: str, passwords: RolePasswords, *, service: str | None = None) -> None:
    """The database `name` with the roles `<service>_owner` (migrations) and `<service>` (rows only).

    `admin_url` is a superuser's, or of a role that may create databases and roles. Nobody else may connect. The service
    is called as the database unless `service` says otherwise (tests make many databases of one service).
    """
    service = service or name
    for identifier in (name, service):
        if not NAME.fullmatch(identifier):
            raise ValueError(f"{identifier!r} is not a plain lower-case name")
    connection = await asyncpg.connect(admin_url)
    try:
        await _create_roles(connection, service, passwords)
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name} OWNER {service}_owner TEMPLATE template0")
        await secure_database(connection, name, service)
    finally:
        await connection.close()
    await _prepare_schema(_with_database(admin_url, name), service)


async def secure_database(connection: asyncpg.Connection, name: str, service: str) -> None:
    """Only the service's two roles may connect. A copy of a template starts open: call it again for each copy."""
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    for of_the_server in ("postgres", "template1"):
        # They hold nothing of ours. On a managed server they belong to somebody else, who alone may close them.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"REVOKE ALL ON DATABASE {of_the_server} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {service}, {service}_owner")


async def _create_roles(connection: asyncpg.Connection, service: str, passwords: RolePasswords) -> None:
    owner = f"{service}_owner"
    for role, password, timeouts in (
        (owner, passwords.owner, OWNER_TIMEOUTS),
        (service, passwords.service, SERVICE_TIMEOUTS),
    ):
        exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
        # Utility statements take no parameters; the server quotes the password for us.
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        # A role is made without any right of the cluster: no superuser, no databases, no roles, no replication.
        await connection.execute(f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN PASSWORD {quoted}")
        for setting, value in timeouts.items():
            await connection.execute(f"ALTER ROLE {role} SET {setting} = '{value}'")
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute(f"GRANT {owner} TO CURRENT_USER")  # to make a database that belongs to it


async def _prepare_schema(url: str, service: str) -> None:
    owner = f"{service}_owner"
    connection = await asyncpg.connect(url)
    try:
        for extension in EXTENSIONS:
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        await connection.execute(f"ALTER SCHEMA public OWNER TO {owner}")
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        await connection.execute(f"GRANT USAGE ON SCHEMA public TO {service}")
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def create_streams(client: Client, *, replicas: int = 1) -> None:
    """One stream per publisher, and one that keeps the server's complaints about deliveries. As the deploy user."""
    jetstream = client.jetstream(timeout=15)
    for publisher in PUBLISHERS:
        await _create_stream(jetstream, _stream(publisher.upper(), (f"{publisher}.>",), replicas))
    await _create_stream(jetstream, _stream(ADVISORIES, ADVISORY_SUBJECTS, replicas))


def _stream(name: str, subjects: tuple[str, ...], replicas: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=list(subjects),
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_age=30 * DAY_SECONDS,
        duplicate_window=120,
        num_replicas=replicas,
    )


async def _create_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    try:
        current = (await jetstream.stream_info(str(wanted.name))).config
    except NotFoundError:
        await jetstream.add_stream(wanted)
        return
    chosen = {field: value for field, value in vars(wanted).items() if value is not None}
    changed = replace(current, **chosen)
    if changed != current:
        await jetstream.update_stream(changed)


async def create_durables(client: Client, service: str, consumers: Iterable[Mapping[str, Any]]) -> None:
    """The service's durable of each stream it consumes, with the filters it says; those no longer wanted go."""
    jetstream = client.jetstream(timeout=15)
    wanted = {consumer["stream"]: consumer for consumer in consumers}
    if unknown := set(wanted) - set(STREAMS):
        raise BootstrapError(f"{service} consumes from {', '.join(sorted(unknown))}, which nobody publishes.")
    for stream in STREAMS:
        try:
            current = (await jetstream.consumer_info(stream, service)).config
        except NotFoundError:
            current = None
        if stream in wanted:
            subjects = sorted(wanted[stream]["subjects"])
            if current is None or _filters(current) != subjects:
                await jetstream.add_consumer(stream, _durable(service, subjects))
        elif current is not None:
            await jetstream.delete_consumer(stream, service)


def _filters(config: ConsumerConfig) -> list[str]:
    return sorted(config.filter_subjects or ([config.filter_subject] if config.filter_subject else []))


def _durable(service: str, subjects: list[str]) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=service,
        filter_subjects=subjects,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=30,
        max_deliver=-1,  # giving up is the consumer's decision, which keeps what it gives up on
        max_ack_pending=2000,
    )


async def assert_synced_storage(monitor_url: str) -> None:
    """Refuse a NATS that acknowledges before the disk has it: a power cut would lose acknowledged events."""
    async with httpx.AsyncClient(base_url=monitor_url, timeout=5) as client:
        answer = (await client.get("/varz")).raise_for_status().json()
    if not answer.get("jetstream", {}).get("config", {}).get("sync_always"):
        raise BootstrapError("NATS must run with jetstream { sync_interval: always }; set it in its configuration.")
