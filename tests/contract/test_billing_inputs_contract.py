"""What billing reads of the odd things that people and programs send: plain days and numbers, forms of a page."""

from typing import Any

import httpx
import pytest

from contract.boundaries import Boundary

DAYS = (0, 1_767_225_600, "0", "1767225600", 1.5, True, "20260101", "2026-1-1", "0001-01-01", "9999-12-31", "x")
NUMBERS = ("1E+3", "1e-7", "1_000", "\uff11", " 1 ", "", "NaN", "Infinity", "1.00000001", 10**30, True)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PRICE = "&total_cents=-99999999999&currency=USD"
LONGEST = "name=" + "%F0%9F%99%82" * 100 + "&note=" + "%F0%9F%99%82" * 1000 + PRICE


def _estimate(billing: Boundary, **fields: Any) -> httpx.Response:
    contact, _ = billing.seeds["contact_id"]
    return billing.anonymous.post(
        "/api/v1/estimates", json={"contact_id": contact, **fields}, headers=billing.credentials()
    )


def _line(billing: Boundary, **fields: Any) -> httpx.Response:
    return _estimate(billing, lines=[{"item_id": billing.seeds["item_id"], **fields}])


@pytest.mark.parametrize("day", DAYS, ids=repr)
def test_a_day_is_written_out(billing: Boundary, day: Any) -> None:
    *_, sold = billing.seeds["estimate_id"]
    invoice = {"estimate_id": sold, "part": "progress", "share": "0.1", "due_on": day}
    billed = billing.anonymous.post("/api/v1/invoices", json=invoice, headers=billing.credentials())
    for answer, field in ((_estimate(billing, expires_on=day), "body.expires_on"), (billed, "body.due_on")):
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_a_number_is_written_plainly(billing: Boundary, number: Any) -> None:
    for fields in ({"quantity": number}, {"quantity": 1, "unit_price": number}):
        assert _line(billing, **fields).status_code == 422


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"quantity": -1}, "Enter a quantity above 0"),
        ({"quantity": "0"}, "Enter a quantity above 0"),
        ({"quantity": 1_000_001}, "Enter a quantity above 0"),
        ({"quantity": "much"}, "write the number plainly"),
        ({"quantity": 1, "unit_price": "-0.01"}, "A discount is entered in QuickBooks"),
        ({"quantity": 1, "unit_price": "1.00000001"}, "at most seven decimal places"),
    ],
    ids=str,
)
def test_an_amount_that_cannot_be_is_answered_with_what_to_enter(
    billing: Boundary, fields: dict[str, Any], words: str
) -> None:
    (error,) = _line(billing, **fields).json()["errors"]
    assert words in error["message"]
    assert "Value error" not in error["message"]


@pytest.mark.parametrize("share", [-0.1, 0, 1.1, "0.1234567"])
def test_a_share_that_cannot_be_is_answered_with_what_to_enter(billing: Boundary, share: Any) -> None:
    *_, sold = billing.seeds["estimate_id"]
    invoice = {"estimate_id": sold, "part": "deposit", "share": share}
    answer = billing.anonymous.post("/api/v1/invoices", json=invoice, headers=billing.credentials())
    (error,) = answer.json()["errors"]
    assert (error["field"], "such as 0.3 for 30 %" in error["message"]) == ("body.share", True)


def test_a_number_is_what_it_says(billing: Boundary) -> None:
    for number in ("0.1", 0.1, ".1", "+0.10", "00.1"):
        (line,) = _line(billing, quantity=number, unit_price="19.99").json()["lines"]
        assert (number, line["quantity"], line["amount"]["amount_cents"]) == (number, "0.1", 200)


@pytest.mark.parametrize("body", ["", "name=", "name=%00", "name=+", "note=a", "&" * 200, "%", "name=" + "a" * 101])
def test_an_answer_without_a_name_is_none(billing: Boundary, body: str) -> None:
    for verb in ("accept", "decline"):
        answer = billing.anonymous.post(
            f"/public/estimates/{billing.seeds['token']}/{verb}", content=body, headers=FORM
        )
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (422, "text/html")
        assert "enter your name" in answer.text


def test_the_longest_answer_fits(billing: Boundary) -> None:
    answer = billing.anonymous.post(f"/public/estimates/{billing.seeds['token']}/accept", content=LONGEST, headers=FORM)
    # Whoever fuzzed this estimate before may have answered it.
    assert answer.status_code in (200, 409)


def test_a_token_is_nothing_but_itself(billing: Boundary) -> None:
    token = str(billing.seeds["token"])
    assert billing.anonymous.get(f"/public/estimates/{token}").status_code == 200
    for other in (token[:-1], f"{token}=", f"{token}%0A", f"{token}%20", token.swapcase(), f".{token}", "a", "\xe9"):
        assert (other, billing.anonymous.get(f"/public/estimates/{other}").status_code) == (other, 404)
