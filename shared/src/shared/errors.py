"""The one tree of errors that domain code raises and the HTTP edge turns into problem+json (RFC 9457).

AppError 500
├── Invalid 422                 a payload that is malformed
├── Unauthorized 401
├── Forbidden 403
├── NotFound 404
├── Conflict 409                a business reason
│   ├── InvalidTransition
│   └── AlreadyExists
├── PreconditionFailed 412      If-Match named an older version
├── TooLarge 413
├── UnsupportedMedia 415
├── PreconditionRequired 428    If-Match is missing
├── TooManyRequests 429
├── ServiceUnavailable 503
└── ProviderError 502
    ├── ProviderRejected        do not retry
    ├── ProviderUnavailable     nothing was done; may be tried again after retry_after
    └── ProviderOutcomeUnknown  it may have been done; reconcile, never repeat
"""

from typing import Any, ClassVar


class AppError(Exception):
    """An error with a stable `code` for programs and a sentence for people that says what to do.

    Further keyword arguments become members of the problem document.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    code: str = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code


class Invalid(AppError):
    """`request_field` names what is malformed, as the edge does: `body.window_end`, `query.cursor`."""

    status = 422
    title = "The request is malformed"
    code = "invalid"
    request_field: str | None = None

    def __init__(self, message: str, *, request_field: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        if request_field is not None:
            self.request_field = request_field


class Unauthorized(AppError):
    status = 401
    title = "Sign in first"
    code = "unauthorized"


class Forbidden(AppError):
    status = 403
    title = "Not allowed"
    code = "forbidden"


class NotFound(AppError):
    status = 404
    title = "Not found"
    code = "not_found"


class Conflict(AppError):
    status = 409
    title = "Not possible now"
    code = "conflict"


class InvalidTransition(Conflict):
    code = "invalid_transition"


class AlreadyExists(Conflict):
    code = "already_exists"


class PreconditionFailed(AppError):
    status = 412
    title = "Somebody changed this meanwhile"
    code = "precondition_failed"


class TooLarge(AppError):
    status = 413
    title = "Too large"
    code = "too_large"


class UnsupportedMedia(AppError):
    status = 415
    title = "This kind of content is not read here"
    code = "unsupported_media"


class PreconditionRequired(AppError):
    status = 428
    title = "If-Match is required"
    code = "precondition_required"


class TooManyRequests(AppError):
    status = 429
    title = "Too many requests"
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: float = 1.0, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class ServiceUnavailable(AppError):
    status = 503
    title = "Not available at the moment"
    code = "service_unavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class ProviderError(AppError):
    """Something at an outside provider; `provider` and `operation` say where."""

    status = 502
    title = "The provider did not answer as expected"
    code = "provider_error"

    def __init__(self, message: str, *, provider: str, operation: str, **details: Any) -> None:
        super().__init__(message, provider=provider, operation=operation, **details)
        self.provider = provider
        self.operation = operation


class ProviderRejected(ProviderError):
    code = "provider_rejected"


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"

    def __init__(
        self, message: str, *, provider: str, operation: str, retry_after: float = 1.0, **details: Any
    ) -> None:
        super().__init__(message, provider=provider, operation=operation, **details)
        self.retry_after = retry_after


class ProviderOutcomeUnknown(ProviderError):
    code = "provider_outcome_unknown"
