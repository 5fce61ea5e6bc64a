"""The gateway, as its command line and the tests see it."""

from shared.main import ServiceSpec

from gateway.app import create_app
from gateway.registry import NAME, build_registry
from gateway.settings import GatewaySettings
from gateway.worker import create_worker

SPEC = ServiceSpec(name=NAME, settings=GatewaySettings, registry=build_registry, app=create_app, worker=create_worker)
