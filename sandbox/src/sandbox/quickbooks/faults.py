"""Every fault that QuickBooks answers, with its code and words: business faults, and what its gateway says instead."""

from typing import Any, Literal

from shared import decimal_json

Gateway = tuple[int, str, bytes]
"""Status, content type, content."""
JSON = "application/json;charset=UTF-8"
XML = "application/xml"
_NAMESPACE = "http://schema.intuit.com/finance/v3"


class QuickBooksFault(Exception):
    """A refusal that the caller's data earned; its transaction is rolled back."""

    def __init__(
        self,
        code: str,
        message: str,
        detail: str,
        *,
        element: str = "",
        type: str = "ValidationFault",
        status: int = 400,
    ) -> None:
        super().__init__(f"{code} {message}: {detail}")
        self.code = code
        self.message = message
        self.detail = detail
        self.element = element
        self.type = type
        self.status = status

    def body(self, time: str) -> dict[str, Any]:
        error = {"Message": self.message, "Detail": self.detail, "code": self.code, "element": self.element}
        return {"Fault": {"Error": [error], "type": self.type}, "time": time}


def unsupported_operation(status: int = 400) -> QuickBooksFault:
    return QuickBooksFault("500", "Unsupported Operation", "Operation requested is not supported.", status=status)


def duplicate_request() -> QuickBooksFault:
    return QuickBooksFault("600", "Duplicate request ID", "This requestid was used for another request.")


def object_not_found(detail: str) -> QuickBooksFault:
    return QuickBooksFault("610", "Object Not Found", detail)


def inactive() -> QuickBooksFault:
    return object_not_found("Object Not Found : Something you're trying to use has been made inactive.")


def batch_too_large() -> QuickBooksFault:
    return QuickBooksFault("1040", "Batch too large", "The batch holds more items than are allowed.")


def unsupported_property(name: str) -> QuickBooksFault:
    detail = f"Property Name:{name} specified is unsupported or invalid"
    return QuickBooksFault("2010", "Request has invalid or unsupported property", detail, element=name)


def missing_parameter(name: str) -> QuickBooksFault:
    detail = f"Required parameter {name} is missing in the request"
    return QuickBooksFault("2020", "Required param missing, need to supply the required value for the API", detail,
                           element=name)  # fmt: skip


def invalid_string() -> QuickBooksFault:
    return QuickBooksFault("2040", "Invalid String", "A text holds characters that cannot be stored.")


def too_long(most: int, supplied: int) -> QuickBooksFault:
    detail = (
        f"String length specified does not match the supported length. Min:0 Max:{most} supported."
        f" Supplied length:{supplied}"
    )
    return QuickBooksFault("2050", "String length is either shorter or longer than supported by specification", detail)


def invalid_enumeration(name: str) -> QuickBooksFault:
    return QuickBooksFault("2170", "Invalid Enumeration", f"Property Name:{name} has a value that is none of its own.",
                           element=name)  # fmt: skip


def no_lines() -> QuickBooksFault:
    return QuickBooksFault("2250", "Missing line", "A transaction needs at least one line.", element="Line")


def negative_amount() -> QuickBooksFault:
    return QuickBooksFault("2290", "Negative amount", "An amount of this kind is not negative.", element="Amount")


def invalid_reference(name: str) -> QuickBooksFault:
    return QuickBooksFault("2500", "Invalid Reference Id", f"Invalid Reference Id : {name} names nothing here.",
                           element=name)  # fmt: skip


def query_parse(token: str, column: int, line: int = 1) -> QuickBooksFault:
    detail = f'QueryParserError: Encountered " {token} "" at line {line}, column {column}.'
    return QuickBooksFault("4000", "Error parsing query", detail)


def query_validation(detail: str) -> QuickBooksFault:
    return QuickBooksFault("4001", "Invalid query", f"QueryValidationError: {detail}")


def stale_object(user: str) -> QuickBooksFault:
    detail = (
        f"Stale Object Error : You and {user} were working on this at the same time."
        f" {user} finished before you did, so your work was not saved."
    )
    return QuickBooksFault("5010", "Stale Object Error", detail)


def no_permission(status: int = 400) -> QuickBooksFault:
    detail = "Permission Denied Error : The plan of the company, or your role in it, does not have this."
    return QuickBooksFault("5020", "Permission Denied Error", detail, status=status)


def business(detail: str) -> QuickBooksFault:
    return QuickBooksFault("6000", "A business validation error has occurred while processing your request", detail)


def amount_mismatch() -> QuickBooksFault:
    return QuickBooksFault("6070", "Amount calculation incorrect in the request",
                           "Amount is not equal to UnitPrice * Qty.")  # fmt: skip


def no_name_part() -> QuickBooksFault:
    return QuickBooksFault("6080", "No name part supplied", "At least one part of the name has to be supplied.")


