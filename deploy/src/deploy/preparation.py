"""What must be there before the services start: databases, streams, schemas, durables, the first administrator."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import nats

from deploy.environment import admin_url
from deploy.installation import Installation, StackError
from deploy.secret_files import password_for_people
from deploy.services import CADDY, GATEWAY, Service
from shared import bootstrap

ADMIN_EMAIL = "admin@crm.local"
T = TypeVar("T")


class Preparation(Installation):
    """Prepares servers that run already, wherever they are. Repeatable."""

    def prepare(self, changed: Sequence[Service]) -> None:
        """Make what is missing; migrate the databases of the services whose code or settings changed."""
        try:
            _run_async(self._create_databases())
            _run_async(self._on_bus(bootstrap.create_streams))
            for service, consumers in self._migrate(changed).items():
                _run_async(self._on_bus(bootstrap.create_durables, service, consumers))
        except bootstrap.BootstrapError as error:
            raise StackError(str(error)) from error
        if any(service.name == GATEWAY for service in changed):
            self._create_admin()

    async def _create_databases(self) -> None:
        for service in self.table:
            passwords = bootstrap.RolePasswords(
                owner=self.secrets.database_password(service, owner=True),
                service=self.secrets.database_password(service),
            )
            await bootstrap.create_database(admin_url(self.addresses, self.secrets), service.name, passwords)

    async def _on_bus(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        await bootstrap.assert_synced_storage(self.addresses.monitor_url)
        password = self.secrets.nats_password("deploy")
        client = await nats.connect(self.addresses.nats_url, user="deploy", password=password, allow_reconnect=False)
        try:
            await work(client, *arguments)
        finally:
            await client.close()

    def _migrate(self, changed: Sequence[Service]) -> dict[str, Any]:
        """Bring the databases to the newest version; returns what each service consumes."""
        # Side by side, because each is for the most part the start of a Python.
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
            migrations = [pool.submit(self.run_command, service, "migrate", owner=True) for service in changed]
            consumers = {
                service.name: pool.submit(self.run_command, service, "consumers")
                for service in changed
                if service.has_worker
            }
            edge = [pool.submit(self.write_caddyfile)] if self.has_gateway else []
            for migration in migrations:
                migration.result()
            for written in edge:
                written.result()
            return {name: json.loads(answer.result()) for name, answer in consumers.items()}

    def _create_admin(self) -> None:
        self.secrets.get("admin_password", password_for_people)
        password_file = str(self.admin_password_file)
        self.run_command(self._gateway, "create-admin", "--email", ADMIN_EMAIL, "--password-file", password_file)

    def write_caddyfile(self) -> None:
        self.caddyfile.parent.mkdir(parents=True, exist_ok=True)
        state = {"CRM_CADDY_STATE": str(self.caddy_state)}
        self.caddyfile.write_text(self.run_command(self._gateway, "caddyfile", extra=state))
        self.write_env(CADDY)

    @property
    def _gateway(self) -> Service:
        return next(service for service in self.table if service.name == GATEWAY)


def _run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a thread of its own, because a test may call us under a running event loop."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
