"""Every shape in which QuickBooks says no (reference, section 5), read into what it means for the caller."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
from shared.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable

from billing.provider import (
    PROVIDER,
    CompanySuspended,
    DuplicateName,
    DuplicateNumber,
    ObjectMissing,
    QuickBooksRefused,
    RepeatedRequest,
    StaleObject,
)
from shared import decimal_json

THROTTLED, NOT_ALLOWED, APPLICATION_ERROR = "3001", "3100", "10000"
_PASSING = {"130", "140", "150", APPLICATION_ERROR, THROTTLED}
_MEANINGS: dict[str, type[QuickBooksRefused]] = {
    "600": RepeatedRequest,
    "610": ObjectMissing,
    "5010": StaleObject,
    "6140": DuplicateNumber,
    NOT_ALLOWED: CompanySuspended,
    "6190": CompanySuspended,
    "6240": DuplicateName,
}
_ADVICE = {
    "610": "It was deleted or made inactive in QuickBooks. Make it active again there and try again, or give this up.",
    "2500": "Something that this names is not in QuickBooks any more. Give this up, and draft it anew without it.",
    "2290": "An amount is negative. Enter positive amounts only.",
    "2250": "There is no line. Add at least one.",
    "5020": "The company's plan, or the role of whoever connected it, does not have this. Change that in QuickBooks and"
    " try again, or give this up.",
    "5030": "The company's plan does not have this. Change the plan in QuickBooks and try again, or give this up.",
    "6070": "A line's amount is not its quantity times its price. Enter the line again.",
    "6140": "This number is taken in QuickBooks. Give it another number.",
    "6190": "The QuickBooks company cannot be written to: its subscription has ended or it is read-only.",
    "6200": "The accounting period is closed. Reopen it in QuickBooks and try again, or give this up.",
    "6210": "The accounting period is closed. Reopen it in QuickBooks and try again, or give this up.",
    "6240": "Somebody in QuickBooks has this name already.",
    "6420": "There is no e-mail address. Enter one and send again.",
    "6540": "It is part of a bank deposit in QuickBooks. Take it out of the deposit there first.",
    "5010": "Somebody changed it in QuickBooks at the same time.",
}
_MOST_TEXT = 500


@dataclass(frozen=True)
class Fault:
    """One refusal as QuickBooks wrote it; empty where it wrote nothing that can be read."""

    code: str = ""
    message: str = ""
    detail: str = ""


def read_answer(content: bytes) -> tuple[Any, Fault | None]:
    """The document and the fault in it, None for what is not there; read once, as pages are large."""
    body = content.strip()
    if body.startswith(b"<"):
        return None, _from_markup(body)
    try:
        document = decimal_json.read(body)
    except ValueError:
        return None, None
    return document, fault_of(document)


def find_fault(response: httpx.Response) -> Fault | None:
    """The fault in a response, also in one that says 200; None where there is none."""
    return read_answer(response.content)[1]


def fault_of(document: Any) -> Fault | None:
    """The first error of a Fault or fault, whichever letters it is written with."""
    fault = _member(document, "fault")
    errors = _member(fault, "error")
    if not isinstance(errors, list) or not errors:
        return Fault(message=str(fault)[:_MOST_TEXT]) if fault else None
    first = errors[0]
    return Fault(*(str(_member(first, name) or "")[:_MOST_TEXT] for name in ("code", "message", "detail")))


def _member(document: Any, name: str) -> Any:
    if not isinstance(document, dict):
        return None
    return next((value for key, value in document.items() if str(key).lower() == name), None)


def _from_markup(body: bytes) -> Fault:
    """XML of the gateway, or a page of something before it. Read by pattern: neither is worth a parser's trust."""
    text = body.decode("utf-8", "replace")
    code = re.search(r"<Error\b[^>]*\bcode=[\"'](\w+)", text)
    if code is None:
        return Fault(message="a page instead of an answer")
    parts = (re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Message", "Detail"))
    return Fault(code.group(1), *(unescape(part.group(1))[:_MOST_TEXT] if part else "" for part in parts))


def is_about_tokens(status: int, fault: Fault | None) -> bool:
    """Whether a new access token may help."""
    return status == 401 or (fault is not None and _number(fault.code) in ("3200", "100", "120") and status != 403)


def is_throttled(status: int, fault: Fault | None) -> bool:
    """A 429, or the 403 that it was in former times."""
    return status == 429 or (fault is not None and _number(fault.code) == THROTTLED)


def error_of(status: int, fault: Fault | None, *, operation: str, is_write: bool, wait: float) -> ProviderError:
    """What a refused call means; `wait` is how long to, where it came too soon.

    A write that failed on their side may have had its effect, and so may one that was answered by a page.
    """
    found = fault or Fault()
    code = _number(found.code)
    if is_throttled(status, fault):
        return ProviderUnavailable(
            "QuickBooks counts too many calls.", provider=PROVIDER, operation=operation, retry_after=wait
        )
    if status >= 500 or code in _PASSING or (status < 300 and not code):
        words = f"QuickBooks is not available ({status}{', ' + code if code else ''})."
        if is_write:
            return ProviderOutcomeUnknown(words, provider=PROVIDER, operation=operation)
        return ProviderUnavailable(words, provider=PROVIDER, operation=operation, retry_after=2.0)
    return _refusal(found, operation=operation, status=status)


def _refusal(fault: Fault, *, operation: str, status: int) -> QuickBooksRefused:
    code = _number(fault.code) or (NOT_ALLOWED if status == 403 else "")
    said = fault.detail or fault.message or f"status {status}"
    if code == NOT_ALLOWED:
        words = f"QuickBooks does not let this application into the company. {said}"
    elif code in _ADVICE:
        words = f"{_ADVICE[code]} QuickBooks says: {said}"
    else:
        words = f"QuickBooks refused this: {said}"
    error = _MEANINGS.get(code, QuickBooksRefused)(words, operation=operation, fault_code=code, detail=fault.detail)
    if isinstance(error, DuplicateNumber):
        other = re.search(r"TxnId=(\d+)", fault.detail)
        error.other_id = other.group(1) if other else None
    return error


def _number(code: str) -> str:
    """`003200` and `3200` are one code."""
    return code.lstrip("0")
