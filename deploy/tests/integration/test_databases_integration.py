"""Each service reaches its own rows and nothing else (tried as each of the roles)."""

from collections.abc import Awaitable

import asyncpg
import pytest
from shared.embedded import PostgresServer

from shared import bootstrap

PASSWORDS = bootstrap.RolePasswords(owner="owner's pässword", service="service's password")


@pytest.fixture
async def databases(own_postgres: PostgresServer) -> PostgresServer:
    for name in ("alpha", "beta"):
        await bootstrap.create_database(own_postgres.url(), name, PASSWORDS)
    return own_postgres


async def _connect(server: PostgresServer, role: str, database: str) -> asyncpg.Connection:
    password = PASSWORDS.owner if role.endswith("_owner") else PASSWORDS.service
    return await asyncpg.connect(host="127.0.0.1", port=server.port, user=role, password=password, database=database)


async def _is_denied(work: Awaitable[object]) -> bool:
    try:
        await work
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


@pytest.mark.parametrize("role", ["alpha", "alpha_owner"])
@pytest.mark.parametrize("database", ["beta", "postgres", "template1"])
async def test_a_role_opens_no_database_but_its_own(databases: PostgresServer, role: str, database: str) -> None:
    assert await _is_denied(_connect(databases, role, database))
    await (await _connect(databases, role, "alpha")).close()


async def test_a_copy_of_a_database_is_closed_once_it_is_secured(databases: PostgresServer) -> None:
    admin = await asyncpg.connect(databases.url())
    await admin.execute("CREATE DATABASE alpha_copy TEMPLATE alpha OWNER alpha_owner")
    await bootstrap.secure_database(admin, "alpha_copy", "alpha")
    await admin.close()
    assert await _is_denied(_connect(databases, "beta", "alpha_copy"))
    await (await _connect(databases, "alpha", "alpha_copy")).close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE extra (id int)",
        "DROP TABLE entry",
        "ALTER TABLE entry ADD COLUMN more int",
        "TRUNCATE entry",
        "UPDATE entry SET id = 2",
        "DELETE FROM entry",
        "CREATE SCHEMA extra",
        "CREATE ROLE extra",
        "CREATE DATABASE extra",
        "ALTER ROLE alpha SUPERUSER",
        "SET ROLE alpha_owner",
        "SET ROLE postgres",
        "CREATE EXTENSION hstore",
        "COPY entry TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
async def test_the_service_role_works_with_rows_only(databases: PostgresServer, statement: str) -> None:
    owner = await _connect(databases, "alpha_owner", "alpha")
    await owner.execute("CREATE TABLE IF NOT EXISTS entry (id int)")
    await owner.execute("GRANT SELECT, INSERT ON entry TO alpha")
    await owner.close()
    service = await _connect(databases, "alpha", "alpha")
    try:
        await service.execute("INSERT INTO entry VALUES (1)")
        assert await service.fetchval("SELECT count(*) FROM entry") > 0
        assert await _is_denied(service.execute(statement))
    finally:
        await service.close()


async def test_a_table_nobody_granted_is_closed_to_the_service(databases: PostgresServer) -> None:
    owner = await _connect(databases, "beta_owner", "beta")
    await owner.execute("CREATE TABLE IF NOT EXISTS forgotten (id int)")
    await owner.close()
    service = await _connect(databases, "beta", "beta")
    assert await _is_denied(service.execute("SELECT * FROM forgotten"))
    await service.close()


async def test_no_role_has_a_right_of_the_cluster(databases: PostgresServer) -> None:
    admin = await asyncpg.connect(databases.url())
    rows = await admin.fetch(
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS mighty FROM pg_roles"
        " WHERE rolname IN ('alpha', 'alpha_owner', 'beta', 'beta_owner')"
    )
    await admin.close()
    assert [row["mighty"] for row in rows] == [False] * 4


async def test_statements_locks_and_idle_transactions_are_bounded(databases: PostgresServer) -> None:
    service = await _connect(databases, "alpha", "alpha")
    found = {name: await service.fetchval(f"SHOW {name}") for name in bootstrap.SERVICE_TIMEOUTS}
    await service.close()
    assert found == {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "1min",
    }


async def test_a_second_time_changes_only_the_password(databases: PostgresServer) -> None:
    changed = bootstrap.RolePasswords(owner="another", service="yet another")
    await bootstrap.create_database(databases.url(), "gamma", PASSWORDS)
    owner = await _connect(databases, "gamma_owner", "gamma")
    await owner.execute("CREATE TABLE kept (id int)")
    await owner.execute("GRANT SELECT ON kept TO gamma")
    await owner.close()
    await bootstrap.create_database(databases.url(), "gamma", changed)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _connect(databases, "gamma", "gamma")
    service = await asyncpg.connect(
        host="127.0.0.1", port=databases.port, user="gamma", password=changed.service, database="gamma"
    )
    assert await service.fetchval("SELECT count(*) FROM kept") == 0
    await service.close()


async def test_a_managed_server_without_a_superuser_can_be_prepared(databases: PostgresServer) -> None:
    admin = await asyncpg.connect(databases.url())
    await admin.execute("CREATE ROLE operator LOGIN CREATEDB CREATEROLE PASSWORD 'operator'")
    await admin.execute("GRANT CONNECT ON DATABASE postgres TO operator")
    await admin.close()
    url = f"postgresql://operator:operator@127.0.0.1:{databases.port}/postgres"
    await bootstrap.create_database(url, "delta", PASSWORDS)
    await (await _connect(databases, "delta", "delta")).close()
    assert await _is_denied(_connect(databases, "alpha", "delta"))
