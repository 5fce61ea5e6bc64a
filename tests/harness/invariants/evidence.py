"""The provider's ledger beside our intents and opt-outs, with the instants at which the database committed these.

Commit instants and the ledger's `recv_at` are of the same machine's clock, which no test moves.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from harness.system import System

OPTED_OUT = {"opt_out", "suppression", "erasure"}


@dataclass(frozen=True)
class Sent:
    """One text that the provider accepted, and ours that it is; `intents` are the commits of its claims."""

    entry: Any
    message: Any | None
    intents: tuple[datetime, ...]

    @property
    def intent_at(self) -> datetime | None:
        """When the claim that led to it was committed."""
        return max((at for at in self.intents if at < self.entry["recv_at"]), default=None)

    def __str__(self) -> str:
        return f"ledger {self.entry['seq']} to {self.entry['recipient']} at {self.entry['recv_at']:%H:%M:%S.%f}"


@dataclass(frozen=True)
class Evidence:
    sent: tuple[Sent, ...]
    consent: dict[str, list[Any]]
    """Phone → its effective consent entries in their order."""

    def opted_out_by(self, phone: str, at: datetime) -> Any | None:
        """The opt-out that is in force for this phone at that instant of the machine's clock."""
        before = [entry for entry in self.consent.get(phone, ()) if entry["committed_at"] <= at]
        return before[-1] if before and before[-1]["action"] in OPTED_OUT else None


async def gather(system: System) -> Evidence:
    consent = defaultdict(list)
    for entry in await system.rows(
        "messaging",
        "SELECT phone, action, occurred_at, evidence_message_id, pg_xact_commit_timestamp(xmin) AS committed_at"
        " FROM consent_entry WHERE is_effective ORDER BY phone, version",
    ):
        consent[entry["phone"]].append(entry)
    return Evidence(tuple(await _sent(system)), dict(consent))


async def _sent(system: System) -> list[Sent]:
    """Each ledger row with its message: by the provider's id, else by an unbound intent of the same words."""
    intents: dict[UUID, list[datetime]] = defaultdict(list)
    for claim in await system.rows(
        "messaging",
        "SELECT message_id, pg_xact_commit_timestamp(xmin) AS at FROM message_transition"
        " WHERE to_status = 'in_flight' ORDER BY id",
    ):
        intents[claim["message_id"]].append(claim["at"])
    messages = await system.rows(
        "messaging",
        "SELECT m.*, n.e164, n.zone FROM message m LEFT JOIN phone_number n ON n.id = m.number_id"
        " WHERE m.direction = 'outbound' ORDER BY m.created_at, m.id",
    )
    bound = {message["provider_id"]: message for message in messages if message["provider_id"]}
    unbound: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for message in messages:
        if not message["provider_id"] and intents[message["id"]]:
            unbound[message["phone"], message["body"]].append(message)
    found = []
    for entry in await system.rows("sandbox", "SELECT * FROM ledger ORDER BY seq"):
        waiting = unbound[entry["recipient"], entry["body"]]
        message = bound.get(entry["message_id"]) or (waiting.pop(0) if waiting else None)
        found.append(Sent(entry, message, tuple(intents[message["id"]]) if message else ()))
    return found
