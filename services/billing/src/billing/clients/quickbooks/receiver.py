"""QuickBooks's webhooks at our door: whose they are, what they tell, and that they are durable."""

import dataclasses

import structlog
from shared.database import Begin

from billing.clients.quickbooks.webhooks import Told, UnreadableDelivery, check_signature, read_changes
from billing.services.notices import UNREADABLE, NoticeService

log = structlog.get_logger(__name__)


class SignedNotices:
    """The receiver of routes/webhooks.py."""

    def __init__(self, begin: Begin, verifier_token: str) -> None:
        self._begin = begin
        self._verifier_token = verifier_token

    def verify(self, body: bytes, signature: str | None) -> None:
        """Raises UnsignedDelivery."""
        check_signature(body, signature, self._verifier_token)

    async def store(self, body: bytes) -> None:
        """Return once the delivery is durable with all that it tells of.

        One that cannot be read is kept too and answered like any other: QuickBooks would hold back all later ones. Of
        one that can be read in part, that part is taken, and the error is noted beside it.
        """
        try:
            told = read_changes(body)
        except UnreadableDelivery as unreadable:
            told = Told([], str(unreadable))
        error = told.error and told.error[:500]
        if error:
            UNREADABLE.inc()
            log.error("webhook.unreadable", error=error, read=len(told.changes))
        changes = [dataclasses.asdict(change) for change in told.changes]
        async with self._begin() as tx:
            await (await tx.aget(NoticeService)).keep(body, changes, error=error)
