"""What each service's role may do in its own migrated database: asked of the database, table by table."""

import asyncio
from collections import defaultdict

import asyncpg
import pytest
from shared.bootstrap import SERVICE_TIMEOUTS
from shared.migrations import SHARED_TABLES
from shared.testing.plugin import Databases

from contract.boundaries import SPECS

APPEND_ONLY = {
    "contacts": {"import_outcome"},
    "campaigns": {"revenue_entry", "transition"},
    "messaging": {"consent_entry", "message_transition"},
    "billing": {"difference_run"},
    "gateway": {"audit_entry"},
    "sandbox": {"ledger", "qb_ledger"},
}
ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}
SHARED = {
    "outbox": {"SELECT", "INSERT", "DELETE"},
    "consumed_event": {"SELECT", "INSERT", "DELETE"},
    "dead_letter": {"SELECT", "INSERT"},
    "idempotency_key": {"SELECT", "INSERT", "DELETE"},
    "crm_clock": {"SELECT"},
}
CHANGED = {
    "outbox": {"published_at", "failed_at", "error"},
    "dead_letter": {"replayed_at"},
    "idempotency_key": {"status", "headers", "body"},
    "crm_clock": {"offset_by"},
}
TABLE_RIGHTS = "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = current_user"
COLUMN_RIGHTS = (
    "SELECT table_name, column_name FROM information_schema.column_privileges"
    " WHERE grantee = current_user AND privilege_type = 'UPDATE'"
)


async def rights(url: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By table: what may be done to its rows, and which columns of the shared tables may be changed."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("SHOW statement_timeout") == SERVICE_TIMEOUTS["statement_timeout"]
        tables, columns = defaultdict(set), defaultdict(set)
        for table, right in await connection.fetch(TABLE_RIGHTS):
            tables[table].add(right)
        for table, column in await connection.fetch(COLUMN_RIGHTS):
            columns[table].add(column)
        return tables, {table: found for table, found in columns.items() if table in SHARED_TABLES}
    finally:
        await connection.close()


@pytest.mark.parametrize("service", sorted(SPECS))
def test_a_service_may_do_to_its_tables_what_it_needs_and_nothing_else(databases: Databases, service: str) -> None:
    databases.template(SPECS[service])
    database = asyncio.run(databases.create(SPECS[service]))
    tables, columns = asyncio.run(rights(database.url))
    asyncio.run(databases.drop(database))
    assert {table: tables.pop(table) for table in SHARED} == SHARED
    assert columns == CHANGED
    assert "alembic_version" not in tables
    assert {table for table, found in tables.items() if found == {"SELECT", "INSERT"}} >= APPEND_ONLY[service]
    assert all(found in ({"SELECT", "INSERT"}, ROWS) for found in tables.values())
