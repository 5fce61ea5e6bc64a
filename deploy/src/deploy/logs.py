"""Reading the logs of several processes as one."""

import time
from collections.abc import Mapping
from pathlib import Path

import typer
from shared.embedded.process import last_lines

POLL_SECONDS = 0.2


def show(files: Mapping[str, Path], *, lines: int, follow: bool) -> None:
    """Print the ends of the files, each line with its process's name; with `follow` go on until interrupted."""
    width = max(map(len, files))
    tails = {name: _Tail(path) for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines).splitlines():
            typer.echo(f"{name:<{width}} | {line}")
    while follow:
        for name, tail in tails.items():
            for line in tail.new_lines():
                typer.echo(f"{name:<{width}} | {line}")
        time.sleep(POLL_SECONDS)


class _Tail:
    """What is added to a file, across its rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        if not self._path.exists():
            return []
        if self._path.stat().st_size < self._position:
            self._position = 0
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace") for line in whole]
