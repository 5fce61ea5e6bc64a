"""What each process is told: addresses, its own secrets, and the settings that the operator chose."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.postgres import SUPERUSER

from deploy import services
from deploy.secret_files import SecretFiles, key_bytes
from deploy.services import Service

SETTINGS_FILE = "settings.env"
# They shape the installation itself and mean nothing inside a service.
INSTALLATION = frozenset({"CRM_STATE", "CRM_TEST_INFRA"})
# Only the one that speaks to a provider, and its stand-in, may hold the provider's secrets; what seals them, only it.
_TEXTING, _ACCOUNTING = ("messaging", "sandbox"), ("billing", "sandbox")
PROVIDER_SECRETS = {
    "CRM_OPENPHONE_API_KEY": _TEXTING,
    "CRM_OPENPHONE_WEBHOOK_KEYS": _TEXTING,
    "CRM_QUICKBOOKS_CLIENT_SECRET": _ACCOUNTING,
    "CRM_QUICKBOOKS_VERIFIER_TOKEN": _ACCOUNTING,
    "CRM_BILLING_KEY": ("billing",),
}
# Without them nothing starts; what the operator does not choose is made up, for the stand-in.
MADE_SECRETS = (
    "CRM_OPENPHONE_API_KEY",
    "CRM_QUICKBOOKS_CLIENT_SECRET",
    "CRM_QUICKBOOKS_VERIFIER_TOKEN",
    "CRM_BILLING_KEY",
)


@dataclass(frozen=True)
class Addresses:
    """Where everything listens."""

    port: int = 8080
    port_base: int = 18100
    bind: str = "127.0.0.1"
    in_containers: bool = False
    """Each process has a container of its own, which is called as the process is."""

    def at(self, offset: int) -> int:
        return self.port_base + offset

    def host(self, process: str) -> str:
        return process if self.in_containers else "127.0.0.1"

    def url(self, process: str, offset: int, scheme: str = "http") -> str:
        return f"{scheme}://{self.host(process)}:{self.at(offset)}"

    @property
    def nats_url(self) -> str:
        return self.url(services.NATS, services.NATS_PORT, "nats")

    @property
    def monitor_url(self) -> str:
        return self.url(services.NATS, services.MONITOR_PORT)

    @property
    def public_url(self) -> str:
        # A wildcard address is nothing a browser can open.
        host = "127.0.0.1" if self.bind in ("0.0.0.0", "::", "") else self.bind  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def chosen_settings(state_dir: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """CRM_* of `settings.env` in the state folder, with those of the environment on top."""
    chosen: dict[str, str] = {}
    file = state_dir / SETTINGS_FILE
    for line in file.read_text().splitlines() if file.exists() else ():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            chosen[name.strip()] = value.strip().strip("'\"")
    chosen |= environ
    return {name: value for name, value in chosen.items() if name.startswith("CRM_") and name not in INSTALLATION}


def service_environment(
    service: Service,
    *,
    table: tuple[Service, ...],
    addresses: Addresses,
    secrets: SecretFiles,
    chosen: Mapping[str, str],
) -> dict[str, str]:
    """The environment of one service's processes."""
    values = {
        "CRM_MODE": "sandbox",
        "CRM_PORT": str(addresses.port),
        "CRM_PORT_BASE": str(addresses.port_base),
        "CRM_BIND": addresses.bind,
        "CRM_PUBLIC_URL": _public_url(addresses, chosen),
        "CRM_PHONE_HASH_KEY": secrets.get("phone_hash_key"),
        "CRM_SERVICE_SECRET": secrets.service_secret(service),
        **_peers(table, addresses, chosen),
    }
    if service.name == services.GATEWAY:
        values |= _identity(table, secrets)
    for name in MADE_SECRETS:
        if service.name in PROVIDER_SECRETS[name]:
            values[name] = secrets.get(name.removeprefix("CRM_").lower())
    if service.is_stand_in:
        values["CRM_SANDBOX_KEY"] = secrets.get("sandbox_key")
        values["CRM_QUICKBOOKS_WEBHOOK_URL"] = f"{values['CRM_BILLING_URL']}/webhooks/quickbooks"
    values |= {
        name: value for name, value in chosen.items() if service.name in PROVIDER_SECRETS.get(name, (service.name,))
    }
    # Nobody chooses these: they must agree with what the servers were set up with.
    values["CRM_DATABASE_URL"] = database_url(service, addresses, secrets)
    if service.on_bus:
        values |= {
            "CRM_NATS_URL": addresses.nats_url,
            "CRM_NATS_USER": service.name,
            "CRM_NATS_PASSWORD": secrets.nats_password(service.name),
        }
    return values


def owner_environment(
    environment: Mapping[str, str], service: Service, addresses: Addresses, secrets: SecretFiles
) -> dict[str, str]:
    """The same for a migration, which works as the owner of the schema."""
    return {**environment, "CRM_DATABASE_URL": database_url(service, addresses, secrets, owner=True)}


def database_url(service: Service, addresses: Addresses, secrets: SecretFiles, *, owner: bool = False) -> str:
    user = f"{service.name}_owner" if owner else service.name
    password = secrets.database_password(service, owner=owner)
    server = f"{addresses.host(services.POSTGRES)}:{addresses.at(services.POSTGRES_PORT)}"
    return f"postgresql+asyncpg://{user}:{password}@{server}/{service.name}"


def admin_url(addresses: Addresses, secrets: SecretFiles) -> str:
    """The superuser's, for asyncpg."""
    server = f"{addresses.host(services.POSTGRES)}:{addresses.at(services.POSTGRES_PORT)}"
    return f"postgresql://{SUPERUSER}:{secrets.postgres_password()}@{server}/postgres"


def _public_url(addresses: Addresses, chosen: Mapping[str, str]) -> str:
    """Where browsers come in: plain on this machine, and by its name over TLS from anywhere else."""
    name = chosen.get("CRM_PUBLIC_HOST")
    return f"https://{name}:{addresses.port}" if name else addresses.public_url


def _peers(table: tuple[Service, ...], addresses: Addresses, chosen: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for peer in table:
        if peer.is_stand_in:
            found["CRM_OPENPHONE_URL"] = addresses.url(peer.process("api"), peer.port)
            # A browser goes there, and knows neither names nor ports of containers.
            published = chosen.get("CRM_SANDBOX_PORT") if addresses.in_containers else None
            port = published or addresses.at(peer.port)
            found["CRM_QUICKBOOKS_AUTHORIZE_URL"] = f"http://127.0.0.1:{port}/connect/oauth2"
            continue
        for kind in peer.kinds:
            suffix = "" if kind == "api" else "_WORKER"
            found[f"CRM_{peer.name.upper()}{suffix}_URL"] = addresses.url(peer.process(kind), peer.offset(kind))
    return found


def _identity(table: tuple[Service, ...], secrets: SecretFiles) -> dict[str, str]:
    return {
        "CRM_SEALING_KEY": secrets.get("sealing_key", key_bytes),
        "CRM_SERVICE_SECRETS": json.dumps({peer.name: secrets.service_secret(peer) for peer in table}),
    }
