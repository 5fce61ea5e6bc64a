"""Reports that the server works out of its own books."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import true

from sandbox.models import QbObject
from sandbox.quickbooks import faults
from sandbox.quickbooks.controls import Shapes
from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.forms import ZERO, Document
from sandbox.services.quickbooks.searching import BALANCE, CREDIT, UNAPPLIED
from sandbox.services.quickbooks.store import Store

COLUMNS = ("Current", "1 - 30", "31 - 60", "61 - 90", "91 and over")
AGING_METHODS = ("Report_Date", "Current")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LATEST = (0, 30, 60, 90)
_NOTHING = (ZERO,) * len(COLUMNS)


async def aged_receivables(store: Store, asked: Mapping[str, str]) -> Document:
    """Open balances by customer and by days past due, the jobs of a customer below it.

    With `customer` those of this one alone; its jobs are customers of their own. `aging_method` says up to when the
    days are counted: the report's date, or today.
    """
    today = store.local_now.date()
    day = _day(asked["report_date"]) if "report_date" in asked else today
    method, only = _aging_method(asked), await _only_customer(store, asked)
    owed = _aged(await _open_amounts(store, only), today if method == "Current" else day)
    customers = await store.rendered_all(store.selection(KINDS["Customer"]))
    table = _Table(owed, customers, store.controls.shapes)
    rows = table.rows()
    return {
        "Header": _header(store, day, is_empty=not rows),
        "Columns": {
            "Column": [
                {"ColTitle": "", "ColType": "Customer"},
                *({"ColTitle": title, "ColType": "Money"} for title in (*COLUMNS, "Total")),
            ]
        },
        "Rows": {"Row": [*rows, *table.total()]},
    }


def _header(store: Store, day: date, *, is_empty: bool) -> Document:
    options = {"report_date": day.isoformat(), "NoReportData": "true" if is_empty else "false"}
    return {
        "Time": store.local(store.now),
        "ReportName": "AgedReceivables",
        "DateMacro": "today",
        "StartPeriod": day.isoformat(),
        "EndPeriod": day.isoformat(),
        "Currency": "USD",
        "Option": [{"Name": name, "Value": value} for name, value in options.items()],
    }


def _aging_method(asked: Mapping[str, str]) -> str:
    method = asked.get("aging_method", AGING_METHODS[0])
    if method not in AGING_METHODS:
        raise faults.invalid_enumeration("aging_method")
    return method


async def _only_customer(store: Store, asked: Mapping[str, str]) -> str | None:
    """The id of the one customer that is asked for. Raises where there is none of this id."""
    if "customer" not in asked:
        return None
    found = await store.find("Customer", asked["customer"])
    if found is None:
        raise faults.invalid_reference("customer")
    return str(found.id)


def _aged(amounts: Iterable[tuple[str, str, Decimal]], until: date) -> dict[str, list[Decimal]]:
    """What each customer owes by the columns of age."""
    owed: dict[str, list[Decimal]] = defaultdict(lambda: [*_NOTHING])
    for customer, day, amount in amounts:
        late = (until - date.fromisoformat(day)).days
        owed[customer][sum(late > latest for latest in _LATEST)] += amount
    return owed


def _day(text: str) -> date:
    try:
        # The standard library would also take days of other forms.
        return date.fromisoformat(text if DAY.fullmatch(text) else "")
    except ValueError:
        raise faults.business("report_date is no date of the form YYYY-MM-DD.") from None


async def _open_amounts(store: Store, customer: str | None) -> list[tuple[str, str, Decimal]]:
    """By customer and the day from which it is late: unpaid invoices, and below nothing what is not applied to one."""
    is_wanted = true() if customer is None else QbObject.customer_id == customer
    invoices = await store.rendered_all(store.selection(KINDS["Invoice"]).where(BALANCE != 0, is_wanted))
    found = [(body["CustomerRef"]["value"], body["DueDate"], Decimal(body["Balance"])) for body in invoices]
    kinds = {"Payment": ("UnappliedAmt", UNAPPLIED), "CreditMemo": ("RemainingCredit", CREDIT)}
    for kind, (name, column) in kinds.items() if store.controls.shapes.aging_has_credits else ():
        bodies = await store.rendered_all(store.selection(KINDS[kind]).where(column != 0, is_wanted))
        found += [(body["CustomerRef"]["value"], body["TxnDate"], -Decimal(body[name])) for body in bodies]
    return found


class _Table:
    """The rows of the report: a customer with jobs that owe is a section of its own."""

    def __init__(self, owed: Mapping[str, Sequence[Decimal]], customers: Sequence[Document], shapes: Shapes) -> None:
        self._owed = owed
        self._names = {body["Id"]: body["DisplayName"] for body in customers}
        self._shapes = shapes
        self._jobs: dict[str | None, list[str]] = defaultdict(list)
        for body in sorted(customers, key=lambda body: str(body["DisplayName"])):
            parent = (body.get("ParentRef") or {}).get("value")
            self._jobs[parent if parent in self._names else None].append(body["Id"])

    def rows(self, parent: str | None = None) -> list[Document]:
        return [row for customer in self._jobs[parent] if (row := self._row(customer))]

    def _row(self, customer: str) -> Document | None:
        jobs, name = self.rows(customer), self._names[customer]
        line = {"ColData": [{"id": customer, "value": name}, *self._cells(self._owed.get(customer, _NOTHING))]}
        if not jobs:
            return line if customer in self._owed else None
        total = {"ColData": [{"value": f"Total {name}"}, *_summed(self._below(customer))]}
        return {"Header": line, "Rows": {"Row": jobs}, "Summary": total, "type": "Section"}

    def _below(self, customer: str) -> list[Sequence[Decimal]]:
        """What the customer and all its jobs owe."""
        below = [amounts for job in self._jobs[customer] for amounts in self._below(job)]
        return [self._owed.get(customer, _NOTHING), *below]

    def total(self) -> list[Document]:
        if self._shapes.aging_total is None:
            return []
        summary = {"ColData": [{"value": "TOTAL"}, *_summed(list(self._owed.values()))]}
        return [{"Summary": summary, "type": "Section", "group": self._shapes.aging_total}]

    def _cells(self, amounts: Sequence[Decimal]) -> list[Document]:
        cells = [{"value": str(amount) if amount else self._shapes.aging_blank} for amount in amounts]
        return [*cells, {"value": str(sum(amounts, ZERO))}]


def _summed(rows: list[Sequence[Decimal]]) -> list[Document]:
    amounts = [sum(column, ZERO) for column in zip(*rows, strict=True)] or [*_NOTHING]
    return [{"value": str(amount)} for amount in (*amounts, sum(amounts, ZERO))]
