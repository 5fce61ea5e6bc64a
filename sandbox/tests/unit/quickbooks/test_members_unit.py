"""The description of QuickBooks' API: complete, served, and what writes are held to."""

import json
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from sandbox.quickbooks.entities import KINDS, READ_ONLY
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.members import MOST_DEPTH, check_members, with_numbers
from sandbox.routes.quickbooks.operations import OPERATIONS, Asked, operation_of

DOCUMENT = json.loads((files("sandbox") / "quickbooks_openapi.json").read_text())
COMPANY = "/v3/company/{realmId}/"


def asked_of(method: str, path: str, operation: str | None = None) -> Asked:
    below = path.removeprefix(COMPANY).replace("{entity}", "invoice").replace("{id}", "1").lower()
    query = {"operation": operation} if operation else {}
    return Asked(method.upper(), tuple(below.split("/")), query, b"{}")


def test_every_described_operation_is_served_and_every_served_one_is_described() -> None:
    described = [(way, path) for path, ways in DOCUMENT["paths"].items() for way in ways if path.startswith(COMPANY)]
    served = {operation_of(asked_of(method, path)).handler for method, path in described}
    served |= {
        operation_of(asked_of("post", f"{COMPANY}invoice", verb)).handler for verb in ("update", "delete", "void")
    }
    assert served == OPERATIONS.keys()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_is_described_with_what_it_needs_and_names(kind: Any) -> None:
    members = DOCUMENT["components"]["schemas"][kind.name]["properties"].keys()
    assert members >= {*kind.required, "Id", "SyncToken", "MetaData"} | READ_ONLY
    assert f"{COMPANY}{kind.name.lower()}" in DOCUMENT["paths"]


def nested(depth: int) -> Any:
    return {"Deeper": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("Invoice", {"Colour": "red"}, "2010"),
        ("Invoice", {"DocNumber": 5}, "2010"),
        ("Invoice", {"DocNumber": "x" * 22}, "2050"),
        ("Invoice", {"Line": {}}, "2010"),
        ("Invoice", {"Line": [None]}, "2010"),
        ("Invoice", {"Line": [{"Amount": "ten"}]}, "2010"),
        ("Invoice", {"Line": [{"LinkedTxn": [{"TxnId": []}]}]}, "2010"),
        ("Invoice", {"BillEmail": "ana@example.com"}, "2010"),
        ("Invoice", {"BillEmail": {"Address": 1}}, "2010"),
        ("Invoice", {"EmailStatus": "Sent"}, "2170"),
        ("Invoice", {"TxnDate": "20261122"}, "2010"),
        ("Invoice", {"CustomerMemo": {"Deep": nested(MOST_DEPTH + 2)}}, "2010"),
        ("Payment", {"TotalAmt": 10**12}, "2010"),
        ("Term", {"DueDays": 1000}, "2010"),
        ("Account", {"Name": "x" * 101}, "2050"),
        ("Vendor", {"Taxable": True}, "2010"),
    ],
)
def test_a_member_that_is_not_as_described_is_refused(kind: str, given: dict[str, Any], code: str) -> None:
    with pytest.raises(QuickBooksFault) as refused:
        check_members(kind, given)
    assert refused.value.code == code


@pytest.mark.parametrize("kind", KINDS)
def test_a_null_is_taken_anywhere(kind: str) -> None:
    check_members(kind, dict.fromkeys(DOCUMENT["components"]["schemas"][kind]["properties"]))


def test_the_text_of_a_number_is_taken_for_it() -> None:
    given = {"DocNumber": "5", "Line": [{"Amount": "1.10", "SalesItemLineDetail": {"Qty": "", "UnitPrice": 2}}]}
    check_members("Invoice", given)
    line = {"Amount": Decimal("1.10"), "SalesItemLineDetail": {"Qty": None, "UnitPrice": 2}}
    assert with_numbers(given) == {"DocNumber": "5", "Line": [line]}
