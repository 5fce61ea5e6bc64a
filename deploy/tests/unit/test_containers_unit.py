"""The compose file and the files of the containers agree with the table of services."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.containers import Containers
from deploy.generate import ROOT
from deploy.services import SERVICES

BUILT_HERE = ("files", "bootstrap", *(service.process(kind) for service in SERVICES for kind in service.kinds))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture
def files(tmp_path: Path) -> Path:
    Containers(tmp_path, settings={}).write_files()
    return tmp_path


def test_every_process_has_a_container_with_its_port_and_its_own_files(compose: dict[str, Any]) -> None:
    for service in SERVICES:
        for kind in service.kinds:
            container = compose["services"][service.process(kind)]
            assert container["command"] == [service.name, kind, *_listening(18100 + service.offset(kind))]
            assert container["volumes"] == [f"{service.name}:/files:ro"]
            assert str(18100 + service.offset(kind)) in container["healthcheck"]["test"][-1]
            assert container.get("profiles") == (["sandbox"] if service.is_stand_in else None)


def _listening(port: int) -> list[str]:
    return ["--host", "0.0.0.0", "--port", str(port)]


def test_the_first_container_fills_the_volume_of_every_service(compose: dict[str, Any]) -> None:
    filled = {volume.split(":")[0] for volume in compose["services"]["files"]["volumes"]}
    assert filled >= {service.name for service in SERVICES}
    assert filled <= set(compose["volumes"])


def test_only_the_edge_and_the_stand_in_are_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: container["ports"] for name, container in compose["services"].items() if "ports" in container}
    assert sorted(published) == ["caddy", "sandbox-api"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_a_browser_reaches_the_page_on_which_it_consents(compose: dict[str, Any], files: Path) -> None:
    assert compose["services"]["sandbox-api"]["ports"] == ["127.0.0.1:${CRM_SANDBOX_PORT:-18160}:18160"]
    for chosen, port in (({}, 18160), ({"CRM_SANDBOX_PORT": "19000"}, 19000)):
        Containers(files, settings=chosen).write_files()
        environment = json.loads((files / "billing" / "environment.json").read_text())
        assert environment["CRM_QUICKBOOKS_AUTHORIZE_URL"] == f"http://127.0.0.1:{port}/connect/oauth2"


@pytest.mark.parametrize("name", [*BUILT_HERE, "nats", "caddy", "postgres"])
def test_no_container_has_more_rights_than_it_needs(compose: dict[str, Any], name: str) -> None:
    container = compose["services"][name]
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container.get("read_only") is (None if name == "postgres" else True)
    assert "privileged" not in container


def test_each_container_finds_the_others_by_their_names(files: Path) -> None:
    environment = json.loads((files / "messaging" / "environment.json").read_text())
    assert environment["CRM_NATS_URL"] == "nats://nats:18101"
    assert environment["CRM_DATABASE_URL"].endswith("@postgres:18100/messaging")
    assert environment["CRM_OPENPHONE_URL"] == "http://sandbox-api:18160"
    assert environment["CRM_CONTACTS_URL"] == "http://contacts-api:18110"


def test_passwords_are_the_same_at_both_ends_and_stay(files: Path) -> None:
    Containers(files, settings={}).write_files()
    users = json.loads((files / "nats" / "nats.conf").read_text())["authorization"]["users"]
    known = {user["user"]: user["password"] for user in users}
    for service in ("contacts", "gateway"):
        environment = json.loads((files / service / "environment.json").read_text())
        assert environment["CRM_NATS_PASSWORD"] == known[service]


def test_what_a_service_may_know_is_in_its_own_folder_only(files: Path) -> None:
    file = files / "contacts" / "environment.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database = json.loads(file.read_text())["CRM_DATABASE_URL"].split(":")[2].split("@")[0]
    holders = {path.parent.name for path in files.rglob("*") if path.is_file() and database in path.read_text()}
    assert holders == {"contacts", "secrets"}


def test_without_the_sandbox_its_container_gets_nothing(tmp_path: Path) -> None:
    Containers(tmp_path, settings={"CRM_MODE": "live"}).write_files()
    assert not (tmp_path / "sandbox").exists()
    for service in ("messaging", "billing"):
        told = json.loads((tmp_path / service / "environment.json").read_text())
        assert not {"CRM_OPENPHONE_URL", "CRM_QUICKBOOKS_AUTHORIZE_URL"} & set(told)
