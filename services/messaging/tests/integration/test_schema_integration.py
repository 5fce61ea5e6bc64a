"""The migrations make what the models map, and what is append-only stays so."""

from typing import Any
from uuid import uuid4

import pytest
from messaging import queries
from messaging.models import Base, Message
from shared.database import Begin
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database
from sqlalchemy import Select, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine


async def test_models_and_migrations_agree(database: Database) -> None:
    await assert_no_drift(database.owner_url, Base.metadata)


async def test_the_service_role_can_only_add_to_the_ledger(begin: Begin) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with begin() as tx:
            await (await tx.aget(AsyncSession)).execute(text("UPDATE consent_entry SET evidence = 'none'"))


NEWEST = "created_at DESC, id DESC"


@pytest.mark.parametrize(
    ("statement", "order", "index"),
    [
        (queries.messages(status=None, campaign_id=None, phone=None), NEWEST, "message_created"),
        (
            queries.messages(status=None, campaign_id=uuid4(), phone=None),
            "created_at DESC, id DESC",
            "message_campaign",
        ),
        (
            queries.conversations(state=None, unread=None, q=None),
            "last_message_at DESC, id DESC",
            "conversation_default",
        ),
        (queries.opt_outs(needs_review=None, q=None), "consent_at DESC, phone DESC", "phone_state_opted_out"),
        (select(Message.id).where(Message.resend_of == uuid4()), "resend_of", "message_resend_of"),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else None,
)
async def test_what_people_list_is_read_by_an_index(
    begin: Begin, statement: Select[Any], order: str, index: str
) -> None:
    first = statement.get_final_froms()[0]
    table = getattr(first, "left", first).name
    ordered = statement.order_by(text(", ".join(f"{table}.{key}" for key in order.split(", ")))).limit(50)
    sql = ordered.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    async with begin() as tx:
        connection = await (await tx.aget(AsyncSession)).connection()
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            await connection.exec_driver_sql(f"SET LOCAL {setting} = off")
        plan = "\n".join(row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {sql}"))
    assert f"ix_{index} " in plan


ENTRY = (
    "INSERT INTO consent_entry (phone, version, action, purpose, source, evidence, is_effective, occurred_at,"
    " recorded_at, previous_hash, hash) VALUES ('+16175550100', 1, 'opt_out', 'all', 'person', 'asked', true,"
    " clock_timestamp(), clock_timestamp(), '', 'h')"
)


@pytest.mark.parametrize("change", ["DELETE FROM consent_entry", "UPDATE consent_entry SET evidence = 'none'"])
async def test_not_even_the_owner_rewrites_the_ledger(database: Database, change: str) -> None:
    engine = create_async_engine(database.owner_url)
    async with engine.begin() as connection:
        await connection.execute(text(ENTRY))
    connection = await engine.connect()
    with pytest.raises(DBAPIError, match="only added"):
        await connection.execute(text(change))
    await connection.close()
    await engine.dispose()
