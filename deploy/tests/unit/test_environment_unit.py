"""What processes are told, and what they are not told."""

import json
from pathlib import Path

import pytest
from deploy.environment import Addresses, chosen_settings, owner_environment, service_environment
from deploy.secret_files import SecretFiles
from deploy.services import SERVICES, Service

BY_NAME = {service.name: service for service in SERVICES}


@pytest.fixture
def secrets(tmp_path: Path) -> SecretFiles:
    return SecretFiles(tmp_path / "secrets")


def _environment(name: str, secrets: SecretFiles, **chosen: str) -> dict[str, str]:
    return service_environment(
        BY_NAME[name], table=SERVICES, addresses=Addresses(port_base=20000), secrets=secrets, chosen=chosen
    )


def test_each_service_knows_its_own_database_and_bus_user_only(secrets: SecretFiles) -> None:
    contacts = _environment("contacts", secrets)
    assert contacts["CRM_NATS_USER"] == "contacts"
    assert contacts["CRM_DATABASE_URL"].endswith("@127.0.0.1:20000/contacts")
    text = json.dumps(contacts)
    for other in ("campaigns", "messaging", "gateway"):
        assert secrets.database_password(BY_NAME[other]) not in text
        assert secrets.nats_password(other) not in text
        assert secrets.service_secret(BY_NAME[other]) not in text


def test_the_providers_key_reaches_only_those_who_speak_to_the_provider(secrets: SecretFiles) -> None:
    chosen = {"CRM_OPENPHONE_API_KEY": "key-of-the-provider"}
    holders = {name for name in BY_NAME if "key-of-the-provider" in _environment(name, secrets, **chosen).values()}
    assert holders == {"messaging", "sandbox"}


def test_only_the_gateway_can_check_and_sign(secrets: SecretFiles) -> None:
    assert {name for name in BY_NAME if "CRM_SEALING_KEY" in _environment(name, secrets)} == {"gateway"}
    known = json.loads(_environment("gateway", secrets)["CRM_SERVICE_SECRETS"])
    assert known["messaging"] == _environment("messaging", secrets)["CRM_SERVICE_SECRET"]


def test_a_migration_works_as_the_owner(secrets: SecretFiles) -> None:
    environment = owner_environment(
        _environment("contacts", secrets), BY_NAME["contacts"], Addresses(port_base=20000), secrets
    )
    assert "//contacts_owner:" in environment["CRM_DATABASE_URL"]


def test_what_the_servers_were_set_up_with_cannot_be_chosen_otherwise(secrets: SecretFiles) -> None:
    environment = _environment("contacts", secrets, CRM_NATS_USER="deploy", CRM_LOG_LEVEL="DEBUG")
    assert environment["CRM_NATS_USER"] == "contacts"
    assert environment["CRM_LOG_LEVEL"] == "DEBUG"


def test_a_further_service_is_known_to_all_by_one_line(secrets: SecretFiles) -> None:
    table = (*SERVICES, Service("billing", 40))
    environment = service_environment(
        BY_NAME["gateway"], table=table, addresses=Addresses(port_base=20000), secrets=secrets, chosen={}
    )
    assert environment["CRM_BILLING_URL"] == "http://127.0.0.1:20040"
    assert environment["CRM_BILLING_WORKER_URL"] == "http://127.0.0.1:20041"
    assert "billing" in json.loads(environment["CRM_SERVICE_SECRETS"])


def test_settings_of_the_file_yield_to_the_environment(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("# a remark\nCRM_MODE=trial\nCRM_LOG_LEVEL='DEBUG'\nPATH=/elsewhere\n")
    chosen = chosen_settings(tmp_path, {"CRM_MODE": "live", "CRM_STATE": "/x", "HOME": "/root"})
    assert chosen == {"CRM_MODE": "live", "CRM_LOG_LEVEL": "DEBUG"}


def test_a_wildcard_address_is_shown_as_one_that_opens() -> None:
    assert Addresses(bind="0.0.0.0").public_url == "http://127.0.0.1:8080"

    assert Addresses(bind="2001:db8::7").public_url == "http://[2001:db8::7]:8080"
