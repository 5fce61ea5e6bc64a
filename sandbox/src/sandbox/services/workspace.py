"""The workspace's own state: what it is seeded with, its controls, keys and numbers, and a fresh start."""

import secrets

from pydantic import ValidationError
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, Invalid, NotFound
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from sandbox.controls import Controls
from sandbox.models import (
    ApiKey,
    Call,
    Configuration,
    Conversation,
    Delivery,
    Message,
    PhoneNumber,
    PlannedReply,
    QbEmail,
    Recipient,
    Webhook,
    WorkspaceUser,
)
from sandbox.provider_ids import dated_webhook_id, provider_id
from sandbox.settings import NumberSeed, SandboxSettings, WebhookSeed
from sandbox.signing import Scheme
from sandbox.workspace import Workspace

_REVISION = text("SELECT revision FROM configuration")


class WorkspaceCache:
    """The picture of the workspace, read again whenever its revision has moved."""

    def __init__(self) -> None:
        self._latest: Workspace | None = None

    async def current(self, session: AsyncSession) -> Workspace:
        revision = (await session.execute(_REVISION)).scalar_one()
        if self._latest is None or self._latest.revision != revision:
            self._latest = await _read_workspace(session)
        return self._latest


async def _read_workspace(session: AsyncSession) -> Workspace:
    configuration = (await session.execute(select(Configuration))).scalar_one()
    # Rows of the picture outlive the transaction: they must not be tied to its session.
    keys = (await session.execute(select(ApiKey))).scalars().all()
    numbers = (await session.execute(select(PhoneNumber).order_by(PhoneNumber.id))).scalars().all()
    users = (await session.execute(select(WorkspaceUser).order_by(WorkspaceUser.id))).scalars().all()
    webhooks = (
        (await session.execute(select(Webhook).where(Webhook.deleted_at.is_(None)).order_by(Webhook.created_at)))
        .scalars()
        .all()
    )
    for row in (*keys, *numbers, *users, *webhooks):
        session.expunge(row)
    return Workspace(
        revision=configuration.revision,
        run=configuration.run,
        controls=Controls.model_validate(configuration.controls),
        keys={key.key: key for key in keys},
        numbers=tuple(numbers),
        users=tuple(users),
        webhooks=tuple(webhooks),
    )


async def count_change(session: AsyncSession) -> None:
    """Make every holder of a picture of the workspace read it again."""
    await session.execute(update(Configuration).values(revision=Configuration.revision + 1))


