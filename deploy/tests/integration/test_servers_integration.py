"""The launchers: start, crash, come back; run without the rights of root; die with whoever started them."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest
from shared.embedded import NatsServer, PostgresServer, ServerError, free_port
from shared.testing.waiting import until


async def test_rows_that_were_committed_survive_a_kill_and_an_immediate_stop(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", free_port(), password="p")
    try:
        for number, stop in enumerate((server.kill, server.stop_immediately, server.stop)):
            server.start()
            connection = await asyncpg.connect(server.url())
            await connection.execute("CREATE TABLE IF NOT EXISTS row (id int)")
            await connection.execute("INSERT INTO row VALUES ($1)", number)
            assert await connection.fetchval("SELECT count(*) FROM row") == number + 1
            connection.terminate()
            stop()
            assert server.pid is None
            assert not server.is_ready()
    finally:
        server.stop()
        server.remove()


def test_a_pid_file_from_before_a_power_cut_is_no_obstacle(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", free_port(), password="p", fsync=False)
    server.initialise()
    # After the machine came back the number belongs to somebody else, here to this test.
    (server.data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data_dir}\n")
    with server:
        assert server.is_ready()
    server.remove()


def test_a_second_server_on_the_same_data_is_refused_in_words(own_postgres: PostgresServer, folder: Path) -> None:
    with pytest.raises(ServerError, match=r"runs on .* already"):
        PostgresServer(folder / "postgres", free_port(), password="p").start()


def test_a_server_that_cannot_start_says_why(own_postgres: PostgresServer, tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", own_postgres.port, password="p", fsync=False)
    with pytest.raises(ServerError, match=r"(?s)PostgreSQL ended at start.*could not bind"):
        server.start()
    server.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_postgresql_never_runs_as_root(own_postgres: PostgresServer) -> None:
    assert own_postgres.pid
    assert Path(f"/proc/{own_postgres.pid}").stat().st_uid == own_postgres.data_dir.stat().st_uid != 0
    assert own_postgres.data_dir.stat().st_mode & 0o777 == 0o700


async def test_it_listens_on_loopback_with_a_password_and_collates_alike_everywhere(
    own_postgres: PostgresServer,
) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=own_postgres.port, user="postgres", password="guess")
    connection = await asyncpg.connect(own_postgres.url())
    assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
    assert await connection.fetchval("SHOW unix_socket_directories") == ""
    assert await connection.fetchval("SHOW max_connections") == "300"
    assert await connection.fetchval("SELECT 'a' > 'B'")  # byte order, whatever the machine's language
    await connection.close()


async def test_servers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from shared.embedded import *\n"
        "folder = Path(sys.argv[1])\n"
        "postgres = PostgresServer(folder / 'postgres', free_port(), password='p', fsync=False).start()\n"
        "nats = NatsServer(folder / 'nats', free_port(), free_port(), users=[]).start()\n"
        "print(postgres.pid, nats.pid, flush=True); time.sleep(600)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not any(_runs(pid) for pid in pids))
    PostgresServer(tmp_path / "postgres", 1, password="p").remove()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_a_frozen_nats_thaws(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", free_port(), free_port(), users=[]) as server:
        server.pause()
        # The signal takes a moment to reach every thread of it.
        await until(lambda: not server.is_ready())
        server.resume()
        await until(server.is_ready)
        server.kill()
        assert not server.is_ready()
        assert server.start().is_ready()


def test_the_configuration_with_its_passwords_is_private(own_nats: NatsServer) -> None:
    assert own_nats.config_file.stat().st_mode & 0o777 == 0o600
