"""Every fault in the shape and words of the reference: business faults, and what the gateway says instead."""

import json
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from sandbox.quickbooks import faults
from sandbox.quickbooks.faults import Gateway, QuickBooksFault

TIME = "2026-11-22T02:00:00.000-08:00"
NAMESPACE = "{http://schema.intuit.com/finance/v3}"
GATEWAY_KEYS = [
    *("warnings", "intuitObject", "fault", "report", "queryResponse", "batchItemResponse"),
    *("attachableResponse", "syncErrorResponse", "requestId", "time", "status", "cdcresponse"),
]
TOO_OFTEN = "The request limit was reached.  Try again later"


def test_a_business_fault_has_the_published_shape() -> None:
    assert faults.duplicate_name().body(TIME) == {
        "Fault": {
            "Error": [
                {
                    "Message": "Duplicate Name Exists Error",
                    "Detail": "The name supplied already exists. : Another customer, vendor or employee is"
                    " already using this name. Please use a different name.",
                    "code": "6240",
                    "element": "",
                }
            ],
            "type": "ValidationFault",
        },
        "time": TIME,
    }


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.unsupported_operation(), "500"),
        (faults.duplicate_request(), "600"),
        (faults.object_not_found("gone"), "610"),
        (faults.inactive(), "610"),
        (faults.batch_too_large(), "1040"),
        (faults.unsupported_property("Colour"), "2010"),
        (faults.missing_parameter("Line"), "2020"),
        (faults.too_long(21, 33), "2050"),
        (faults.no_lines(), "2250"),
        (faults.negative_amount(), "2290"),
        (faults.invalid_reference("CustomerRef"), "2500"),
        (faults.query_parse('<IDENTIFIER> "TxnDate', 29), "4000"),
        (faults.query_validation("x"), "4001"),
        (faults.stale_object("Ada"), "5010"),
        (faults.business("x"), "6000"),
        (faults.amount_mismatch(), "6070"),
        (faults.no_name_part(), "6080"),
        (faults.bad_tax_code(), "6100"),
        (faults.duplicate_document_number("X", "Invoice", "145"), "6140"),
        (faults.subscription_ended(), "6190"),
        (faults.period_closed(), "6200"),
        (faults.period_closed("6210"), "6210"),
        (faults.nonzero_balance(), "6220"),
        (faults.duplicate_name(), "6240"),
        (faults.missing_email(), "6420"),
        (faults.deposited(), "6540"),
    ],
)
def test_a_refusal_carries_its_code_as_text_and_is_a_400(fault: QuickBooksFault, code: str) -> None:
    error = fault.body(TIME)["Fault"]["Error"][0]
    assert (error["code"], fault.status, fault.type) == (code, 400, "ValidationFault")
    assert error["Message"]
    assert error["Detail"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.inactive(), "Something you're trying to use has been made inactive"),
        (faults.missing_parameter("Line"), "Required parameter Line is missing in the request"),
        (
            faults.too_long(21, 33),
            "String length specified does not match the supported length. Min:0 Max:21 supported. Supplied length:33",
        ),
        (
            faults.query_parse('<IDENTIFIER> "TxnDate', 29),
            'QueryParserError: Encountered " <IDENTIFIER> "TxnDate "" at line 1, column 29.',
        ),
        (faults.query_validation("'X' is not queryable"), "QueryValidationError: 'X' is not queryable"),
        (
            faults.stale_object("Ada"),
            "You and Ada were working on this at the same time. Ada finished before you did,"
            " so your work was not saved.",
        ),
        (faults.amount_mismatch(), "Amount is not equal to UnitPrice * Qty"),
        (
            faults.duplicate_document_number("X", "Invoice", "145"),
            "You must specify a different number. This number has already been used."
            " DocNumber=X is assigned to TxnType=Invoice with TxnId=145",
        ),
        (faults.business("Only here."), "Only here."),
    ],
)
def test_the_detail_has_the_published_words(fault: QuickBooksFault, words: str) -> None:
    assert words in fault.detail


@pytest.mark.parametrize("make", [faults.missing_parameter, faults.unsupported_property, faults.invalid_reference])
def test_a_fault_of_one_member_names_it(make: Callable[[str], QuickBooksFault]) -> None:
    assert make("CustomerRef").element == "CustomerRef"


@pytest.mark.parametrize(
    ("shape", "status", "type", "code", "message", "detail"),
    [
        (
            faults.token_expired_json(),
            401,
            "AUTHENTICATION",
            "3200",
            "message=AuthenticationFailed; errorCode=003200; statusCode=401",
            "Token expired",
        ),
        (
            faults.forbidden_json(),
            403,
            "SERVICE",
            "3100",
            "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403",
            None,
        ),
        (
            faults.throttled_json(),
            429,
            "SERVICE",
            "3001",
            "message=ThrottleExceeded; errorCode=003001; statusCode=429",
            TOO_OFTEN,
        ),
    ],
)
def test_the_gateway_answers_json_with_keys_in_lower_case(
    shape: Gateway, status: int, type: str, code: str, message: str, detail: str | None
) -> None:
    answered, content_type, content = shape
    body = json.loads(content)
    (error,) = body["fault"]["error"]
    assert (answered, content_type.split(";")[0]) == (status, "application/json")
    assert (body["fault"]["type"], error["code"], error["message"]) == (type, code, message)
    assert error["element"] is None
    assert detail in (None, error["detail"])
    assert list(body) == GATEWAY_KEYS


@pytest.mark.parametrize(
    ("shape", "status", "type", "code"),
    [
        (faults.token_expired_xml(), 401, "AuthenticationFault", "100"),
        (faults.throttled_xml(), 429, "SERVICE", "3001"),
    ],
)
def test_the_gateway_answers_xml_that_can_be_read(shape: Gateway, status: int, type: str, code: str) -> None:
    answered, content_type, content = shape
    root = ElementTree.fromstring(content)
    fault = root.find(f"{NAMESPACE}Fault")
    assert (answered, content_type.split(";")[0], root.tag) == (status, "application/xml", f"{NAMESPACE}IntuitResponse")
    assert root.get("time")
    assert fault is not None
    assert fault.get("type") == type
    error = fault.find(f"{NAMESPACE}Error")
    assert error is not None
    assert error.get("code") == code


def test_throttling_in_xml_says_what_it_says_in_json() -> None:
    error = json.loads(faults.throttled_json()[2])["fault"]["error"][0]
    texts = [node.text for node in ElementTree.fromstring(faults.throttled_xml()[2]).iter() if node.text]
    assert texts == [error["message"], error["detail"]]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_html_error_is_no_json(status: int) -> None:
    answered, content_type, content = faults.html_error(status)
    assert (answered, content_type) == (status, "text/html")
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(content)


def test_an_application_error_is_a_system_fault() -> None:
    status, content_type, content = faults.application_error(TIME)
    body = json.loads(content)
    assert (status, content_type.split(";")[0]) == (500, "application/json")
    assert (body["Fault"]["type"], body["time"]) == ("SystemFault", TIME)
    (error,) = body["Fault"]["Error"]
    assert error["code"] == "10000"
    assert error["Message"] == "An application error has occurred while processing your request"
