"""Real PostgreSQL and NATS servers from Python packages, for machines and tests without Docker."""

from shared.embedded.nats import NatsServer, NatsUser, deploy_user, service_user
from shared.embedded.ports import base_of_free_ports, free_port, is_free
from shared.embedded.postgres import PostgresServer
from shared.embedded.process import ServerError

__all__ = [
    "NatsServer",
    "NatsUser",
    "PostgresServer",
    "ServerError",
    "base_of_free_ports",
    "deploy_user",
    "free_port",
    "is_free",
    "service_user",
]
