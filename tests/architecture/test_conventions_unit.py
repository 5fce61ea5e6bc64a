"""Rules of the code that no linter knows: the second time one is broken by hand, it becomes a check here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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

# Where amounts of money are handled: all of billing, the books of the stand-in for QuickBooks, what the demo reads of
# them, and what the others keep of money.
MONEY = (
    "services/billing/src/billing",
    "sandbox/src/sandbox/quickbooks",
    "sandbox/src/sandbox/services/quickbooks",
    "sandbox/src/sandbox/routes/quickbooks",
    "sandbox/src/sandbox/models/quickbooks.py",
    "sandbox/src/sandbox/migrations/versions/0002_quickbooks.py",
    "demo/src/demo/money.py",
    "shared/src/shared/rules/money.py",
    "shared/src/shared/decimal_json.py",
    "shared/src/shared/events/billing.py",
    "shared/src/shared/events/envelope.py",
    *(
        f"services/campaigns/src/campaigns/{name}"
        for name in (
            "attribution.py",
            "queries.py",
            "services/attribution.py",
            "services/revenue.py",
            "models/revenue.py",
            "routes/revenue.py",
            "routes/revenue_schemas.py",
            "routes/results.py",
            "routes/results_schemas.py",
            "migrations/versions/0002_revenue.py",
        )
    ),
    *(
        f"services/contacts/src/contacts/{name}"
        for name in (
            "billing.py",
            "services/billing.py",
            "services/money.py",
            "models/billing.py",
            "models/property.py",
            "queries/money.py",
            "importing/cells.py",
            "migrations/versions/0002_money.py",
        )
    ),
)
# What stands around each of these is no amount, or no float: (file, the expression) by the reason. Billing's own files
# are named from its package on.
FLOATS_ALLOWED = {
    "seconds to wait": {
        "clients/quickbooks/client.py: [str, float]",
        "clients/quickbooks/client.py: not_after: float",
        "clients/quickbooks/client.py: not_after: float = inf",
        "clients/quickbooks/client.py: throttle_seconds: float",
        "clients/quickbooks/client.py: timeout_seconds: float",
        "clients/quickbooks/client.py: float(told)",
        "clients/quickbooks/client.py: retry_after=2.0",
        "clients/quickbooks/faults.py: wait: float",
        "clients/quickbooks/faults.py: retry_after=2.0",
        "provider.py: not_after: float",
        "registry.py: seconds: float",
        "services/leases.py: LONGEST_SECONDS = 3600.0",
        "services/leases.py: LONGEST_SECONDS / self._pause",
        "services/leases.py: settings.reading_lease_seconds / 3",
        "services/notices.py: _RETRY_SECONDS = 2.0",
        "services/claiming.py: not_after: float",
        "services/claiming.py: random.uniform(0.75, 1.25)",
        "settings.py: quickbooks_throttle_seconds: float = Field(60, gt=0)",
        "settings.py: quickbooks_timeout_seconds: float = Field(60, gt=0)",
        "settings.py: push_lease_seconds: float = Field(120, gt=0)",
        "settings.py: reading_lease_seconds: float = Field(30, gt=0)",
        "settings.py: push_retry_seconds: float = Field(2, gt=0)",
        "sandbox/src/sandbox/quickbooks/controls.py: late_seconds: Seconds = 3600.0",
        "sandbox/src/sandbox/quickbooks/controls.py: reorder_seconds: Seconds = 30.0",
        "sandbox/src/sandbox/quickbooks/limits.py: MINUTE = 60.0",
        "sandbox/src/sandbox/quickbooks/limits.py: at: float",
        "sandbox/src/sandbox/quickbooks/limits.py: deque[float]",
        "sandbox/src/sandbox/quickbooks/notices.py: ANSWER_SECONDS = 3.0",
        "sandbox/src/sandbox/routes/quickbooks/edge.py: FaultyResponse(response, WireFault.RESET, 0.0)",
        "sandbox/src/sandbox/services/quickbooks/store.py: late.get(fault, 0.0)",
        "sandbox/src/sandbox/services/quickbooks/store.py: late.get(fault, 0.0) if fault else 0.0",
        "demo/src/demo/money.py: (10, 0.3)",
    },
    "parts of a span of time": {
        "sandbox/src/sandbox/quickbooks/filling.py: span * (number + 1) / (wanted.invoices + 1)",
        "sandbox/src/sandbox/quickbooks/filling.py: span * number / wanted.customers",
    },
    "how often something happens": {
        "sandbox/src/sandbox/quickbooks/filling.py: 0.08 <= draw < 0.12",
        "sandbox/src/sandbox/quickbooks/filling.py: draw < 0.08",
        "sandbox/src/sandbox/quickbooks/filling.py: draw > 0.9",
    },
    "decimals, which their division leaves decimals": {
        "totals.py: Decimal(discount * taxable).scaleb(-2) / gross",
        "sandbox/src/sandbox/quickbooks/filling.py: invoice.open / 2",
        "sandbox/src/sandbox/quickbooks/money.py: discount * taxable / gross",
        "sandbox/src/sandbox/quickbooks/money.py: taxable * tax_percent / HUNDRED",
        "sandbox/src/sandbox/quickbooks/money.py:"
        " gross * number(detail.get('DiscountPercent') or 0, 'DiscountPercent') / HUNDRED",
    },
    "calls a second": {
        "settings.py: quickbooks_rate: float = Field(7.5, ge=0, le=10)",
        "settings.py: Field(7.5, ge=0, le=10)",
    },
    "days and shares, as statistics answer them": {
        "routes/payments.py: float | None",
        "routes/payments.py: float(paid.median)",
        "routes/payments.py: float(paid.mean)",
        "routes/payments.py: accepted / answered",
    },
}
# What the models of request bodies are made of.
IS_SENT = {"Body", "Strict"}
FLOAT_NAME = re.compile(r"^(float|Float|REAL|Real|Double|DOUBLE|DOUBLE_PRECISION)$")
FLOAT_COLUMN = re.compile(r"\b(float[48]?|real|double precision)\b(?=[ ,)(]|$)", re.IGNORECASE)
SQL = re.compile(r"\b(SELECT|UPDATE|INSERT|CREATE TABLE|ALTER TABLE|CAST)\b|::")


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


def money_sources() -> Iterator[tuple[str, str]]:
    for place in MONEY:
        path = ROOT / place
        for found in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield str(found.relative_to(ROOT)), found.read_text()


def floats(text: str) -> set[str]:
    """Whatever makes or keeps a float in this code, each with what stands around it."""
    found = set()
    for parent in ast.walk(ast.parse(text)):
        if isinstance(parent, ast.BinOp | ast.AugAssign) and isinstance(parent.op, ast.Div):
            found.add(ast.unparse(parent))
        for node in ast.iter_child_nodes(parent):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            value = node.value if isinstance(node, ast.Constant) else None
            value = ast.unparse(node) if isinstance(node, ast.JoinedStr) else value
            is_column = isinstance(value, str) and bool(SQL.search(value)) and bool(FLOAT_COLUMN.search(value))
            if isinstance(value, float) or is_column or FLOAT_NAME.match(name):
                found.add(ast.unparse(parent))
    return found


def test_no_money_passes_through_a_float() -> None:
    found = {
        f"{name.removeprefix('services/billing/src/billing/')}: {around}"
        for name, text in money_sources()
        for around in floats(text)
    }
    allowed = set().union(*FLOATS_ALLOWED.values())
    assert found - allowed == set()
    # What is not there any more is not to be allowed any more.
    assert allowed - found == set()


@pytest.mark.parametrize(
    "code",
    [
        "total = 0.1",
        "float(amount)",
        "map(float, amounts)",
        "cents / 100",
        "cents /= 100",
        "total: float = 0",
        "Mapped[float]",
        "mapped_column(Float)",
        "sa.Column('amount', sa.REAL())",
        "text('SELECT amount::double precision FROM payment')",
        "text('ALTER TABLE payment ADD amount REAL')",
        "f'SELECT CAST({amount} AS float8)'",
    ],
)
def test_every_way_to_a_float_is_seen(code: str) -> None:
    assert floats(code)


@pytest.mark.parametrize("code", ["cents // 100", "Decimal('0.1')", "'a real customer'", "amount.scaleb(-2)"])
def test_what_makes_no_float_is_not_taken_for_one(code: str) -> None:
    assert not floats(code)


def test_what_callers_send_writes_its_days_and_instants_out() -> None:
    """Day and Moment refuse numbers, which pydantic reads as days and seconds since 1970."""
    loose = {
        f"{name}:{field.lineno}"
        for name, node in nodes()
        if "/routes/" in name and isinstance(node, ast.ClassDef) and IS_SENT.intersection(map(ast.unparse, node.bases))
        for field in node.body
        if isinstance(field, ast.AnnAssign) and re.search(r"\b(date|datetime)\b", ast.unparse(field.annotation))
    }
    assert loose == set()
