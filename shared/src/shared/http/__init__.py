"""The HTTP habits that every service shares: transactions, permissions, problems, idempotency, limits."""

from shared.http.app import build_app
from shared.http.dependencies import PUBLIC, UPLOAD, Needs, Tx, can
from shared.http.instants import Day, Moment
from shared.http.problems import problems
from shared.http.routing import ApiRouter

__all__ = ["PUBLIC", "UPLOAD", "ApiRouter", "Day", "Moment", "Needs", "Tx", "build_app", "can", "problems"]
