"""What a refusal of a send means: which are final, which come before any sending, which stop everything."""

from typing import Any

import httpx
import orjson

from messaging.provider import DO_NOT_TEXT_CODES, OPTED_OUT_CODE, Outcome, Rejected, Unavailable, Unknown

_OPTED_OUT_WORDS = ("opted out", "opted-out", "unsubscribed", "21610")
_DEAD_NUMBER_WORDS = ("number is not valid", "not a valid phone number", "unreachable", "landline")
_DAILY_CAP_CODE = "0204403"
_HALTS = {
    "0206400": "The provider has not approved this company for texting US numbers yet.",
    "0201402": "The subscription at the provider has expired.",
}
_ONE_HOUR = 3600.0
_HALT_RETRY = 60.0


def read_error(response: httpx.Response) -> tuple[str, str]:
    """(code, message) of an error in any of its shapes: application, gateway, HTML, empty."""
    try:
        body: Any = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    inner = body.get("error")
    if isinstance(inner, dict):
        return str(inner.get("key") or ""), str(inner.get("message") or "")
    return str(body.get("code") or ""), f"{body.get('title') or ''} {body.get('message') or ''}".strip()


def classify_refusal(response: httpx.Response) -> Outcome:
    """The outcome of a send that was not answered 2xx. Anything but a clear refusal is unknown."""
    status = response.status_code
    if status == 429:
        return Unavailable("rate_limited", retry_after(response), is_limited=True)
    if not 400 <= status < 500 or status == 408:
        return Unknown(f"http_{status}")
    code, message = read_error(response)
    if status == 401 or status == 402 or code in _HALTS:
        return Unavailable(code or f"http_{status}", _HALT_RETRY, halts=_halt_sentence(status, code))
    if code == _DAILY_CAP_CODE:
        return Unavailable("provider_daily_cap", _ONE_HOUR)
    return _final(status, code, message.lower())


def _final(status: int, code: str, words: str) -> Rejected:
    if code == OPTED_OUT_CODE or any(phrase in words for phrase in _OPTED_OUT_WORDS):
        return Rejected("opted_out", code or str(status), opted_out=True)
    if code in DO_NOT_TEXT_CODES or any(phrase in words for phrase in _DEAD_NUMBER_WORDS):
        return Rejected("unreachable", code or str(status), do_not_text=True)
    return Rejected(f"refused_{code or status}", code or str(status))


def _halt_sentence(status: int, code: str) -> str:
    if code in _HALTS:
        return _HALTS[code]
    if status == 401:
        return "The provider refuses our API key."
    return "The account at the provider is out of credits."


def retry_after(response: httpx.Response) -> float:
    """Seconds to wait after a 429."""
    value = response.headers.get("retry-after", "")
    return min(float(value), 300.0) if value.isascii() and value.isdigit() else 1.0
