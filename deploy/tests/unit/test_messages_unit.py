"""The sentences people get when something is in the way."""

from pathlib import Path

import pytest
from deploy.generate import ROOT, Drift, compare
from deploy.ports import first_busy
from deploy.readiness import NotReady, wait_until_ready
from deploy.supervision import ProcessState


def _state(state: str, pid: int) -> dict[str, ProcessState]:
    return {"api": ProcessState("api", state, pid, 1, "")}


def test_a_process_that_keeps_dying_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("first\nSetting CRM_SEALING_KEY: Field required.\n")
    pids = iter(range(1, 100))
    with pytest.raises(NotReady, match=r"(?s)api ends right after its start.*CRM_SEALING_KEY"):
        wait_until_ready({"api": lambda: False}, lambda: _state("RUNNING", next(pids)), lambda _: log, within=30)


def test_a_process_that_was_given_up_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="api ends right after its start"):
        wait_until_ready({"api": lambda: False}, lambda: _state("FATAL", 0), lambda _: tmp_path / "none", within=30)


def test_a_slow_process_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="Not ready within 0 s: api"):
        wait_until_ready({"api": lambda: False}, lambda: _state("RUNNING", 1), lambda _: tmp_path / "none", within=0)


def test_a_process_whose_port_answers_while_it_is_down_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="Not ready"):
        wait_until_ready({"api": lambda: True}, lambda: _state("BACKOFF", 0), lambda _: tmp_path / "none", within=0)


def test_a_process_that_was_taken_away_meanwhile_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="api was taken away while it started"):
        wait_until_ready({"api": lambda: True}, dict, lambda _: tmp_path / "none", within=30)


@pytest.mark.parametrize("bind", ["203.0.113.7", "nonsense", "2001:db8::7"])
def test_an_address_that_is_none_of_ours_is_not_called_a_port_in_use(bind: str) -> None:
    sentence = first_busy({"caddy": 0}, bind=bind)
    assert sentence
    assert "CRM_BIND must be an address of this machine" in sentence


def test_drift_shows_what_differs_and_what_to_do() -> None:
    with pytest.raises(Drift, match=r"(?s)deploy/openapi.json .*make generate.*\+new"):
        compare(ROOT / "deploy" / "openapi.json", "new")
