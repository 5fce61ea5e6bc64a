"""Security time: tokens, leases, deadlines, signatures. Domain time is `crm_now()` (`uow.now`)."""

from datetime import UTC, datetime


def wall_now() -> datetime:
    """The machine's clock, aware, in UTC. It never follows the movable clock of sandbox mode."""
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """An instant as the product writes it everywhere: UTC with milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
