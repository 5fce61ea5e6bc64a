"""The whole life of an installation, with one small service in it: up, again, killed, changed, down, reset."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from deploy.readiness import NotReady
from deploy.stack import Stack, StackError
from shared.embedded import is_free
from shared.testing.waiting import until

NewStack = Callable[..., Stack]


def _pids(stack: Stack) -> dict[str, int]:
    return {name: state.pid for name, state in stack.status().items()}


def _seen_by(stack: Stack, offset: int = 70) -> dict[str, str]:
    answer: dict[str, str] = httpx.get(f"http://127.0.0.1:{stack.addresses.at(offset)}").json()
    return answer


def _all_free(stack: Stack) -> bool:
    return all(is_free(stack.addresses.at(offset)) for offset in (0, 1, 2, 70, 71))


def test_a_second_up_leaves_what_is_healthy_alone(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    migrated = stack.log_of("echo-migrate").stat().st_mtime_ns
    before = _pids(stack)
    assert set(before) == {"postgres", "nats", "echo-api", "echo-worker"}
    new_stack().up()
    assert _pids(stack) == before
    assert stack.log_of("echo-migrate").stat().st_mtime_ns == migrated  # nothing to migrate to


def test_only_what_has_other_settings_is_restarted(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    before = _pids(stack)
    stack.set_env("echo-worker", {"CRM_FAILPOINTS": "send.after_wire=kill"})
    stack.up()
    after = _pids(stack)
    assert {name for name in before if before[name] != after[name]} == {"echo-worker"}
    assert _seen_by(stack, 71)["CRM_FAILPOINTS"] == "send.after_wire=kill"
    assert "CRM_FAILPOINTS" not in _seen_by(stack, 70)
    stack.set_env("echo-worker", {"CRM_FAILPOINTS": None})
    stack.restart("echo-worker")
    assert "CRM_FAILPOINTS" not in _seen_by(stack, 71)


@pytest.mark.parametrize("process", ["echo-api", "nats", "postgres"])
async def test_what_is_killed_comes_back(new_stack: NewStack, process: str) -> None:
    stack = new_stack()
    stack.up()
    killed = stack.kill(process, signal.SIGKILL)
    await until(lambda: stack.status()[process].pid not in (0, killed))
    stack.wait_ready(within=30)


def test_down_frees_everything_and_keeps_the_data(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    secret = _seen_by(stack)["CRM_SERVICE_SECRET"]
    stack.down()
    assert stack.status() == {}
    assert _all_free(stack)
    stack.down()  # nothing to do, and no complaint
    stack.up()
    assert _seen_by(stack)["CRM_SERVICE_SECRET"] == secret


async def test_a_machine_that_lost_power_comes_back(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    supervisor = int((stack.state_dir / "run" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)  # everything under it goes too, and leaves its pid files and sockets behind
    await until(lambda: _all_free(stack))
    stack.up()
    stack.wait_ready()


def test_reset_forgets_everything(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    data = stack.postgres.data_dir
    stack.reset()
    assert not stack.state_dir.exists()
    assert not data.exists()
    assert _all_free(stack)


def test_reset_deletes_nothing_that_up_did_not_make(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.state_dir.mkdir()
    kept = stack.state_dir / "photos"
    kept.mkdir()
    with pytest.raises(StackError, match=r"holds something else \(photos, for one\)"):
        stack.up()
    with pytest.raises(StackError, match="was not made by `make up`, so nothing in it is deleted"):
        stack.reset()
    assert [entry.name for entry in stack.state_dir.iterdir()] == ["photos"]
    kept.rmdir()
    (stack.state_dir / "settings.env").write_text("# ours\n")
    stack.up()
    kept.mkdir()
    stack.reset()
    assert sorted(entry.name for entry in stack.state_dir.iterdir()) == ["photos", "settings.env"]
    assert _all_free(stack)
    shutil.rmtree(stack.state_dir)


def test_the_edge_is_asked_where_it_listens(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.2", 0), SimpleHTTPRequestHandler) as server:  # answers with a refusal
        Thread(target=server.serve_forever, daemon=True).start()
        stack = Stack(tmp_path, port=server.server_port, bind="127.0.0.2", settings={})
        assert stack._check_of("caddy")()
        server.shutdown()


def test_commands_wait_for_each_other_in_words(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    with new_stack()._alone():
        for act in (stack.up, stack.down, stack.reset, lambda: stack.restart("echo-api")):
            with pytest.raises(StackError, match="Another command"):
                act()
    assert len(stack.status()) == 4


def test_a_port_in_use_is_named_before_anything_starts(new_stack: NewStack) -> None:
    stack = new_stack()
    with socket.create_server(("127.0.0.1", stack.addresses.at(71))):
        with pytest.raises(
            StackError, match=rf"Port {stack.addresses.at(71)}, which echo-worker needs.*CRM_PORT_BASE="
        ):
            stack.up()
        assert stack.status() == {}


def test_a_service_that_dies_at_start_is_reported_with_its_log(new_stack: NewStack) -> None:
    began = time.monotonic()
    with pytest.raises(NotReady, match=r"(?s)echo-(api|worker) ends right after its start.*told to fail at"):
        new_stack(CRM_ECHO_FAILS="api").up()
    assert time.monotonic() - began < 30


def test_a_failed_migration_stops_the_start_in_words(new_stack: NewStack) -> None:
    stack = new_stack(CRM_ECHO_FAILS="migrate")
    with pytest.raises(StackError, match=r"(?s)`echo migrate` failed.*told to fail at migrate"):
        stack.up()
    assert not stack.status()["echo-api"].is_alive
    repaired = new_stack()
    repaired.up()
    assert repaired.status()["echo-api"].is_running


def test_secrets_stand_in_no_command_line_and_in_no_open_file(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    secrets = {path.read_text().strip() for path in stack.secrets.folder.iterdir()}
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in _pids(stack).values()]
    assert not [secret for secret in secrets if any(secret in line for line in lines)]
    readable = [path for path in stack.state_dir.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in readable if secrets & set(path.read_text(errors="replace").split())]


def test_nothing_but_the_edge_listens_beyond_loopback(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = {stack.addresses.at(offset) for offset in (0, 1, 2, 70, 71)}
    found = {int(row[1][-4:], 16): row[1][:8] for row in listening if row[3] == "0A"}
    assert {port: found.get(port) for port in ours} == dict.fromkeys(ours, "0100007F")


def test_data_whose_secrets_are_gone_are_not_touched(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up()
    stack.down()
    kept = stack.secrets.folder.rename(stack.state_dir / "kept")
    for _ in range(2):
        with pytest.raises(StackError, match="holds the data of an installation whose secrets are gone"):
            new_stack().up()
    kept.rename(stack.secrets.folder)
    new_stack().up()


def test_what_does_not_run_is_said_in_words(new_stack: NewStack) -> None:
    for act in (new_stack().restart, new_stack().stop, new_stack().start):
        with pytest.raises(StackError, match="does not run; start it with `make up`"):
            act("echo-api")


def test_a_process_nobody_knows_is_refused_in_words(new_stack: NewStack) -> None:
    with pytest.raises(StackError, match=r"no process nonsense; there are postgres, nats, echo-api"):
        new_stack().set_env("nonsense", {})
