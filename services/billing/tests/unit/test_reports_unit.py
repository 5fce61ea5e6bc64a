"""QuickBooks's report of what is owed (reference, section 12), whichever way it writes totals, blanks and parents."""

from typing import Any

import pytest
from billing.clients.quickbooks.payloads import Unreadable
from billing.clients.quickbooks.reports import owed

COLUMNS = ("", "Current", "1 - 30", "31 - 60", "61 - 90", "91 and over", "Total")


def cells(first: dict[str, str], *amounts: str) -> list[dict[str, str]]:
    return [first, *({"value": amount} for amount in amounts)]


def customer(qb_id: str, *amounts: str) -> dict[str, Any]:
    return {"ColData": cells({"id": qb_id, "value": f"Customer {qb_id}"}, *amounts)}


def summary(*amounts: str, name: str = "TOTAL") -> dict[str, Any]:
    return {"Summary": {"ColData": cells({"value": name}, *amounts)}, "type": "Section"}


def report(*rows: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> dict[str, Any]:
    return {
        "Header": {"ReportName": "AgedReceivables", "Currency": "USD"},
        "Columns": {"Column": [{"ColTitle": title, "ColType": "Money" if title else "Customer"} for title in columns]},
        "Rows": {"Row": list(rows)},
    }


ANA = customer("63", "259.20", "", "", "", "0.5", "259.70")
BEN = customer("64", "", "0.00", "10", "-3.25", "", "6.75")
OWED = {"63": 25_970, "64": 675}


@pytest.mark.parametrize("group", ["GrandTotal", "TOTAL", "", None])
def test_the_total_row_counts_for_nothing_whatever_it_is_called(group: str | None) -> None:
    total = summary("259.20", "0.00", "10.00", "-3.25", "0.50", "266.45")
    named = total if group is None else total | {"group": group}
    assert owed(report(ANA, BEN, named)) == OWED


def test_a_total_that_is_a_plain_row_counts_for_nothing() -> None:
    total = {"ColData": cells({"value": "TOTAL"}, "259.20", "0.00", "10.00", "-3.25", "0.50", "266.45")}
    assert owed(report(ANA, BEN, total)) == OWED


def test_there_may_be_no_total() -> None:
    assert owed(report(ANA, BEN)) == OWED


def test_what_a_parent_owes_itself_stands_in_its_header_or_in_a_row() -> None:
    jobs = {"Row": [customer("71", "1.00", "", "", "", "", "1.00"), customer("72", "", "2.00", "", "", "", "2.00")]}
    below = summary("5.00", "2.00", "", "", "", "7.00", name="Total Acme")
    in_header = {"Header": customer("70", "4.00", "", "", "", "", "4.00"), "Rows": jobs, **below}
    own = customer("70", "4.00", "", "", "", "", "4.00")
    in_row = {"Header": customer("70", "", "", "", "", "", ""), "Rows": {"Row": [own, *jobs["Row"]]}, **below}
    bare = in_row | {"Header": {"ColData": cells({"id": "70", "value": "Acme"})}}
    deeper = {"Header": {"ColData": cells({"value": "West"})}, "Rows": {"Row": [in_header]}, **below}
    found = {"70": 400, "71": 100, "72": 200}
    assert [owed(report(one)) for one in (in_header, in_row, bare, deeper)] == [found] * 4


@pytest.mark.parametrize("rows", [{}, {"Row": []}, None])
def test_nobody_owes_anything(rows: Any) -> None:
    assert owed(report() | {"Rows": rows}) == {}


@pytest.mark.parametrize(
    "document",
    [
        {},
        report(ANA, columns=COLUMNS[:5]),
        report(customer("63", "much", "", "", "", "", "much")),
        report(customer("63", "1.00")),
        report() | {"Rows": {"Row": ["nobody"]}},
    ],
)
def test_what_is_no_such_report_is_said_to_be_none(document: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        owed(document)
