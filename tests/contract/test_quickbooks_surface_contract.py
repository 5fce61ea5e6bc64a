"""Generated calls of Intuit's surface of the sandbox: each is answered as it is described, and none breaks it."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from shared.ids import uuid7

from contract.boundaries import QUICKBOOKS_DESCRIPTION, Boundary, Operation, quickbooks_operations
from contract.fuzzing import FUZZED, JSON, description, hold, unsupported_method
from contract.intuit import APP, Company

REALM = "9130350000000007"
REQUESTID_LENGTH = 50
KINDS = ("Customer", "Vendor", "Item", "Term", "Account", "PaymentMethod", "Estimate", "Invoice", "CreditMemo",
         "Payment", "RefundReceipt", "Deposit", "Unicorn")  # fmt: skip
WRITTEN = f"/({'|'.join(kind.lower() for kind in KINDS)})$"
OPENED_BY_TOKENS = "^/v3/company/|/userinfo$"
ACCOUNTING = description(QUICKBOOKS_DESCRIPTION, only=OPENED_BY_TOKENS, without=WRITTEN)
# Of their fifty members each, generated bodies show enough: every way to get each wrong would take minutes.
WRITES = description(QUICKBOOKS_DESCRIPTION, only=WRITTEN, is_covered=False)
OAUTH = description(QUICKBOOKS_DESCRIPTION, without=OPENED_BY_TOKENS)
schemathesis.serializer.alias("application/text", "text/plain")


@pytest.fixture(scope="session")
def company(quickbooks: Boundary) -> Iterator[Company]:
    company = Company(replace(quickbooks), REALM)
    company.open()
    company.connect()
    company.fill()
    yield company
    company.sandbox.anonymous.close()


@pytest.fixture(scope="session")
def accounting(company: Company) -> Boundary:
    transactions = tuple({company.ids[kind] for kind in ("Estimate", "Invoice", "CreditMemo", "Payment", "Deposit")})
    seeds: dict[str, Any] = {"id": ("1", *transactions), "/v3/company/{realmId}/companyinfo/{id}": REALM}
    return replace(company.sandbox, name="accounting", credentials=company.headers, seeds=seeds)


def is_well_formed(case: Case, part: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(part)


def hold_in_company(case: Case, accounting: Boundary) -> None:
    if case.path_parameters and is_well_formed(case, ParameterLocation.PATH):
        # The token opens one company: in another one every call would only meet 403.
        case.path_parameters["realmId"] = REALM
    if 0 < len(str((case.query or {}).get("requestid", ""))) <= REQUESTID_LENGTH:
        # What was asked under this id before would be answered again.
        case.query["requestid"] = str(uuid7())
    # A wrong method is answered as every operation that there is not.
    hold(case, accounting, excluded_checks=[unsupported_method])


@ACCOUNTING.parametrize()
@FUZZED
def test_the_accounting_api(case: Case, accounting: Boundary) -> None:
    hold_in_company(case, accounting)


@WRITES.parametrize()
@FUZZED
def test_writes_of_the_accounting_api(case: Case, accounting: Boundary, company: Company) -> None:
    if is_well_formed(case, ParameterLocation.BODY):
        company.aim(next(kind for kind in KINDS if case.path.endswith(f"/{kind.lower()}")), case.body)
    hold_in_company(case, accounting)


@OAUTH.parametrize()
@FUZZED
def test_oauth(case: Case, quickbooks: Boundary) -> None:
    if "client_id" in (case.query or {}) and is_well_formed(case, ParameterLocation.QUERY):
        case.query["client_id"] = APP[0]
    credentials = {"Authorization": f"Basic {b64encode(':'.join(APP).encode()).decode()}"}
    hold(case, replace(quickbooks, credentials=lambda: credentials), excluded_checks=[unsupported_method])


# What a generator that keeps to the description does not think of


def fault_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a business fault."""
    assert answer.headers["content-type"].startswith("application/json"), answer.text
    body = answer.json()
    assert body.keys() == {"Fault", "time"}
    return answer.status_code, body["Fault"]["Error"][0]["code"]


def check_answer(answer: httpx.Response) -> None:
    """Done, or refused by a business fault."""
    if answer.status_code != 200:
        assert fault_of(answer)[0] == 400


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_is_no_operation_is_a_fault(company: Company, method: str) -> None:
    for path in ("unicorn", "unicorn/1", "invoice/1/fax", "reports/Unicorn", "batch/1", "%2e%2e/x", "\u2603"):
        assert (path, fault_of(company.call(method, path))) == (path, (400, "500"))
    for path in ("/v3", "/v3/", "/v3/company", f"/v3/company/{REALM}", "/v3/unicorn/1"):
        assert (path, fault_of(company.sandbox.anonymous.request(method, path))) == (path, (404, "500"))