def bad_tax_code() -> QuickBooksFault:
    return QuickBooksFault("6100", "Invalid tax code", "A line's tax code is TAX or NON.", element="TaxCodeRef")


def duplicate_document_number(number: str, kind: str, object_id: str) -> QuickBooksFault:
    detail = (
        "You must specify a different number. This number has already been used."
        f" DocNumber={number} is assigned to TxnType={kind} with TxnId={object_id}"
    )
    return QuickBooksFault("6140", "Duplicate Document Number Error", detail)


def subscription_ended() -> QuickBooksFault:
    detail = (
        "Subscription period has ended or canceled or there was a billing problem : You can't add data to QuickBooks"
        " Online because your trial or subscription period ended, you canceled your subscription, or there was a"
        " billing problem."
    )
    return QuickBooksFault("6190", "Invalid Company Status", detail)


def period_closed(code: Literal["6200", "6210"] = "6200") -> QuickBooksFault:
    return QuickBooksFault(code, "The accounting period has closed",
                           "The account period has closed and the books are not to be changed.")  # fmt: skip


def nonzero_balance() -> QuickBooksFault:
    return QuickBooksFault("6220", "Cannot make inactive", "The balance of what is made inactive is not zero.")


def duplicate_name(holders: str = "customer, vendor or employee") -> QuickBooksFault:
    detail = (
        f"The name supplied already exists. : Another {holders} is already using this name."
        " Please use a different name."
    )
    return QuickBooksFault("6240", "Duplicate Name Exists Error", detail)


def missing_email() -> QuickBooksFault:
    return QuickBooksFault("6420", "E-mail address missing", "The form has no e-mail address to be sent to.",
                           element="BillEmail")  # fmt: skip


def deposit_mismatch() -> QuickBooksFault:
    detail = "The deposit is not an amount between nothing and the total of the invoice."
    return QuickBooksFault("6460", "Invoice deposit mismatch", detail, element="Deposit")


def deposited() -> QuickBooksFault:
    detail = "The transaction is in a deposit: delete the deposit before it is changed, voided or deleted."
    return QuickBooksFault("6540", "Deposited Transaction cannot be changed", detail)


def token_expired_json() -> Gateway:
    return 401, JSON, _lower_case("AuthenticationFailed", "003200", 401, "Token expired", "3200", "AUTHENTICATION")


def unauthorized_empty() -> Gateway:
    return 401, "text/plain", b""


def forbidden_json() -> Gateway:
    detail = "The application is not authorized for this company."
    return 403, JSON, _lower_case("ApplicationAuthorizationFailed", "003100", 403, detail, "3100", "SERVICE")


def throttled_json() -> Gateway:
    detail = "The request limit was reached.  Try again later"
    return 429, JSON, _lower_case("ThrottleExceeded", "003001", 429, detail, "3001", "SERVICE")


def token_expired_xml() -> Gateway:
    return 401, XML, _xml("AuthenticationFault", "100", "General Authentication Error", "Token expired")


def throttled_xml() -> Gateway:
    message = "message=ThrottleExceeded; errorCode=003001; statusCode=429"
    return 429, XML, _xml("SERVICE", "3001", message, "The request limit was reached.  Try again later")


def html_error(status: int) -> Gateway:
    return status, "text/html", f"<html><body><h1>{status} Service Temporarily Unavailable</h1></body></html>".encode()


def application_error(time: str, status: int = 500) -> Gateway:
    fault = QuickBooksFault(
        "10000",
        "An application error has occurred while processing your request",
        "System Failure Error",
        type="SystemFault",
        status=status,
    )
    return fault.status, JSON, decimal_json.write(fault.body(time)).encode()


def _lower_case(name: str, number: str, status: int, detail: str, code: str, kind: str) -> bytes:
    """The gateway's own shape, whatever was asked for."""
    message = f"message={name}; errorCode={number}; statusCode={status}"
    error = {"message": message, "detail": detail, "code": code, "element": None}
    body: dict[str, Any] = {
        "warnings": None,
        "intuitObject": None,
        "fault": {"error": [error], "type": kind},
        "report": None,
        "queryResponse": None,
        "batchItemResponse": [],
        "attachableResponse": [],
        "syncErrorResponse": None,
        "requestId": None,
        "time": 1790000000000,
        "status": None,
        "cdcresponse": [],
    }
    return decimal_json.write(body).encode()


def _xml(kind: str, code: str, message: str, detail: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><IntuitResponse time="2026-11-22T02:00:00.000-08:00"'
        f' xmlns="{_NAMESPACE}"><Fault type="{kind}"><Error code="{code}"><Message>{message}</Message>'
        f"<Detail>{detail}</Detail></Error></Fault></IntuitResponse>"
    ).encode()
