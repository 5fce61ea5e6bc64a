"""Whatever is written to the accounting API is stored or refused in words: never an error of ours, never half."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox.quickbooks.entities import KINDS

from .app import App, form, payment

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", "x", "1", "-1", "\0", "NaN", "9" * 40]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["value", "Id", "Line"]), inner),
)
SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)


def _paths(document: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    if isinstance(document, dict):
        inner: Any = document.items()
    elif isinstance(document, list):
        inner = enumerate(document)
    else:
        return [here]
    return [here, *(path for key, value in inner for path in _paths(value, (*here, key)))]


def _mutated(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


async def _documents(app: App) -> dict[str, dict[str, Any]]:
    """A good document of each kind that apps write."""
    ana = await app.customer()
    invoice = await app.invoice(ana, "1000000.00")
    waiting = await app.write("Payment", payment(ana, invoice, "1.00"))
    return {
        "Customer": {"DisplayName": "Ben", "PrimaryEmailAddr": {"Address": "ben@example.com"}, "Notes": "x"},
        "Item": {"Name": "Sealing", "UnitPrice": Decimal("1.5"), "IncomeAccountRef": {"value": "1"}},
        "Term": {"Name": "Net 7", "DueDays": 7},
        "Estimate": form(ana, ExpirationDate="2027-01-01"),
        "Invoice": form(ana, SalesTermRef={"value": "3"}, LinkedTxn=[{"TxnId": "1", "TxnType": "Estimate"}]),
        "CreditMemo": form(ana),
        "Payment": payment(ana, invoice, "0.01"),
        "RefundReceipt": form(ana, DepositToAccountRef={"value": "2"}, PaymentRefNum="ch_1"),
        "Deposit": {
            "DepositToAccountRef": {"value": "2"},
            "Line": [
                {"Amount": 1, "LinkedTxn": [{"TxnId": waiting["Id"], "TxnType": "Payment"}]},
                {"Amount": 1, "DetailType": "DepositLineDetail", "DepositLineDetail": {"AccountRef": {"value": "1"}}},
            ],
        },
    }


@SETTINGS
@given(data=st.data())
@pytest.mark.parametrize(
    "kind",
    ["Customer", "Item", "Term", "Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt", "Deposit"],
)
async def test_a_mutated_document_is_stored_or_refused(app: App, kind: str, data: st.DataObject) -> None:
    assert kind in KINDS
    documents = getattr(app, "documents", None) or await _documents(app)
    app.documents = documents  # type: ignore[attr-defined]
    document = documents[kind]
    changed = _mutated(document, data.draw(st.sampled_from(_paths(document))), data.draw(VALUES))
    answer = await app.call("POST", kind.lower(), changed)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        [error] = answer.json()["Fault"]["Error"]
        assert error["code"].isdigit()


@SETTINGS
@given(text=st.text(max_size=60))
async def test_any_path_and_any_body_are_answered(app: App, text: str) -> None:
    for method, path in (("POST", "invoice"), ("POST", "batch"), ("POST", "query"), ("GET", "cdc")):
        headers = {"Authorization": f"Bearer {app.access_token}"}
        answer = await app.http.request(
            method, f"/v3/company/9130350000000001/{path}", content=text.encode(), headers=headers
        )
        assert answer.status_code == 400, answer.text


async def test_a_body_that_is_nested_without_end_is_refused(app: App) -> None:
    headers = {"Authorization": f"Bearer {app.access_token}"}
    url = "/v3/company/9130350000000001/invoice"
    answer = await app.http.post(url, content=b"[" * 60_000, headers=headers)
    assert answer.json()["Fault"]["Error"][0]["code"] == "2010"


@pytest.mark.parametrize("item", ["x", None, {"CDCQuery": "x"}])
async def test_a_batch_of_what_are_no_items_is_refused(app: App, item: Any) -> None:
    answer = await app.call("POST", "batch", {"BatchItemRequest": [item]})
    assert answer.json()["Fault"]["Error"][0]["code"] == "2010"
