"""Daily counters of each sending number, in its own zone. Always the last lock of a transaction."""

from collections import Counter
from datetime import date
from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import text

from messaging.models import CapScope

Place = tuple[UUID, date, CapScope]


class CapService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def lock(self, places: set[Place]) -> dict[Place, int]:
        """How many are taken in each counter, which is made where missing and stays locked."""
        taken: dict[Place, int] = {}
        for place in sorted(places):
            row = await self._session.execute(
                text(
                    "INSERT INTO cap_counter (number_id, on_date, scope, taken) VALUES (:number, :on, :scope, 0)"
                    " ON CONFLICT (number_id, on_date, scope) DO UPDATE SET taken = cap_counter.taken"
                    " RETURNING taken"
                ),
                _key(place),
            )
            taken[place] = row.scalar_one()
        return taken

    async def change(self, changes: Counter[Place]) -> None:
        """Take (positive) or give back (negative) places of counters."""
        for place in sorted(changes):
            if changes[place]:
                await self._session.execute(
                    text(
                        "UPDATE cap_counter SET taken = greatest(taken + :by, 0)"
                        " WHERE number_id = :number AND on_date = :on AND scope = :scope"
                    ),
                    {**_key(place), "by": changes[place]},
                )


def _key(place: Place) -> dict[str, object]:
    number, on, scope = place
    return {"number": number, "on": on, "scope": scope.value}
