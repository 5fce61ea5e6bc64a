"""What an installation consists of: its state folder, the environments and commands of its processes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.bootstrap import STREAMS
from shared.embedded import NatsServer, PostgresServer, deploy_user, service_user
from shared.embedded.process import last_lines, tethered

from deploy import services
from deploy.caddy import caddy_binary, caddy_environment
from deploy.environment import Addresses, chosen_settings, owner_environment, service_environment
from deploy.fingerprint import fingerprint
from deploy.secret_files import SecretFiles
from deploy.services import CADDY, GATEWAY, INFRASTRUCTURE, NATS, POSTGRES, SERVICES, Kind, Service
from deploy.supervision import Program

COMMAND_WITHIN = 300.0


class StackError(Exception):
    """Something is in the way; the sentence says what to do."""


class Installation:
    """The files and the definitions under `state_dir`. Nothing here starts anything that stays."""

    def __init__(
        self,
        state_dir: Path,
        port: int = 8080,
        port_base: int = 18100,
        *,
        bind: str = "127.0.0.1",
        table: tuple[Service, ...] = SERVICES,
        settings: Mapping[str, str] | None = None,
        fsync: bool = True,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.run_dir = self.state_dir / "run"
        self.log_dir = self.state_dir / "logs"
        self.addresses = Addresses(port=port, port_base=port_base, bind=bind)
        self.secrets = SecretFiles(self.state_dir / "secrets")
        self._chosen = dict(settings) if settings is not None else chosen_settings(self.state_dir)
        in_sandbox = self._chosen.get("CRM_MODE", "sandbox") == "sandbox"
        self.table = tuple(service for service in table if in_sandbox or not service.is_stand_in)
        self._fsync = fsync

    @property
    def url(self) -> str:
        """Where people reach it: plain http on this machine, TLS from elsewhere."""
        if host := self._chosen.get("CRM_PUBLIC_HOST"):
            return f"https://{host}:{self.addresses.port}"
        return self.addresses.public_url

    @property
    def admin_password_file(self) -> Path:
        return self.secrets.path("admin_password")

    @property
    def has_gateway(self) -> bool:
        return any(service.name == GATEWAY for service in self.table)

    @property
    def kinds(self) -> dict[str, tuple[Service, Kind]]:
        """The processes of the services."""
        return {service.process(kind): (service, kind) for service in self.table for kind in service.kinds}

    @property
    def processes(self) -> tuple[str, ...]:
        """All of them, in the order of their start."""
        return (*INFRASTRUCTURE, *self.kinds, *((CADDY,) if self.has_gateway else ()))

    def check_name(self, process: str) -> None:
        if process not in self.processes:
            raise StackError(f"There is no process {process}; there are {', '.join(self.processes)}.")

    @property
    def postgres(self) -> PostgresServer:
        return self.cluster(password=self.secrets.postgres_password())

    def cluster(self, *, password: str) -> PostgresServer:
        return PostgresServer(
            self.state_dir / "postgres",
            self.addresses.at(services.POSTGRES_PORT),
            password=password,
            fsync=self._fsync,
            log=self.log_of(POSTGRES),
        )

    @property
    def nats(self) -> NatsServer:
        users = [deploy_user(self.secrets.nats_password("deploy"))]
        users += [
            service_user(
                service.name,
                self.secrets.nats_password(service.name),
                streams=STREAMS,
                listens=service.listens,
            )
            for service in self.table
            if service.on_bus
        ]
        return NatsServer(
            self.state_dir / "nats",
            self.addresses.at(services.NATS_PORT),
            self.addresses.at(services.MONITOR_PORT),
            users=users,
            log=self.log_of(NATS),
        )

    def log_of(self, process: str) -> Path:
        return self.log_dir / f"{process}.log"

    def env_for(self, process: str) -> dict[str, str]:
        """The environment the process gets at its next start."""
        return {name: value for name, value in self._wanted_env(process).items() if value is not None}

    def set_env(self, process: str, changes: Mapping[str, str | None]) -> None:
        """Change variables of one process from its next start on, until `reset`; None takes one away."""
        self.check_name(process)
        write_private(self._override_file(process), json.dumps(self._overrides(process) | dict(changes)))
        self.write_env(process)

    def program(self, name: str) -> Program:
        if name == POSTGRES:
            postgres = self.postgres
            command = tethered(postgres.argv(), user=postgres.os_user, death_signal=postgres.stop_signal)
            return Program(
                name, command, postgres.data_dir, self.log_of(name), priority=10, stop_signal="INT", stop_seconds=60
            )
        if name == NATS:
            return Program(name, tethered(self.nats.argv()), self.nats.store_dir, self.log_of(name), priority=20)
        if name == CADDY:
            command = tethered(self.command(name), env_file=self._env_file(name))
            return Program(name, command, self.run_dir, self.log_of(name), priority=900)
        return Program(
            name, tethered(self.command(name), env_file=self._env_file(name)), self.run_dir, self.log_of(name)
        )

    def command(self, name: str) -> list[str]:
        if name == POSTGRES:
            return self.postgres.argv()
        if name == NATS:
            return [*self.nats.argv(), self.nats.config_file.read_text()]
        if name == CADDY:
            return [caddy_binary(), "run", "--config", str(self.caddyfile), "--adapter", "caddyfile"]
        service, kind = self.kinds[name]
        return [sys.executable, "-m", service.name, kind, "--port", str(self.addresses.at(service.offset(kind)))]

    @property
    def caddy_state(self) -> Path:
        """Where Caddy keeps what it makes itself, in case of TLS its keys."""
        return self.caddyfile.parent / "data"

    @property
    def caddyfile(self) -> Path:
        return self.state_dir / "caddy" / "Caddyfile"

    def run_command(
        self, service: Service, *arguments: str, owner: bool = False, extra: Mapping[str, str] | None = None
    ) -> str:
        """Run a one-off command of a service with its environment; returns what it printed."""
        environment = self.env_for(service.process(service.kinds[0]))
        if owner:
            environment = owner_environment(environment, service, self.addresses, self.secrets)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
        command = [sys.executable, "-m", service.name, *arguments]
        log = self.log_of(f"{service.name}-{arguments[0]}")
        with log.open("wb") as errors:
            result = subprocess.run(
                command,
                env={**inherited, **environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=COMMAND_WITHIN,
                check=False,
                cwd=self.run_dir,
            )
        if result.returncode:
            raise StackError(
                f"`{service.name} {arguments[0]}` failed (exit status {result.returncode})."
                f" Put right what the end of its log says, then run `make up` again.\n\n{log}:\n{last_lines(log)}"
            )
        return result.stdout.decode()

    def write_env(self, process: str) -> None:
        write_private(self._env_file(process), json.dumps(self.env_for(process), indent=2))

    def _wanted_env(self, process: str) -> dict[str, str | None]:
        self.check_name(process)
        values: dict[str, str | None] = {}
        if process == CADDY:
            values |= caddy_environment(self.caddyfile.parent)
        elif process not in INFRASTRUCTURE:
            service, _ = self.kinds[process]
            values |= service_environment(
                service, table=self.table, addresses=self.addresses, secrets=self.secrets, chosen=self._chosen
            )
        return values | self._overrides(process)

    def _overrides(self, process: str) -> dict[str, str | None]:
        file = self._override_file(process)
        found: dict[str, str | None] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def _override_file(self, process: str) -> Path:
        return self.state_dir / "env" / f"{process}.override.json"

    def _env_file(self, process: str) -> Path:
        return self.state_dir / "env" / f"{process}.json"

    def stamp_file(self, process: str) -> Path:
        return self.run_dir / f"{process}.fingerprint"

    def fingerprint(self, process: str) -> str:
        packages = () if process in (*INFRASTRUCTURE, CADDY) else (self.kinds[process][0].name, "shared")
        command = self.command(process)
        if process == CADDY:
            command.append(self.caddyfile.read_text())
        return fingerprint(command, self.env_for(process), packages)


def write_private(path: Path, text: str) -> None:
    """Readable by its owner only, from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
