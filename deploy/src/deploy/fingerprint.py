"""Tells whether what a running process was started with is what it would be started with now."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SOURCES = (".py", ".json", ".txt", ".sql", ".html")


def fingerprint(command: Sequence[str], environment: Mapping[str, str], packages: Sequence[str]) -> str:
    """A digest of the command, the environment and the source code of the packages."""
    digest = hashlib.sha256(json.dumps([list(command), dict(sorted(environment.items()))]).encode())
    for package in packages:
        digest.update(source_digest(package).encode())
    return digest.hexdigest()


@cache
def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def source_digest(package: str) -> str:
    """A digest over the content of the package's files; an empty one for a package that is not there."""
    digest = hashlib.sha256()
    folder = _folder(package)
    if folder is None:
        return ""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SOURCES and path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
