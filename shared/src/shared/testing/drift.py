"""Models and migrations must say the same."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from shared.migrations import SHARED_TABLES


async def assert_no_drift(owner_url: str, metadata: MetaData) -> None:
    """Fails with the differences between the mapped tables and those that the migrations made."""

    def is_ours(item: object, name: str | None, kind: str, *_: object) -> bool:
        table = name if kind == "table" else getattr(getattr(item, "table", None), "name", None)
        return table not in SHARED_TABLES

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": is_ours,
            },
        )
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(owner_url)
    async with engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await engine.dispose()
    assert differences == []
