"""Documents derived from code and committed, so that a change of an interface shows in review."""

import difflib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.services import SERVICES

ROOT = Path(__file__).resolve().parents[3]
SHOWN_LINES = 40


class Drift(Exception):
    """A committed document is not what the code says now."""


@dataclass(frozen=True)
class Document:
    """What `python -m <arguments>` prints belongs into the file."""

    path: Path
    arguments: tuple[str, ...]


def documents() -> list[Document]:
    """All of them, in an order in which none needs one that comes later."""
    return [
        *(Document(_project(service.name) / "openapi.json", (service.name, "openapi")) for service in SERVICES),
        Document(ROOT / "gateway/Caddyfile", ("gateway", "caddyfile")),
        Document(ROOT / "shared/src/shared/events/schemas.json", ("shared.events.documents", "schemas")),
        Document(ROOT / "docs/asyncapi.json", ("shared.events.documents", "asyncapi")),
        Document(ROOT / "docs/events.md", ("deploy.events_page",)),
    ]


def _project(package: str) -> Path:
    """The folder of a package's pyproject.toml (src layout)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Drift(f"The package {package} is not installed; run `make venv`.")
    return Path(spec.origin).parents[2]


def generate(*, check: bool) -> list[Path]:
    """Write all documents, or with `check` raise Drift about the first that differs. Returns their paths."""
    wanted = documents()
    for document in wanted:
        text = _output(document.arguments)
        if check:
            compare(document.path, text)
        else:
            document.path.parent.mkdir(parents=True, exist_ok=True)
            document.path.write_text(text)
    return [document.path.relative_to(ROOT) for document in wanted]


def _output(arguments: Sequence[str]) -> str:
    # What is derived may not depend on whose machine derives it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    result = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    if result.returncode:
        raise Drift(f"`python -m {' '.join(arguments)}` failed:\n{result.stderr.strip()}")
    return result.stdout


def compare(path: Path, text: str) -> None:
    committed = path.read_text() if path.exists() else ""
    if committed == text:
        return
    lines = difflib.unified_diff(
        committed.splitlines(), text.splitlines(), "committed", "from the code", lineterm="", n=1
    )
    shown = "\n".join(line for line, _ in zip(lines, range(SHOWN_LINES), strict=False))
    raise Drift(f"{path.relative_to(ROOT)} is not what the code says. Run `make generate` and commit it.\n\n{shown}")
