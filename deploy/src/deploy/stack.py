"""The life of the whole system on one machine: up, down, kills and restarts."""

import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy import services
from deploy.environment import SETTINGS_FILE
from deploy.installation import StackError, write_private
from deploy.ports import first_busy
from deploy.preparation import ADMIN_EMAIL, Preparation
from deploy.readiness import NotReady, answers, wait_until_ready
from deploy.services import CADDY, INFRASTRUCTURE, NATS, POSTGRES, SERVICES, Service
from deploy.supervision import ProcessState, Supervisor, SupervisorError, render, socket_path

READY_WITHIN = 90.0
MONITOR = "the NATS monitor"
MADE_BY_UP = ("run", "logs", "secrets", "env", "caddy", "postgres", "nats")


class Stack(Preparation):
    """One installation: everything it writes is under `state_dir`, everything it starts is under one supervisor.

    Blocking on purpose; from async code call it through `asyncio.to_thread`. Two of them with different folders and
    ports live side by side.
    """

    def __init__(
        self,
        state_dir: Path,
        port: int = 8080,
        port_base: int = 18100,
        *,
        bind: str = "127.0.0.1",
        table: tuple[Service, ...] = SERVICES,
        settings: Mapping[str, str] | None = None,
        fsync: bool = True,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(state_dir, port, port_base, bind=bind, table=table, settings=settings, fsync=fsync)
        self.admin_password_was_made = False
        self._say = say
        self._supervisor = Supervisor(
            self.run_dir / "supervisord.conf", socket_path(self.run_dir), self.log_dir / "supervisord.log"
        )

    def status(self) -> dict[str, ProcessState]:
        """The state of every process; empty when the supervisor does not run."""
        return self._supervisor.processes() if self._supervisor.pid else {}

    def pid(self, process: str) -> int:
        state = self.status().get(process)
        if state is None or not state.pid:
            raise StackError(f"{process} does not run.")
        return state.pid

    def up(self) -> None:
        """Start what does not run, restart what runs with old code or settings, return when all of it serves."""
        had_password = self.admin_password_file.exists()
        self.claim_folder()
        with self._alone():
            self._lay_out()
            self._start_infrastructure()
            self._say("Preparing databases and streams.")
            self.prepare([service for service in self.table if not self._is_current(service)])
            self.admin_password_was_made = not had_password and self.admin_password_file.exists()
            self._start(*self.kinds)
            if self.has_gateway:
                self._start(CADDY)
            self.wait_ready()

    def down(self) -> None:
        """Stop everything that `up` started: services first, then NATS, PostgreSQL last."""
        if self.run_dir.exists():
            with self._alone():
                self._stop_all()

    def _stop_all(self) -> None:
        if self._supervisor.pid is None:
            return
        known = self.status()
        self._supervisor.stop(*(name for name in known if name not in INFRASTRUCTURE))
        self._supervisor.stop(NATS)
        self._supervisor.stop(POSTGRES)
        self._supervisor.shutdown()

    def reset(self) -> None:
        """Forget all data and secrets of this installation: what `up` made in its folder, and nothing else there."""
        if not self.state_dir.exists():
            return
        if not self._marker.exists():
            raise StackError(f"{self.state_dir} was not made by `make up`, so nothing in it is deleted.")
        with self._alone():
            self._stop_all()
            self.cluster(password="").remove()
            for name in MADE_BY_UP:
                shutil.rmtree(self.state_dir / name, ignore_errors=True)
        self._marker.unlink()
        with contextlib.suppress(OSError):
            self.state_dir.rmdir()  # stays where somebody keeps something in it, their settings.env for one

    def start(self, *names: str, wait: bool = True) -> None:
        self._start(*names)
        if wait:
            self.wait_ready(*names)

    def stop(self, *names: str) -> None:
        """Stop processes side by side and keep them stopped."""
        self._states(*names)
        self._supervisor.stop(*names)

    def restart(self, *names: str, wait: bool = True) -> None:
        self._states(*names)
        with self._alone():
            self.stop(*names)
            self.start(*names, wait=wait)

    def kill(self, process: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process; returns its process id. One that ends is started again by the supervisor."""
        pid = self.pid(process)
        os.kill(pid, number)
        return pid

    def wait_ready(self, *names: str, within: float = READY_WITHIN) -> None:
        """Return when these processes (all, when none is named) serve."""
        checks = {name: self._check_of(name) for name in names or self.processes}
        wait_until_ready(checks, self.status, self.log_of, within=within)

    @property
    def _marker(self) -> Path:
        """Says that the folder is ours: only a folder with it is ever deleted from."""
        return self.state_dir / "attack-a-crack-crm.installation"

    def claim_folder(self) -> None:
        """Make the state folder this installation's own. Raises StackError where it holds something else."""
        if self._marker.exists():
            return
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if others := sorted(entry.name for entry in self.state_dir.iterdir() if entry.name != SETTINGS_FILE):
            raise StackError(
                f"{self.state_dir} holds something else ({others[0]}, for one)."
                " Name a new or an empty folder: CRM_STATE=... make up"
            )
        write_private(self._marker, "Made by `make up`; `make reset` deletes what it made here.\n")

    def _lay_out(self) -> None:
        for folder in (self.state_dir, self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        if not self.secrets.exists("postgres") and self.cluster(password="").has_data():
            raise StackError(
                f"{self.cluster(password='').data_dir} holds the data of an installation whose secrets are gone."
                " Put its secrets folder back, or forget the data with `make reset`."
            )
        if self.postgres.os_user:
            self.state_dir.chmod(0o711)  # PostgreSQL's account passes through to its own folder
        running = self.status()
        if busy := first_busy(self._ports(running), bind=self.addresses.bind):
            raise StackError(busy)
        if self.postgres.initialise():
            self._say("Made a new PostgreSQL cluster.")
        if not running.get(POSTGRES, _STOPPED).is_alive:
            self.postgres.clear_stale_pid()
        self.nats.write_config()
        for process in self.kinds:
            self.write_env(process)
        self._configure_supervisor()

    def _ports(self, running: Mapping[str, ProcessState]) -> dict[str, int]:
        """What each process that does not run is going to listen on."""
        wanted = {
            MONITOR: self.addresses.at(services.MONITOR_PORT),
            POSTGRES: self.addresses.at(services.POSTGRES_PORT),
            NATS: self.addresses.at(services.NATS_PORT),
            **{name: self.addresses.at(service.offset(kind)) for name, (service, kind) in self.kinds.items()},
        }
        if self.has_gateway:
            wanted[CADDY] = self.addresses.port
        owner = {MONITOR: NATS}
        return {
            name: port for name, port in wanted.items() if not running.get(owner.get(name, name), _STOPPED).is_alive
        }

    def _configure_supervisor(self) -> None:
        config = render(
            [self.program(name) for name in self.processes],
            run_dir=self.run_dir,
            log_dir=self.log_dir,
            socket=socket_path(self.run_dir),
        )
        write_private(self.run_dir / "supervisord.conf", config)
        if self._supervisor.pid is None:
            self._supervisor.start()
        else:
            self._supervisor.reload()

    def _start_infrastructure(self) -> None:
        self._start(*INFRASTRUCTURE)
        self.wait_ready(*INFRASTRUCTURE)

    def _start(self, *names: str) -> None:
        """Start those that do not run, and restart those that run with something else than they would get now."""
        running = self._states(*names)
        stale = [name for name in names if running[name].is_alive and self._stamp(name) != self.fingerprint(name)]
        if stale:
            self._say(f"Code or settings changed: restarting {', '.join(stale)}.")
            self._supervisor.stop(*stale)
        for name in names:
            if name in stale or not running[name].is_alive:
                self.stamp_file(name).write_text(self.fingerprint(name))
                self._supervisor.begin_start(name)

    def _states(self, *names: str) -> dict[str, ProcessState]:
        """The state of all processes, once it is sure that these are among them."""
        for name in names:
            self.check_name(name)
        states = self.status()
        if not states:
            raise StackError("The system does not run; start it with `make up`.")
        return states

    def _stamp(self, process: str) -> str:
        file = self.stamp_file(process)
        return file.read_text() if file.exists() else ""

    def _is_current(self, service: Service) -> bool:
        states, names = self.status(), [service.process(kind) for kind in service.kinds]
        return all(states[name].is_running and self._stamp(name) == self.fingerprint(name) for name in names)

    def _check_of(self, name: str) -> Callable[[], bool]:
        if name == POSTGRES:
            return self.postgres.is_ready
        if name == NATS:
            return self.nats.is_ready
        if name == CADDY:
            # The edge is there when something behind it answers, be it a refusal.
            return lambda: answers(f"{self.addresses.public_url}/livez", below=500)
        service, kind = self.kinds[name]
        return lambda: answers(f"{self.addresses.url(name, service.offset(kind))}/readyz")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time; the lock goes with the process that holds it."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.run_dir / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError("Another command (`make up`, say) is at work here; wait until it is done.") from None
            yield


_STOPPED = ProcessState("", "STOPPED", 0, 0, "")


EXPECTED_ERRORS = (StackError, NotReady, SupervisorError)
__all__ = ["ADMIN_EMAIL", "EXPECTED_ERRORS", "Stack", "StackError"]
