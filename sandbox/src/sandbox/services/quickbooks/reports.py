"""Reports that the server works out of its own books."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from sandbox.quickbooks import faults
from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.forms import ZERO, Document
from sandbox.services.quickbooks.searching import BALANCE
from sandbox.services.quickbooks.store import Store

COLUMNS = ("Current", "1 - 30", "31 - 60", "61 - 90", "91 and over")
_LATEST = (0, 30, 60, 90)


async def aged_receivables(store: Store, report_date: str | None) -> Document:
    """Open balances by customer and by days past due; blank where there is nothing."""
    try:
        today = date.fromisoformat(report_date) if report_date else store.local_now.date()
    except ValueError:
        raise faults.business("report_date is no date of the form YYYY-MM-DD.") from None
    owed: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO] * len(COLUMNS))
    for body in await store.rendered_all(store.selection(KINDS["Invoice"]).where(BALANCE != 0)):
        late = (today - date.fromisoformat(body["DueDate"])).days
        column = sum(late > latest for latest in _LATEST)
        owed[body["CustomerRef"]["value"], body["CustomerRef"].get("name", "")][column] += Decimal(body["Balance"])
    rows = [_row({"id": customer, "value": name}, amounts) for (customer, name), amounts in sorted(owed.items())]
    totals = [sum(column, ZERO) for column in zip(*owed.values(), strict=True)] or [ZERO] * len(COLUMNS)
    summary = {"ColData": [{"value": "TOTAL"}, *({"value": str(amount)} for amount in (*totals, sum(totals, ZERO)))]}
    return {
        "Header": {
            "Time": store.local(store.now),
            "ReportName": "AgedReceivables",
            "DateMacro": "today",
            "EndPeriod": today.isoformat(),
            "Currency": "USD",
            "Option": [{"Name": "report_date", "Value": today.isoformat()}],
        },
        "Columns": {
            "Column": [
                {"ColTitle": "", "ColType": "Customer"},
                *({"ColTitle": title, "ColType": "Money"} for title in (*COLUMNS, "Total")),
            ]
        },
        "Rows": {"Row": [*rows, {"Summary": summary, "type": "Section", "group": "GrandTotal"}]},
    }


def _row(customer: dict[str, str], amounts: list[Decimal]) -> Document:
    cells = [{"value": str(amount) if amount else ""} for amount in amounts]
    return {"ColData": [customer, *cells, {"value": str(sum(amounts, ZERO))}]}
