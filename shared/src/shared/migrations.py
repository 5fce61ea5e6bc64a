"""Migrations: one linear Alembic history per database, and the tables that every service's database has."""

import asyncio
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import create_async_engine

# What the code of this package does to its tables, and nothing more: an event, once written, is not rewritten.
SHARED_RIGHTS = {
    "outbox": "SELECT, INSERT, UPDATE (published_at, failed_at, error), DELETE",
    "consumed_event": "SELECT, INSERT, DELETE",
    "dead_letter": "SELECT, INSERT, UPDATE (replayed_at)",
    "idempotency_key": "SELECT, INSERT, UPDATE (status, headers, body), DELETE",
    "crm_clock": "SELECT, UPDATE (offset_by)",
    "alembic_version": "",
}
SHARED_TABLES = tuple(SHARED_RIGHTS)


def migrate(package: str, url: str) -> None:
    """Bring the database at `url` (as its owner) to the newest version of `package`'s history."""
    config = Config()
    config.set_main_option("script_location", str(files(package) / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def run(metadata: MetaData) -> None:
    """What a service's migrations/env.py does."""
    asyncio.run(_run(context.config.attributes["url"], metadata))


async def _run(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, metadata)
        await connection.commit()
    await engine.dispose()


def _upgrade(connection: Connection, metadata: MetaData) -> None:
    connection.execute(sa.text("SET lock_timeout = '10s'"))
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


def create_shared_tables(op: Any) -> None:
    """The first step of every first migration: outbox, inbox, dead letters, idempotency keys, the clock."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("id", UUID, nullable=False, unique=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("published_at", instant),
        sa.Column("failed_at", instant),
        sa.Column("error", sa.Text),
    )
    op.create_index(
        "ix_outbox_unpublished",
        "outbox",
        ["seq"],
        postgresql_where=sa.text("published_at IS NULL AND failed_at IS NULL"),
    )
    op.create_index("ix_outbox_failed", "outbox", ["seq"], postgresql_where=sa.text("failed_at IS NOT NULL"))
    op.create_table(
        "consumed_event",
        sa.Column("event_id", UUID, primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("consumed_at", instant, nullable=False),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("stream_seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("replayed_at", instant),
    )
    # A stream that was made again counts from 1 again: its sequence alone does not tell a letter from an old one.
    op.execute("CREATE UNIQUE INDEX uq_dead_letter_source ON dead_letter (stream, stream_seq, sha256(payload))")
    op.create_table(
        "idempotency_key",
        sa.Column("principal", sa.Text, primary_key=True),
        sa.Column("method", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
        sa.Column("created_at", instant, nullable=False),
    )
    create_clock(op)


def create_clock(op: Any) -> None:
    """Domain time: `crm_now()` is the clock plus one row's offset, zero outside sandbox mode."""
    op.create_table(
        "crm_clock",
        sa.Column(
            "is_only",
            sa.Boolean,
            sa.CheckConstraint("is_only", name="one_row"),
            primary_key=True,
            server_default=sa.true(),
        ),
        sa.Column("offset_by", sa.Interval, nullable=False, server_default=sa.text("'0'")),
    )
    op.execute("INSERT INTO crm_clock DEFAULT VALUES")
    op.execute(
        "CREATE FUNCTION crm_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE"
        " RETURN clock_timestamp() + (SELECT offset_by FROM crm_clock)"
    )


def grant_rows(op: Any, role: str, *, append_only: Iterable[str] = ()) -> None:
    """Give the service's role its rights table by table: rows only, no DDL, and only adding to append-only tables.

    Does nothing where the role does not exist, as in a scratch database of a developer.
    """
    bind = op.get_bind()
    if bind.scalar(sa.text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role}) is None:
        return
    tables = set(sa.inspect(bind).get_table_names(schema="public"))
    if unknown := set(append_only) - tables:
        raise ValueError(f"There is no table {', '.join(sorted(unknown))} to be append-only.")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
    op.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
    rights = dict.fromkeys(tables, "SELECT, INSERT, UPDATE, DELETE")
    rights |= dict.fromkeys(append_only, "SELECT, INSERT")
    for table, granted in (rights | SHARED_RIGHTS).items():
        if granted:
            op.execute(f"GRANT {granted} ON {table} TO {role}")
