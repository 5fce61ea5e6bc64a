"""Rules of the code that no linter knows: the second time one is broken by hand, it becomes a check here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "shared",
    "services/contacts",
    "services/campaigns",
    "services/messaging",
    "services/billing",
    "gateway",
    "sandbox",
)

# Security time and measuring may read the machine's clock; domain time is crm_now().
CLOCK_READERS = {"shared/src/shared/clock.py"}
CLOCK_READ = re.compile(r"\b(datetime|date)\.(now|utcnow|today)$")
BARE_NOW = re.compile(r"(?<![a-z_.])(now\(\)|current_timestamp)", re.IGNORECASE)
BANNED_NAMES = re.compile(r"(^|_)(utils|helpers|common|base|manager|processor)$|_(v2|refactored|new)$|^new_")
LEFT_FOR_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|^\s+raise NotImplementedError$", re.MULTILINE)
SECRET_COMPARISON = re.compile(r"\b(signature|hmac|secret)\s*(==|!=)|(==|!=)\s*(signature|hmac|secret)\b")


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package / "src").rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for name, text in sources():
        for node in ast.walk(ast.parse(text)):
            yield name, node


def test_domain_code_reads_no_clock_of_the_machine() -> None:
    readers = {
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if isinstance(node, ast.Call) and CLOCK_READ.search(ast.unparse(node.func)) and name not in CLOCK_READERS
    }
    assert readers == set()


def test_sql_reads_domain_time_only_through_crm_now() -> None:
    offenders = {
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\b(SELECT|UPDATE|INSERT|DEFAULT)\b", node.value)
        and BARE_NOW.search(node.value)
    }
    assert offenders == set()


def test_modules_are_named_for_what_they_hold() -> None:
    assert [name for name, _ in sources() if BANNED_NAMES.search(Path(name).stem)] == []


def test_nothing_is_left_for_later_in_the_code() -> None:
    assert [name for name, text in sources() if LEFT_FOR_LATER.search(text)] == []


def test_a_swallowed_exception_says_why() -> None:
    silent = {
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if isinstance(node, ast.ExceptHandler)
        and len(node.body) == 1
        and isinstance(node.body[0], ast.Pass)
        and "#" not in "\n".join((ROOT / name).read_text().splitlines()[node.lineno - 1 : node.body[0].end_lineno])
    }
    assert silent == set()


def test_secrets_are_compared_in_constant_time() -> None:
    assert [
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if isinstance(node, ast.Compare) and SECRET_COMPARISON.search(ast.unparse(node).lower())
    ] == []
