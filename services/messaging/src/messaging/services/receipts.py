"""What the provider says became of outbound texts: in any order, repeated, early or about texts we do not know."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from shared.database import UnitOfWork
from shared.events.messaging import LineTypeDetermined
from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from messaging.matching import Intent, owner_of
from messaging.models import LineType, Message, PhoneState, ProviderReceipt, body_hash
from messaging.provider import DO_NOT_TEXT_CODES, LANDLINE_CODE, OPTED_OUT_CODE, ProviderMessage
from messaging.services.consent import ConsentService
from messaging.services.moves import MoveService
from messaging.services.phone_states import PhoneStateService
from messaging.states import RECEIPTS, Status, path_to

_DOUBTFUL = (Status.UNKNOWN, Status.NOT_FOUND, Status.REVIEW)
_REPORTED = ("status", "error_code", "number_provider_id", "phone", "body_hash", "sent_at", "reported_at")


class ReceiptService:
    """Lives in one transaction. Locks phones that must be suppressed first, then texts in the order of their ids."""

    def __init__(self, uow: UnitOfWork, moves: MoveService, consent: ConsentService, phones: PhoneStateService) -> None:
        self._uow = uow
        self._moves = moves
        self._consent = consent
        self._phones = phones

    async def apply(self, reports: Sequence[ProviderMessage], *, by: str) -> int:
        """Apply reports about outgoing texts; returns how many texts changed.

        A report about an id that no text has is first held against the texts in doubt, then kept for later.
        """
        await self._phones.lock(r.other for r in reports if _ends_texting(r.error_code))
        texts = await self._locked_by_provider_id([report.provider_id for report in reports])
        doubtful = await self._locked_in_doubt([r for r in reports if r.provider_id not in texts])
        changed, unknown = 0, list[ProviderMessage]()
        for report in reports:
            message = texts.get(report.provider_id) or self._bind_doubtful(report, doubtful, by=by)
            if message is None:
                unknown.append(report)
                continue
            texts[report.provider_id] = message
            changed += await self.advance(message, report.status, report.error_code, by=by)
        await self._keep(unknown)
        return changed

    async def link_kept(self, messages: Sequence[Message], locked_phones: Collection[str]) -> None:
        """Apply to these freshly bound, locked texts what was reported before we knew their ids.

        A report that ends texting needs its phone, which is never locked after a text: it is left for link_all().
        """
        by_id = {message.provider_id: message for message in messages if message.provider_id}
        kept = await self._uow.session.scalars(
            select(ProviderReceipt).where(ProviderReceipt.provider_id.in_(by_id)).order_by(ProviderReceipt.provider_id)
        )
        for receipt in kept.all():
            if _ends_texting(receipt.error_code) and by_id[receipt.provider_id].phone not in locked_phones:
                continue
            await self.advance(by_id[receipt.provider_id], receipt.status, receipt.error_code, by="provider")
            await self._uow.session.delete(receipt)

    async def link_all(self, limit: int = 200) -> int:
        """Link reports that came in the very moment in which their text was being bound."""
        session = self._uow.session
        rows = await session.execute(
            select(Message.id, Message.phone, ProviderReceipt.error_code)
            .join(ProviderReceipt, ProviderReceipt.provider_id == Message.provider_id)
            .limit(limit)
        )
        seen = rows.all()
        if not seen:
            return 0
        phones = await self._phones.lock_known({row.phone for row in seen if _ends_texting(row.error_code)})
        texts = await session.scalars(
            select(Message)
            .where(Message.id.in_([row.id for row in seen]))
            .order_by(Message.id)
            .with_for_update(skip_locked=True)
        )
        found = texts.all()
        await self.link_kept(found, phones)
        return len(found)

    async def advance(self, message: Message, status: Status, error_code: str | None, *, by: str) -> bool:
        """Bring a locked text to what is reported; False where it is there or further already."""
        steps = path_to(message.status, status)
        for step in steps:
            if step is Status.ACCEPTED:
                message.accepted_at = message.accepted_at or self._uow.now
            if step in RECEIPTS:
                message.finished_at = self._uow.now
            self._moves.move(message, step, by=by, reason=error_code if step in RECEIPTS else None)
        if steps and error_code:
            await self._suppress(message, error_code)
        return bool(steps)

    async def _suppress(self, message: Message, code: str) -> None:
        if not _ends_texting(code):
            return
        await self._consent.note_refusal(
            message.phone, source=f"carrier_{code}", evidence=f"carrier code {code}", message_id=message.id
        )
        if code == LANDLINE_CODE:
            await self._note_landline(message.phone)

    async def _note_landline(self, phone: str) -> None:
        state = (await self._phones.lock([phone]))[phone]
        if state.line_type is LineType.LANDLINE:
            return
        _set_line_type(state, LineType.LANDLINE)
        self._uow.publish(
            LineTypeDetermined(
                phone=phone, line_type="landline", source="carrier_30006", version=state.line_type_version
            )
        )

    async def _locked_by_provider_id(self, provider_ids: list[str]) -> dict[str, Message]:
        rows = await self._uow.session.scalars(
            select(Message)
            .where(Message.provider_id.in_(provider_ids))
            .order_by(Message.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {row.provider_id: row for row in rows if row.provider_id}

    async def _locked_in_doubt(self, reports: Sequence[ProviderMessage]) -> list[Message]:
        """The texts without a provider id that one of these reports may be about."""
        if not reports:
            return []
        rows = await self._uow.session.scalars(
            select(Message)
            .where(
                Message.phone.in_({report.other for report in reports}),
                Message.body_hash.in_({body_hash(report.body) for report in reports}),
                Message.provider_id.is_(None),
                Message.intent_at.is_not(None),
                or_(Message.status.in_(_DOUBTFUL), Message.status == Status.IN_FLIGHT),
            )
            .order_by(Message.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return list(rows)

    def _bind_doubtful(self, report: ProviderMessage, doubtful: Sequence[Message], *, by: str) -> Message | None:
        """The text in doubt that this report is about, bound to its provider id.

        Where a text with the same words to the same phone is in flight, its own answer will tell: leave it alone.
        """
        words = body_hash(report.body)
        texts = {
            text.id: text
            for text in doubtful
            if text.provider_id is None and text.phone == report.other and text.body_hash == words
        }
        if any(text.status is Status.IN_FLIGHT for text in texts.values()):
            return None
        owner = owner_of(report, [intent_of(text) for text in texts.values()])
        if owner is None:
            return None
        message = texts[owner.message_id]
        message.provider_id = report.provider_id
        return message

    async def _keep(self, reports: Sequence[ProviderMessage]) -> None:
        """Remember the reports until a text has their id. A receipt is never replaced by less."""
        if not reports:
            return
        by_id: dict[str, ProviderMessage] = {}
        for report in sorted(reports, key=lambda report: report.status not in RECEIPTS):
            by_id.setdefault(report.provider_id, report)
        # In one order for all: two workers that keep the same reports must not wait for each other.
        rows = [self._kept(by_id[provider_id]) for provider_id in sorted(by_id)]
        statement = insert(ProviderReceipt).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[ProviderReceipt.provider_id],
            set_={column: statement.excluded[column] for column in _REPORTED},
            where=and_(ProviderReceipt.status.not_in(RECEIPTS), statement.excluded["status"].in_(RECEIPTS)),
        )
        await self._uow.session.execute(statement)

    def _kept(self, report: ProviderMessage) -> dict[str, Any]:
        return {
            "provider_id": report.provider_id,
            "status": report.status,
            "error_code": report.error_code,
            "number_provider_id": report.number_provider_id,
            "phone": report.other,
            "body_hash": body_hash(report.body),
            "sent_at": report.created_at,
            "reported_at": self._uow.now,
        }


def intent_of(message: Message) -> Intent:
    """What matching needs of a text whose intent was written."""
    at: datetime | None = message.intent_at
    if at is None:
        raise ValueError("a text without an intent matches nothing")
    return Intent(message.id, message.phone, message.body_hash, at)


def _ends_texting(code: str | None) -> bool:
    return code == OPTED_OUT_CODE or code in DO_NOT_TEXT_CODES


def _set_line_type(state: PhoneState, line_type: LineType) -> None:
    state.line_type = line_type
    state.line_type_version += 1
