"""Ports for a test's servers: free, and nobody else's while they are held."""

import socket

import pytest
from shared.embedded import base_of_free_ports, ports


@pytest.fixture
def only_base(monkeypatch: pytest.MonkeyPatch) -> int:
    with base_of_free_ports(range(99)) as base:
        found = base
    monkeypatch.setattr(ports, "BASES", [found])
    return found


def test_what_is_held_is_given_to_nobody_else(only_base: int) -> None:
    with (
        base_of_free_ports(()) as base,
        pytest.raises(RuntimeError, match="no hundred ports"),
        base_of_free_ports(()),
    ):
        raise AssertionError
    assert base == only_base
    with base_of_free_ports(()) as again:
        assert again == only_base


def test_a_hundred_with_a_port_in_use_is_passed_over(only_base: int) -> None:
    with (
        socket.create_server(("127.0.0.1", only_base + 70)),
        pytest.raises(RuntimeError, match="no hundred ports"),
        base_of_free_ports((0, 70)),
    ):
        raise AssertionError
