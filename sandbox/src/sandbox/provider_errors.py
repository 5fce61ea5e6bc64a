"""How the provider says no: seven-digit codes on v1, another body on the dated surface, a third from its gateway."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.provider_ids import trace_id

DOCS = "https://quo.com/docs"

AREAS = {
    "calls": "01",
    "messages": "02",
    "webhooks": "03",
    "phone-numbers": "04",
    "conversations": "10",
    "users": "11",
}


@dataclass
class OpenPhoneError(Exception):
    """A refusal. `number` is the middle of the code (area, number, status); `description` only special ones carry."""

    status: int
    message: str
    title: str
    number: str = "00"
    description: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def v1_body(self, area: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "message": self.message,
            "code": f"{AREAS[area]}{self.number}{self.status}",
            "status": self.status,
            "docs": DOCS,
            "title": self.title,
            "trace": trace_id(),
        }
        if self.description is not None:
            body["description"] = self.description
        if self.errors:
            body["errors"] = self.errors
        return body

    def dated_body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "title": self.title,
            "message": self.message,
            "docs": DOCS,
            "trace": trace_id(),
        }
        return {**body, "errors": self.errors} if self.errors else body


@dataclass
class GatewayRefusal(Exception):
    """What stands before the application answers with: missing and wrong keys, the rate limit."""

    status: int
    message: str
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "key": self.key, "trace": trace_id()}}


def missing_key() -> GatewayRefusal:
    return GatewayRefusal(401, "Missing authorization header", "Unauthorized")


def wrong_key() -> GatewayRefusal:
    return GatewayRefusal(401, "Invalid API key", "Unauthorized")


def rate_limited(headers: dict[str, str] | None = None) -> GatewayRefusal:
    return GatewayRefusal(429, "Rate limit exceeded", "TooManyRequests", headers or {})


def invalid(errors: list[dict[str, Any]]) -> OpenPhoneError:
    return OpenPhoneError(400, "The input was invalid", "Bad Request", errors=errors)


def bad_request(message: str) -> OpenPhoneError:
    return OpenPhoneError(400, message, "Bad Request")


def not_found(what: str) -> OpenPhoneError:
    return OpenPhoneError(404, f"{what} not found", "Not Found")


def unknown_failure() -> OpenPhoneError:
    return OpenPhoneError(500, "An unexpected error occurred", "Unknown", "01")


def unprocessable(message: str) -> OpenPhoneError:
    """Exists on the dated surface only."""
    return OpenPhoneError(422, message, "Unprocessable Entity")


def not_a_member() -> OpenPhoneError:
    title = "Not Phone Number User"
    return OpenPhoneError(403, "The user is not a member of this phone number", title, "02", title)


def subscription_expired() -> OpenPhoneError:
    message = "Your subscription has expired"
    return OpenPhoneError(402, message, "Subscription Expired", "01", message)


def no_credits() -> OpenPhoneError:
    message = "The organization does not have enough prepaid credits to send the message"
    return OpenPhoneError(402, message, "Payment Required", "00", message)


def not_registered() -> OpenPhoneError:
    title = "A2P Registration Not Approved"
    return OpenPhoneError(400, "The organization is not approved for A2P", title, "06", title)


def daily_cap_reached() -> OpenPhoneError:
    title = "A2P 10DLC Daily Message Cap Reached"
    return OpenPhoneError(403, "The daily A2P message cap of the organization has been reached", title, "04", title)


def opted_out(phone: str) -> OpenPhoneError:
    return bad_request(f"The recipient {phone} has Opted Out of messages from this workspace")


def too_many_participants() -> OpenPhoneError:
    title = "Too Many Participants"
    return OpenPhoneError(400, "Calls with more than two participants are not supported", title, "01", title)
