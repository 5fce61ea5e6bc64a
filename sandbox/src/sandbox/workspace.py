"""The workspace at the provider as one immutable picture: numbers, people, keys, webhooks and the controls."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from sandbox.controls import Controls
from sandbox.models import ApiKey, PhoneNumber, Webhook, WorkspaceUser


@dataclass(frozen=True)
class Workspace:
    """Read whole, replaced whole: see WorkspaceCache."""

    revision: int
    run: int
    controls: Controls
    keys: dict[str, ApiKey]
    numbers: tuple[PhoneNumber, ...]
    users: tuple[WorkspaceUser, ...]
    webhooks: tuple[Webhook, ...]
    """Without the deleted ones."""

    @cached_property
    def numbers_by_name(self) -> dict[str, PhoneNumber]:
        """Both names that a number goes by: its id and its E.164."""
        return {name: number for number in self.numbers for name in (number.id, number.number)}

    @cached_property
    def users_by_id(self) -> dict[str, WorkspaceUser]:
        return {user.id: user for user in self.users}

    @property
    def owner(self) -> WorkspaceUser:
        """Whose webhooks those are that name no user."""
        return next((user for user in self.users if user.role == "owner"), self.users[0])

    def live_key(self, presented: str) -> ApiKey | None:
        key = self.keys.get(presented)
        return key if key is not None and key.revoked_at is None else None

    def members_of(self, number: PhoneNumber) -> list[WorkspaceUser]:
        return [self.users_by_id[user_id] for user_id in number.user_ids if user_id in self.users_by_id]

    def webhooks_for(self, event_type: str, phone_number_id: str) -> list[Webhook]:
        """The webhooks that get this event, by subscription and by the controls."""
        wanted = self.controls.shapes.schemes
        return [
            webhook
            for webhook in self.webhooks
            if webhook.is_enabled
            and event_type in webhook.events
            and (wanted == "all" or webhook.scheme.value == wanted)
            and ("*" in webhook.resource_ids or phone_number_id in webhook.resource_ids)
        ]


def pacific_midnight_before(now: datetime) -> datetime:
    """When the daily caps were last reset."""
    local = now.astimezone(ZoneInfo("America/Los_Angeles"))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
