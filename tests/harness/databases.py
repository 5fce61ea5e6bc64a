"""The tests' own eyes on every database: as the superuser, over connections that are kept between looks."""

import asyncio
from types import TracebackType
from typing import Any, Self

import asyncpg
from deploy.stack import Stack

CONNECTIONS = 4


class Databases:
    """One small pool a database; a connection that the server hung up on is replaced at its next use."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._pools: dict[str, asyncpg.Pool] = {}
        self._opening = asyncio.Lock()

    async def fetch(self, database: str, sql: str, *values: Any) -> list[Any]:
        async with self._opening:
            if database not in self._pools:
                url = self._stack.postgres.url(database)
                self._pools[database] = await asyncpg.create_pool(url, min_size=0, max_size=CONNECTIONS)
        return list(await self._pools[database].fetch(sql, *values))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            pool.terminate()
