"""The supervisor (supervisord): its configuration, and a small client of its control socket."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from shared.embedded.process import last_lines
from supervisor.xmlrpc import Faults, SupervisorTransport

LONGEST_SOCKET_PATH = 100  # of 108 bytes; supervisord makes its socket beside, under a slightly longer name
STARTS_BEFORE_GIVING_UP = 1_000_000  # a database that comes back after hours finds its services still trying
ALIVE = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")


@dataclass(frozen=True)
class Program:
    """One supervised process. Lower priorities start first and stop last."""

    name: str
    command: Sequence[str]
    directory: Path
    log: Path
    priority: int = 100
    stop_signal: str = "TERM"
    stop_seconds: int = 20


@dataclass(frozen=True)
class ProcessState:
    name: str
    state: str
    pid: int
    exit_status: int
    description: str

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING"

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE


class SupervisorError(Exception):
    """The supervisor did not do what it was asked."""


def render(programs: Iterable[Program], *, run_dir: Path, log_dir: Path, socket: Path) -> str:
    """supervisord.conf. Nothing starts by itself: `up` starts things in order and waits for them."""
    lines = [
        "[supervisord]",
        f"logfile={_literal(log_dir / 'supervisord.log')}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={_literal(run_dir / 'supervisord.pid')}",
        f"childlogdir={_literal(log_dir)}",
        "umask=077",
        *(["user=root"] if os.geteuid() == 0 else []),  # said, so that it does not warn about it
        "",
        "[unix_http_server]",
        f"file={_literal(socket)}",
        "chmod=0600",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[supervisorctl]",
        f"serverurl={_literal(f'unix://{socket}')}",
    ]
    for program in programs:
        lines += ["", *_section(program)]
    return "\n".join(lines) + "\n"


def _section(program: Program) -> list[str]:
    return [
        f"[program:{program.name}]",
        f"command={_literal(shlex.join(program.command))}",
        f"directory={_literal(program.directory)}",
        "autostart=false",
        "autorestart=true",
        "startsecs=1",
        f"startretries={STARTS_BEFORE_GIVING_UP}",
        f"priority={program.priority}",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_seconds}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_literal(program.log)}",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=3",
    ]


def _literal(value: object) -> str:
    """supervisord expands %(...)s in every value."""
    return str(value).replace("%", "%%")


def socket_path(run_dir: Path) -> Path:
    """Where the control socket is: in the state folder, or in one of its own where that path is too long."""
    wanted = run_dir / "supervisor.sock"
    if len(str(wanted)) <= LONGEST_SOCKET_PATH:
        return wanted
    digest = hashlib.sha256(str(run_dir).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"crm-{os.geteuid()}-{digest}" / "supervisor.sock"


class Supervisor:
    """One supervisord, found by its socket."""

    def __init__(self, config: Path, socket: Path, log: Path) -> None:
        self._config = config
        self._socket = socket
        self._log = log

    def _call(self, method: str, *arguments: object) -> Any:
        # A connection for each call: one that is kept breaks when supervisord is restarted.
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        try:
            with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, HTTPException) as error:
            raise SupervisorError("The supervisor does not answer; run `make up` again.") from error

    @property
    def pid(self) -> int | None:
        """The supervisor's process, or None where none answers."""
        if not self._socket.exists():
            return None
        try:
            return int(self._call("getPID"))
        except (SupervisorError, xmlrpc.client.Error):
            return None

    def start(self, within: float = 15) -> None:
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._socket.parent.stat().st_uid != os.geteuid():
            raise SupervisorError(f"{self._socket.parent} belongs to somebody else; remove it and try again.")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
        deadline = time.monotonic() + within
        while self.pid is None:
            if result.returncode or time.monotonic() > deadline:
                why = (result.stderr or result.stdout).strip() or last_lines(self._log)
                raise SupervisorError(f"The supervisor did not start: {why}")
            time.sleep(0.05)

    def reload(self) -> None:
        """Take programs that are new in the configuration, and restart those whose definition changed."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*changed, *removed]:
            self.stop(name)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)

    def processes(self) -> dict[str, ProcessState]:
        return {
            entry["name"]: ProcessState(
                name=entry["name"],
                state=entry["statename"],
                pid=entry["pid"],
                exit_status=entry["exitstatus"],
                description=entry["description"],
            )
            for entry in self._call("getAllProcessInfo")
        }

    def begin_start(self, name: str) -> None:
        """Ask for a start without waiting; one that runs already stays."""
        self._forgiving("startProcess", name, Faults.ALREADY_STARTED)

    def begin_stop(self, name: str) -> None:
        self._forgiving("stopProcess", name, Faults.NOT_RUNNING, Faults.BAD_NAME)

    def stop(self, *names: str, within: float = 60) -> None:
        """Stop processes side by side and wait until all have ended."""
        for name in names:
            self.begin_stop(name)
        deadline = time.monotonic() + within
        while left := [n for n, process in self.processes().items() if n in names and process.is_alive]:
            if time.monotonic() > deadline:
                raise SupervisorError(f"{', '.join(left)} did not stop within {within:g} s.")
            time.sleep(0.05)

    def shutdown(self, within: float = 60) -> None:
        """End the supervisor and what still runs under it."""
        if (pid := self.pid) is None:
            return
        self._call("shutdown")
        deadline = time.monotonic() + within
        while _exists(pid):
            if time.monotonic() > deadline:
                raise SupervisorError(f"The supervisor (process {pid}) did not stop within {within:g} s.")
            time.sleep(0.05)

    def _forgiving(self, method: str, name: str, *forgiven: int) -> None:
        try:
            self._call(method, name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in forgiven:
                raise SupervisorError(f"{name}: {fault.faultString}") from fault


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        # Where nobody collects orphans (many containers), one that has ended keeps its number.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()