class WorkspaceService:
    """Lives for one transaction."""

    def __init__(self, uow: UnitOfWork, settings: SandboxSettings) -> None:
        self._uow = uow
        self._session = uow.session
        self._settings = settings

    async def seed(self) -> None:
        """Put in what the settings name and the database lacks; safe to repeat."""
        controls = Controls(rate_limit=self._settings.openphone_rate_limit).model_dump(mode="json")
        await self._session.execute(
            insert(Configuration).values(is_only=True, revision=1, run=1, controls=controls).on_conflict_do_nothing()
        )
        for user in self._settings.openphone_users:
            row = {**user.model_dump(), "created_at": self._uow.now}
            await self._session.execute(insert(WorkspaceUser).values(row).on_conflict_do_nothing())
        for number in self._settings.openphone_numbers:
            await self._put_number(number)
        await self._put_default_key(self._settings.openphone_api_key.get_secret_value())
        for webhook in self._settings.openphone_webhooks:
            await self._put_webhook(webhook)
        await count_change(self._session)

    async def _put_number(self, number: NumberSeed) -> None:
        row = {
            "id": number.id,
            "number": number.number,
            "name": number.name,
            "group_id": f"GR{number.id[2:]}",
            "user_ids": list(number.user_ids),
            "created_at": self._uow.now,
        }
        await self._session.execute(insert(PhoneNumber).values(row).on_conflict_do_nothing())

    async def _put_default_key(self, key: str) -> None:
        # A new key in the settings takes the place of the former one.
        await self._session.execute(delete(ApiKey).where(ApiKey.name == "default", ApiKey.key != key))
        await self._session.execute(insert(ApiKey).values(key=key, name="default").on_conflict_do_nothing())

    async def _put_webhook(self, seed: WebhookSeed) -> None:
        key = seed.key.get_secret_value()
        known = await self._session.execute(
            update(Webhook)
            .where(Webhook.url == seed.url, Webhook.scheme == seed.scheme, Webhook.deleted_at.is_(None))
            .values(key=key, events=list(seed.event_types()))
            .returning(Webhook.id)
        )
        if known.first() is None:
            await self.add_webhook(seed)

    async def add_webhook(self, seed: WebhookSeed) -> Webhook:
        """A webhook whose key the receiver knows already."""
        webhook = Webhook(
            id=provider_id("WH") if seed.scheme is Scheme.LEGACY else dated_webhook_id(),
            scheme=seed.scheme,
            url=seed.url,
            key=seed.key.get_secret_value(),
            events=list(seed.event_types()),
            resource_ids=["*"],
            label=None,
            is_enabled=True,
            user_id=self._settings.openphone_users[0].id,
            created_at=self._uow.now,
            updated_at=self._uow.now,
        )
        self._session.add(webhook)
        await self._session.flush()
        await count_change(self._session)
        return webhook

    async def set_controls(self, controls: Controls) -> Controls:
        await self._session.execute(update(Configuration).values(controls=controls.model_dump(mode="json")))
        await count_change(self._session)
        return controls

    async def change_controls(self, changes: dict[str, object]) -> Controls:
        """Merge `changes` into the controls: objects member by member, everything else replaced."""
        current = (await self._session.execute(select(Configuration.controls).with_for_update())).scalar_one()
        try:
            merged = Controls.model_validate(_merge(current, changes))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Invalid(f"These controls cannot be set: {where}: {first['msg']}.", field=where) from error
        return await self.set_controls(merged)

    async def add_number(self, number: NumberSeed) -> None:
        names = (await self._session.execute(select(PhoneNumber.id, PhoneNumber.number))).all()
        if any(number.id == id_ or number.number == phone for id_, phone in names):
            raise AlreadyExists("The workspace has this number already.")
        known = set((await self._session.execute(select(WorkspaceUser.id))).scalars())
        if not number.user_ids or not known.issuperset(number.user_ids):
            raise NotFound("Name at least one user of the workspace, and only such.")
        await self._put_number(number)
        await count_change(self._session)

    async def add_key(self, name: str, key: str | None) -> ApiKey:
        row = ApiKey(key=key or secrets.token_urlsafe(24), name=name)
        taken = select(ApiKey).where((ApiKey.name == name) | (ApiKey.key == row.key))
        if (await self._session.execute(taken)).first():
            raise AlreadyExists("There is a key with this name or value.")
        self._session.add(row)
        await self._session.flush()
        await count_change(self._session)
        return row

    async def revoke_key(self, name: str) -> ApiKey:
        """From the next request on the key is refused."""
        key = (await self._session.execute(select(ApiKey).where(ApiKey.name == name))).scalar_one_or_none()
        if key is None:
            raise NotFound("There is no key of this name.")
        key.revoked_at = key.revoked_at or self._uow.now
        await self._session.flush()
        await count_change(self._session)
        return key

    async def reset(self) -> int:
        """Forget messages, e-mails, people and controls, keep numbers, keys and webhooks; returns the new run's number.

        The ledger keeps what it holds: its rows belong to the run that ends here. QuickBooks' books stay as they are.
        """
        for model in (Delivery, PlannedReply, Call, Message, Conversation, Recipient, QbEmail):
            await self._session.execute(delete(model))
        controls = Controls(rate_limit=self._settings.openphone_rate_limit).model_dump(mode="json")
        changed = await self._session.execute(
            update(Configuration).values(run=Configuration.run + 1, controls=controls).returning(Configuration.run)
        )
        await count_change(self._session)
        return int(changed.scalar_one())


def _merge(into: object, changes: object) -> object:
    if isinstance(into, dict) and isinstance(changes, dict):
        return {**into, **{key: _merge(into.get(key), value) for key, value in changes.items()}}
    return changes
