"""The company's numbers, as the provider lists them and as people set their caps and zones."""

from collections.abc import Sequence
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version
from shared.events.messaging import PhoneNumberChanged
from shared.ids import derived
from sqlalchemy import select

from messaging.models import PhoneNumber
from messaging.provider import NumberLister, ProviderNumber
from messaging.settings import MessagingSettings

NUMBERS = UUID("a0c3a4f2-7d0e-5f3c-9f59-1f0f4f2b8a10")


class NumberService:
    def __init__(self, uow: UnitOfWork, settings: MessagingSettings) -> None:
        self._uow = uow
        self._settings = settings

    async def take_over(self, listed: Sequence[ProviderNumber]) -> int:
        """Bring our rows to what the provider lists; caps and zones that people set stay. Returns the changes."""
        rows = await self._uow.session.scalars(select(PhoneNumber).order_by(PhoneNumber.id).with_for_update())
        known = {row.provider_id: row for row in rows}
        changed = 0
        for item in listed:
            row = known.pop(item.provider_id, None)
            if row is None:
                self._add(item)
                changed += 1
            elif (row.e164, row.name, row.is_active) != (item.e164, item.name, True):
                row.e164, row.name, row.is_active = item.e164, item.name, True
                self._changed(row)
                changed += 1
        for gone in known.values():
            if gone.is_active:
                gone.is_active = False
                self._changed(gone)
                changed += 1
        return changed

    async def edit(
        self, number_id: UUID, expected_version: int, *, daily_cap: int | None, zone: str | None
    ) -> PhoneNumber:
        """Set the cap of campaign texts a day, or the zone whose days it counts."""
        number = await self._uow.session.get(PhoneNumber, number_id, with_for_update=True)
        if number is None:
            raise NotFound("There is no such number.")
        check_version(number.version, expected_version)
        if daily_cap is not None:
            number.daily_cap = daily_cap
        if zone is not None:
            number.zone = zone
        self._changed(number)
        self._uow.wake("sender")
        return number

    def _add(self, item: ProviderNumber) -> None:
        number = PhoneNumber(
            id=derived(NUMBERS, item.provider_id),
            version=1,
            provider_id=item.provider_id,
            e164=item.e164,
            name=item.name,
            zone=self._settings.default_zone,
            daily_cap=self._settings.daily_cap,
            is_active=True,
            updated_at=self._uow.now,
        )
        self._uow.session.add(number)
        self._publish(number)

    def _changed(self, number: PhoneNumber) -> None:
        number.touch()
        number.updated_at = self._uow.now
        self._publish(number)

    def _publish(self, number: PhoneNumber) -> None:
        self._uow.publish(
            PhoneNumberChanged(
                number_id=number.id,
                version=number.version,
                e164=number.e164,
                name=number.name,
                zone=number.zone,
                daily_cap=number.daily_cap,
                is_active=number.is_active,
            )
        )
        self._uow.hint("phone-numbers", number.id, number.version)


class NumberSyncProcess:
    def __init__(self, begin: Begin, provider: NumberLister) -> None:
        self._begin = begin
        self._provider = provider

    async def run_once(self) -> int:
        listed = await self._provider.list_numbers()
        async with self._begin() as tx:
            return await (await tx.aget(NumberService)).take_over(listed)
