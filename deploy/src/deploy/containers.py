"""The system in containers: one container writes what each other one may know, another prepares the servers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shared.embedded import nats

from deploy import services
from deploy.installation import write_private
from deploy.preparation import Preparation

# In the container of each, its own of these volumes is mounted as /files.
ROOT = Path("/files")
# Where a server of another image keeps its data: a folder that this image does not have, so that the volume stays ours.
STATE = "/state"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a network that only these containers are in


class Containers(Preparation):
    """An installation of one container per process, with a volume per service under `root`."""

    def __init__(self, root: Path = ROOT, port: int = 8080, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(root / "bootstrap", port, settings=settings)
        self._root = root
        self.addresses = replace(self.addresses, in_containers=True)

    @property
    def caddyfile(self) -> Path:
        return self._root / "edge" / "Caddyfile"

    @property
    def caddy_state(self) -> Path:
        return Path(STATE)

    def write_files(self) -> None:
        """Each container's environment and passwords, before any server runs. Secrets are made once."""
        for service in self.table:
            environment = self.env_for(service.process("api"))
            write_private(self._root / service.name / "environment.json", json.dumps(environment, indent=2))
        password = self._root / services.POSTGRES / "password"
        write_private(password, self.secrets.postgres_password())
        password.chmod(0o644)  # for PostgreSQL's own account, whose number is the image's; nobody else has the volume
        config = nats.configuration(
            store_dir=STATE,
            users=self.nats.users,
            host=EVERYWHERE,
            port=self.addresses.at(services.NATS_PORT),
            monitor_port=self.addresses.at(services.MONITOR_PORT),
        )
        write_private(self._root / services.NATS / "nats.conf", json.dumps(config, indent=2))

    def prepare_servers(self) -> bool:
        """Databases, streams, schemas, the administrator, the Caddyfile. Returns whether the administrator is new."""
        for folder in (self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        had_password = self.admin_password_file.exists()
        self.prepare(self.table)
        return not had_password
