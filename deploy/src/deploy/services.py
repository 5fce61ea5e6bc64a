"""The one table of what runs. A further service is one further line."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["api", "worker"]

POSTGRES, NATS, CADDY = "postgres", "nats", "caddy"
INFRASTRUCTURE = (POSTGRES, NATS)
POSTGRES_PORT, NATS_PORT, MONITOR_PORT = 0, 1, 2


@dataclass(frozen=True)
class Service:
    """A package with a database; its processes are `python -m <name> <kind> --port N`."""

    name: str
    port: int
    """Of its api, counted from CRM_PORT_BASE; the worker has the next one."""
    kinds: tuple[Kind, ...] = ("api", "worker")
    listens: tuple[str, ...] = ()
    """Live subjects it may subscribe to beyond its own inbox."""
    is_stand_in: bool = False
    """Runs in sandbox mode only, and without the bus."""

    @property
    def has_worker(self) -> bool:
        return "worker" in self.kinds

    @property
    def on_bus(self) -> bool:
        return not self.is_stand_in

    def process(self, kind: Kind) -> str:
        return f"{self.name}-{kind}"

    def offset(self, kind: Kind) -> int:
        return self.port + (kind == "worker")


SERVICES = (
    Service("contacts", 10),
    Service("campaigns", 20),
    Service("messaging", 30),
    Service("billing", 40),
    Service("gateway", 50, listens=("live.>",)),
    Service("sandbox", 60, kinds=("api",), is_stand_in=True),
)
GATEWAY = "gateway"
