"""Secrets of an installation: made once at random, each in a file that only its owner reads."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.services import Service


def token() -> str:
    return secrets.token_urlsafe(32)


def password_for_people() -> str:
    """100 bits without look-alike characters, in groups that can be typed."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def key_bytes() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


class SecretFiles:
    """The folder of secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def get(self, name: str, make: Callable[[], str] = token) -> str:
        """The secret of this name, made at the first call."""
        try:
            return self.path(name).read_text().strip()
        except FileNotFoundError:
            self._create(name, make())
            return self.path(name).read_text().strip()

    def _create(self, name: str, value: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written aside and linked, so that a name never shows an empty or half a secret, and the first writer wins.
        partial = self.folder / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, self.path(name))
        except FileExistsError:
            pass
        finally:
            partial.unlink()

    def postgres_password(self) -> str:
        return self.get("postgres")

    def database_password(self, service: Service, *, owner: bool = False) -> str:
        return self.get(f"{service.name}_owner_database" if owner else f"{service.name}_database")

    def nats_password(self, user: str) -> str:
        return self.get(f"{user}_nats")

    def service_secret(self, service: Service) -> str:
        return self.get(f"{service.name}_service")
