"""The sandbox as the command line, the local run and the tests see it."""

from shared.main import ServiceSpec

from sandbox.app import create_app
from sandbox.registry import build_registry
from sandbox.settings import SandboxSettings

SPEC = ServiceSpec(name="sandbox", settings=SandboxSettings, registry=build_registry, app=create_app, worker=None)
