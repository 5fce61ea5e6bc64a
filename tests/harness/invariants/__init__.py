"""What must hold after whatever happened: one function over the provider's ledger, every database and the streams.

The numbers are those of the reliability catalogue. Each check returns the rows that break it, in words; none is good.
"""

from harness.invariants.books import BOOKS
from harness.invariants.events import EVENTS
from harness.invariants.money import MONEY
from harness.invariants.records import RECORDS
from harness.invariants.sending import SENDING
from harness.system import System

CHECKS = {**SENDING, **RECORDS, **MONEY, **BOOKS, **EVENTS}
SHOWN = 20


async def check_invariants(system: System) -> None:
    """Raises AssertionError that names every broken invariant and what breaks it."""
    broken = await _broken(system)
    if broken and broken.keys() <= EVENTS.keys():
        # Domain time goes on by itself: an event may have fallen due since the system came to rest. One that is lost is
        # still so at the next rest. Anything else that is broken, if only for a moment, is broken.
        await system.settle()
        broken = await _broken(system)
    if broken:
        raise AssertionError("broken invariants:\n" + "\n".join(_lines(broken)))


def _lines(broken: dict[str, list[str]]) -> list[str]:
    lines = []
    for name, found in broken.items():
        lines += [name, *(f"  {row}" for row in found[:SHOWN])]
        lines += [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return lines


async def _broken(system: System) -> dict[str, list[str]]:
    return {name: found for name, check in CHECKS.items() if (found := await check(system))}
