"""Telling the app of changes: in order, many at once, nothing new before what was not acknowledged."""

import asyncio
from collections.abc import Sequence

import httpx
from shared.database import Begin, UnitOfWork
from sqlalchemy import select

from sandbox.models import QbEvent
from sandbox.quickbooks.controls import EventFault
from sandbox.quickbooks.notices import ANSWER_SECONDS, MOST_EVENTS, SIGNATURE, Notice, delay_after, payload, signature
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace


class NoticeProcess:
    """One such process runs at a time; a crash between wire and settling tells again, as the provider does."""

    def __init__(self, begin: Begin, http: httpx.AsyncClient, settings: SandboxSettings) -> None:
        self._begin = begin
        self._http = http
        self._url = settings.quickbooks_webhook_url
        self._token = settings.quickbooks_verifier_token.get_secret_value()

    async def run_once(self) -> int:
        """Send the next call, if one is due; returns how many changes it told of."""
        async with self._begin() as tx:
            events = await _due(await tx.aget(UnitOfWork))
            controls = (await tx.aget(Workspace)).controls.quickbooks
        if not events:
            return 0
        notices = [_notice(event) for event in events]
        notices += [_notice(event) for event in events if event.fault == EventFault.DUPLICATE]
        body = payload(notices, controls.shapes)
        is_spoiled = any(event.fault == EventFault.BAD_SIGNATURE and not event.attempts for event in events)
        url = self._url if controls.webhook_url is None else controls.webhook_url
        await self._settle(events, is_told=not url or await self._tell(url, body, is_spoiled=is_spoiled))
        return len(events)

    async def _tell(self, url: str, body: bytes, *, is_spoiled: bool) -> bool:
        token = f"not {self._token}" if is_spoiled else self._token
        headers = {"content-type": "application/json", SIGNATURE: signature(body, token)}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._http.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return False
        return answer.status_code == 200

    async def _settle(self, events: Sequence[QbEvent], *, is_told: bool) -> None:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            rows = await uow.session.scalars(select(QbEvent).where(QbEvent.id.in_([event.id for event in events])))
            for row in rows:
                row.attempts += 1
                row.due_at = None if is_told else uow.now + delay_after(row.attempts)
                row.delivered_at = uow.now if is_told else None


async def _due(uow: UnitOfWork) -> list[QbEvent]:
    """The events of the next call: those that failed together before, or else the oldest that are due."""
    failed = await uow.session.scalars(
        select(QbEvent).where(QbEvent.due_at.is_not(None), QbEvent.attempts > 0).order_by(QbEvent.id)
    )
    if blocking := failed.all():
        return list(blocking) if all(row.due_at and row.due_at <= uow.now for row in blocking) else []
    found = await uow.session.scalars(
        select(QbEvent).where(QbEvent.due_at <= uow.now).order_by(QbEvent.due_at, QbEvent.id).limit(MOST_EVENTS)
    )
    return list(found)


def _notice(event: QbEvent) -> Notice:
    return Notice(
        id=str(event.id),
        realm_id=event.realm_id,
        kind=event.kind,
        entity_id=event.entity_id,
        operation=event.operation,
        occurred_at=event.occurred_at,
        deleted_id=event.deleted_id,
    )
