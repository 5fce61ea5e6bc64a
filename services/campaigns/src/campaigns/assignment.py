"""Which arm a person is in and whose turn comes when: functions of ids, so that anybody can work them out again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

_SPAN = 1 << 63


@dataclass(frozen=True, slots=True)
class Arm:
    label: str
    weight: int


def assign(campaign_id: UUID, contact_id: UUID, arms: Sequence[Arm]) -> str:
    """The label of the person's arm; shares follow the weights, whatever the audience's order or size."""
    point = _hash("variant", campaign_id, contact_id) * sum(arm.weight for arm in arms)
    reached = 0
    for arm in arms:
        reached += arm.weight * _SPAN
        if point < reached:
            return arm.label
    raise ValueError("a campaign has at least one arm")


def turn_position(campaign_id: UUID, contact_id: UUID) -> int:
    """A fixed random order. Hashed apart from the arm, else all turns of one arm would come first."""
    return _hash("position", campaign_id, contact_id)


def _hash(purpose: str, campaign_id: UUID, contact_id: UUID) -> int:
    """Uniform in 0 ≤ n < 2⁶³, which fits a bigint."""
    digest = hashlib.sha256(purpose.encode() + campaign_id.bytes + contact_id.bytes).digest()
    return int.from_bytes(digest[:8], "big") >> 1