GARBAGE = (
    b"", b"null", b"[]", b"[" * 100_000, b'{"Id":' * 100_000, b'{"DisplayName":"\\ud800"}', b'{"DisplayName":"\xff"}',
    b'{"DisplayName":"\\u0000"}', b'{"TotalAmt":1e999999999}', b'{"TotalAmt":NaN}', b"9" * 5_000, b"\xef\xbb\xbf{}",
)  # fmt: skip


@pytest.mark.parametrize("path", ["customer", "invoice", "payment", "deposit", "batch"])
def test_garbage_is_a_fault(company: Company, path: str) -> None:
    for body in GARBAGE:
        assert (body[:20], fault_of(company.call("POST", path, content=body))[0]) == (body[:20], 400)


VALUES = st.sampled_from(["'1'", "1", "'2026-11-22'", "'9999-12-31T23:59:59-12:00'", "'0001-01-01T00:00:00+14:00'",
                          "'²'", "'\\'", "'\ud7ff'", "true", "'1e999999999'", "'NaN'", "'%'"])  # fmt: skip
VALUES |= st.text(max_size=8).map(lambda text: f"'{text}'")
PROPERTIES = st.sampled_from(["Id", "DocNumber", "TxnDate", "Balance", "TotalAmt", "CustomerRef", "Active", "Name",
                              "DisplayName", "UnitPrice", "MetaData.LastUpdatedTime", "Line"])  # fmt: skip
CONDITIONS = st.builds(
    "{} {} {}".format, PROPERTIES, st.sampled_from(["=", "<", ">", "<=", ">=", "LIKE"]), VALUES
) | st.builds("{} IN ({})".format, PROPERTIES, st.lists(VALUES, min_size=1, max_size=3).map(", ".join))
QUERIES = st.builds(
    "SELECT {} FROM {}{}{}{}".format,
    st.sampled_from(["*", "count(*)", "Id, Name"]),
    st.sampled_from(KINDS),
    st.lists(CONDITIONS, max_size=3).map(lambda found: f" WHERE {' AND '.join(found)}" if found else ""),
    st.just("") | PROPERTIES.map(" ORDERBY {} DESC".format),
    st.sampled_from(["", " MAXRESULTS 1000", " MAXRESULTS 0", " STARTPOSITION 0", " STARTPOSITION 999999999", " ²"]),
)


@given(queries=st.lists(QUERIES, min_size=10, max_size=10))
@FUZZED
def test_a_query_is_answered_or_refused(company: Company, queries: list[str]) -> None:
    for query in queries:
        check_answer(company.call("GET", "query", params={"query": query}))


@given(parameters=st.dictionaries(st.sampled_from(["entities", "changedSince", "report_date"]), VALUES | JSON.map(str)))
@FUZZED
def test_parameters_are_answered_or_refused(company: Company, parameters: dict[str, str]) -> None:
    parameters = {name: value.strip("'") for name, value in {"entities": "Invoice,Customer", **parameters}.items()}
    for path in ("cdc", "reports/AgedReceivables"):
        check_answer(company.call("GET", path, params=parameters))


ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "bId": JSON,
        "operation": st.sampled_from(["create", "update", "delete", "void"]) | JSON,
        "optionsData": st.just("void") | JSON,
        "Query": QUERIES | JSON,
        "CDCQuery": st.fixed_dictionaries({"Entities": st.just("Invoice") | JSON, "ChangedSince": VALUES | JSON}),
        "Customer": st.fixed_dictionaries({"DisplayName": JSON}),
        "Invoice": JSON,
    },
)


@given(items=st.lists(ITEMS | JSON, max_size=5), request_id=st.none() | st.sampled_from(["r-1", "r-2"]))
@FUZZED
def test_a_batch_is_answered_item_by_item_or_refused(
    company: Company, items: list[Any], request_id: str | None
) -> None:
    parameters = {"requestid": request_id} if request_id else {}
    check_answer(company.call("POST", "batch", json={"BatchItemRequest": items}, params=parameters))


@pytest.mark.parametrize(
    "operation", [one for one in quickbooks_operations() if one.path.startswith("/v3/company/")], ids=str
)
def test_only_the_token_of_the_company_opens_its_books(company: Company, operation: Operation) -> None:
    path = operation.path.replace("{entity}", "invoice").replace("{id}", "1")
    own, foreign = (path.replace("{realmId}", realm_id) for realm_id in (REALM, "9130350000000001"))
    ask = company.sandbox.anonymous.request
    basic = {"Authorization": f"Basic {company.token}"}
    for headers in ({}, {"Authorization": "Bearer garbage"}, {"Authorization": "Bearer"}, basic):
        answer = ask(operation.method.upper(), own, headers=headers)
        assert (answer.status_code, answer.json()["fault"]["error"][0]["code"]) == (401, "3200")
    answer = ask(operation.method.upper(), foreign, headers=company.headers())
    assert (answer.status_code, answer.json()["fault"]["error"][0]["code"]) == (403, "3100")
