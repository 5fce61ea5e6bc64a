"""Taking over what was read: whatever it names is read first, and what it moved is read after."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import structlog
from shared.database import Begin

from billing.provider import ENTITIES, Books, ObjectMissing, OpenBooks, Seen
from billing.services.marks import MarkService
from billing.services.mirror import MirrorService, References, is_about_values, names_any, references_of

log = structlog.get_logger(__name__)

CHUNK = 100
"""Ids that one query names."""
_DEPTH = 3
"""A payment names invoices, which name estimates, which name customers."""

Found = Mapping[str, Sequence[Seen]]


class Reader:
    """Reads between transactions, stores in one. One company at a time: notices, changes and pulls all end here."""

    def __init__(self, begin: Begin, open_books: OpenBooks) -> None:
        self._begin = begin
        self._open_books = open_books

    def books(self, realm_id: str) -> Books:
        return self._open_books(realm_id)

    async def take(self, realm_id: str, found: Found) -> None:
        """Mirror these objects. Raises what reading raises; nothing is stored then."""
        await self._store(realm_id, await self._completed(realm_id, found))

    async def take_or_note(self, realm_id: str, found: Found) -> None:
        """As `take`; one that cannot be stored keeps none of the others from it. It is read again later, as if
        QuickBooks had told of it: until that is in order, or was tried often enough.
        """
        complete = await self._completed(realm_id, found)
        try:
            await self._store(realm_id, complete)
        except Exception as error:
            if not is_about_values(error):
                raise
            log.warning("reading.stored_one_by_one", realm_id=realm_id, error=type(error).__name__)
            left: References = defaultdict(set)
            for entity in ENTITIES:
                for one in complete.get(entity, ()):
                    # What names one that is left lacks it: it is read again behind that.
                    is_whole = not names_any(entity, one, left)
                    if not (await self._is_stored(realm_id, entity, one) and is_whole):
                        left[entity].add(one.id)
            async with self._begin() as tx:
                marks = await tx.aget(MarkService)
                for entity, ids in left.items():
                    await marks.read_again(realm_id, entity, ids)

    async def _is_stored(self, realm_id: str, entity: str, one: Seen) -> bool:
        try:
            await self._store(realm_id, {entity: [one]})
        except Exception as error:
            if not is_about_values(error):
                raise
            log.error("reading.not_stored", realm_id=realm_id, entity=entity, qb_id=one.id, exc_info=error)
            return False
        return True

    async def read(self, realm_id: str, entity: str, ids: Iterable[str]) -> list[Seen]:
        """The objects of these ids; one that is not there any more comes as deleted."""
        ordered, books, found = sorted(set(ids)), self.books(realm_id), list[Seen]()
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            seen = await books.find(entity, chunk)
            absent = set(chunk) - {one.id for one in seen}
            found += [*seen, *[await self._confirmed(books, entity, qb_id) for qb_id in sorted(absent)]]
        return found

    async def _confirmed(self, books: Books, entity: str, qb_id: str) -> Seen:
        """An object that a query did not list: deleted only where QuickBooks says so of itself."""
        try:
            return await books.read(entity, qb_id)
        except ObjectMissing:
            return Seen(qb_id, -1, "", is_deleted=True)

    async def take_again(self, realm_id: str, references: References) -> None:
        found = {entity: await self.read(realm_id, entity, ids) for entity, ids in references.items()}
        await self.take(realm_id, found)

    async def _completed(self, realm_id: str, found: Found) -> Found:
        """With everything that they name and we lack. What QuickBooks does not give either is left out."""
        complete: dict[str, list[Seen]] = defaultdict(list, {entity: list(seen) for entity, seen in found.items()})
        asked: set[tuple[str, str]] = set()
        for _ in range(_DEPTH):
            wanted = _merged(references_of(entity, seen) for entity, seen in complete.items())
            for entity, seen in complete.items():
                wanted[entity] = wanted.get(entity, set()) - {one.id for one in seen}
            async with self._begin() as tx:
                missing = await (await tx.aget(MirrorService)).missing(realm_id, wanted)
            news = {(entity, one) for entity, ids in missing.items() for one in ids} - asked
            if not news:
                break
            asked |= news
            for entity in {entity for entity, _ in news}:
                ids = [one for kind, one in news if kind == entity]
                complete[entity] += [one for one in await self.read(realm_id, entity, ids) if not one.is_deleted]
        return complete

    async def _store(self, realm_id: str, found: Found) -> None:
        touched: References = {}
        async with self._begin() as tx:
            mirror = await tx.aget(MirrorService)
            for entity in ENTITIES:
                if found.get(entity):
                    touched = _merged((touched, await mirror.store(realm_id, entity, found[entity])))
                    await mirror.note_tax(realm_id, found[entity])
            marks = await tx.aget(MarkService)
            for entity, ids in touched.items():
                # What is left of them moved, of which QuickBooks may tell nothing.
                await marks.read_again(realm_id, entity, ids - {one.id for one in found.get(entity, ())})


def _merged(parts: Iterable[References]) -> References:
    found: References = defaultdict(set)
    for part in parts:
        for entity, ids in part.items():
            found[entity] |= ids
    return found
