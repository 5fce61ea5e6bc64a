"""A server as a child process: started through the tether, watched until it answers, stopped by signal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
POLL_SECONDS = 0.02


class ServerError(Exception):
    """A server did not start or stop; the sentence says what to look at."""


def tethered(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGTERM,
    user: str | None = None,
    env_file: Path | None = None,
    parent: int | None = None,
) -> list[str]:
    """`argv` wrapped so that it gets `death_signal` when its parent dies, however that happened."""
    options = ["--signal", str(int(death_signal))]
    if user:
        options += ["--user", user]
    if env_file:
        options += ["--env-file", str(env_file)]
    if parent:
        options += ["--parent", str(parent)]
    return [sys.executable, "-I", "-S", str(TETHER), *options, "--", *argv]


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, without reading all of a long one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


class Child:
    """One child process with a log file. It dies with the thread that started it, so start it from the main one."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        command = tethered(argv, user=user, death_signal=death_signal, parent=os.getpid())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                command, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_until(self, is_ready: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not is_ready():
            if self.pid is None:
                raise ServerError(f"{self.name} ended at start. The end of {self.log}:\n{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer within {within:g} s; see {self.log}.")
            time.sleep(POLL_SECONDS)

    def send(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals, within: float) -> None:
        """Ends it with the signal and, where that does not do within the time, with SIGKILL."""
        if self._process is None:
            return
        self.send(number)
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
