"""The table of services: the ports and names that everything else is derived from."""

from deploy.services import SERVICES

from deploy import services


def test_no_two_processes_share_a_port() -> None:
    fixed = [services.POSTGRES_PORT, services.NATS_PORT, services.MONITOR_PORT]
    ports = fixed + [service.offset(kind) for service in SERVICES for kind in service.kinds]
    assert len(ports) == len(set(ports))


def test_ports_are_those_that_the_documentation_names() -> None:
    found = {service.process(kind): service.offset(kind) for service in SERVICES for kind in service.kinds}
    assert found["contacts-api"] == 10
    assert found["messaging-worker"] == 31
    assert found["gateway-api"] == 50
    assert found["sandbox-api"] == 60


def test_only_stand_ins_stay_off_the_bus() -> None:
    assert [service.name for service in SERVICES if not service.on_bus] == ["sandbox"]
