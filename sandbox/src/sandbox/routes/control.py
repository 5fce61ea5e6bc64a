"""/sandbox/v1: turning the sandbox. Nothing here exists at the provider."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, StrictInt, StringConstraints
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, Invalid, NotFound
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, problems

from sandbox import queries
from sandbox.controls import Controls
from sandbox.routes.control_key import Controller
from sandbox.services.inbound import InboundService, IncomingCall
from sandbox.services.workspace import WorkspaceService
from sandbox.settings import NumberSeed, WebhookSeed
from sandbox.signing import Scheme, generate_key
from sandbox.workspace import Workspace

router = ApiRouter(prefix="/sandbox/v1", tags=["control"])

Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{1,14}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(max_length=1600, pattern=r"^[^\x00]*$")]
Media = Annotated[list[dict[Annotated[str, StringConstraints(max_length=20)], Words]], Field(max_length=10)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewInbound(Strict):
    sender: Phone = Field(alias="from")
    to: Name
    """PN id or E.164 of one of the workspace's numbers."""
    text: Words = ""
    media: Media = []


class Received(BaseModel):
    id: str
    conversation_id: str


class NewCall(Strict):
    caller: Phone = Field(alias="from")
    to: Name
    status: Annotated[str, StringConstraints(pattern="^(completed|missed|no-answer|busy|abandoned)$")] = "missed"
    duration: StrictInt = Field(0, ge=0, le=86_400)
    has_participants: StrictBool = True


class NewKey(Strict):
    name: Name
    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{8,200}$")] | None = None


class KeyOut(BaseModel):
    name: str
    key: str
    revoked_at: Instant | None


class NewNumber(Strict):
    id: Annotated[str, StringConstraints(pattern="^PN[A-Za-z0-9]{1,40}$")]
    number: Phone
    name: Name
    user_ids: Annotated[list[Name], Field(min_length=1, max_length=50)]


class NumberOut(BaseModel):
    id: str
    number: str
    name: str
    user_ids: list[str]


class WorkspaceOut(BaseModel):
    numbers: list[NumberOut]
    user_ids: list[str]
    webhooks: list["WebhookOut"]


class NewWebhook(Strict):
    url: Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,500}$")]
    scheme: Scheme
    key: Annotated[str, StringConstraints(pattern=r"^(whsec_)?[A-Za-z0-9+/]{16,200}={0,2}$")] | None = None
    """One the receiver knows already; without it a fresh one is made."""
    events: Annotated[list[Name], Field(max_length=50)] = []


class WebhookOut(BaseModel):
    id: str
    scheme: Scheme
    url: str
    key: str
    events: list[str]


class ResetOut(BaseModel):
    run: int


class RecipientOut(BaseModel):
    phone: str
    attempts: int
    accepted: int
    received: int
    blocked_at: Instant | None


@router.get("/controls")
async def get_controls(workspace: Needs[Workspace], caller: Controller) -> Controls:
    return workspace.controls


@router.put("/controls")
async def put_controls(controls: Controls, service: Needs[WorkspaceService], caller: Controller) -> Controls:
    """Replace all controls; what is left out goes back to its default."""
    return await service.set_controls(controls)


@router.patch("/controls", responses=problems(Invalid))
async def patch_controls(changes: dict[str, Any], service: Needs[WorkspaceService], caller: Controller) -> Controls:
    """Merge into the controls: objects member by member, everything else replaced."""
    return await service.change_controls(changes)


@router.post("/inbound", status_code=201, responses=problems(NotFound))
async def post_inbound(new: NewInbound, inbound: Needs[InboundService], caller: Controller) -> Received:
    """Somebody outside texts one of the workspace's numbers."""
    message = await inbound.receive(new.sender, new.to, new.text, new.media)
    return Received(id=message.id, conversation_id=message.conversation_id)


@router.post("/calls", status_code=201, responses=problems(NotFound))
async def post_call(new: NewCall, inbound: Needs[InboundService], caller: Controller) -> Received:
    """Somebody outside has called; `call.completed` and, unanswered, `call.missed` go out."""
    call = await inbound.receive_call(IncomingCall(new.caller, new.to, new.status, new.duration, new.has_participants))
    return Received(id=call.id, conversation_id=call.conversation_id)


@router.get("/workspace")
async def get_workspace(workspace: Needs[Workspace], caller: Controller) -> WorkspaceOut:
    """Numbers, users and webhooks, with the keys of all webhooks."""
    return WorkspaceOut(
        numbers=[NumberOut.model_validate(number, from_attributes=True) for number in workspace.numbers],
        user_ids=[user.id for user in workspace.users],
        webhooks=[WebhookOut.model_validate(webhook, from_attributes=True) for webhook in workspace.webhooks],
    )


@router.post("/numbers", status_code=201, responses=problems(AlreadyExists, NotFound))
async def post_number(new: NewNumber, service: Needs[WorkspaceService], caller: Controller) -> NumberOut:
    await service.add_number(NumberSeed(id=new.id, number=new.number, name=new.name, user_ids=tuple(new.user_ids)))
    return NumberOut(**new.model_dump())


@router.post("/webhooks", status_code=201)
async def post_webhook(new: NewWebhook, service: Needs[WorkspaceService], caller: Controller) -> WebhookOut:
    """A webhook whose key both sides know; the provider's own endpoints make keys themselves."""
    key = new.key or generate_key(new.scheme)
    seed = WebhookSeed(url=new.url, scheme=new.scheme, key=SecretStr(key), events=tuple(new.events))
    return WebhookOut.model_validate(await service.add_webhook(seed), from_attributes=True)


@router.post("/keys", status_code=201, responses=problems(AlreadyExists))
async def post_key(new: NewKey, service: Needs[WorkspaceService], caller: Controller) -> KeyOut:
    return KeyOut.model_validate(await service.add_key(new.name, new.key), from_attributes=True)


@router.post("/keys/{name}/revoke", responses=problems(NotFound))
async def revoke_key(name: str, service: Needs[WorkspaceService], caller: Controller) -> KeyOut:
    """The next request with it is refused."""
    return KeyOut.model_validate(await service.revoke_key(name), from_attributes=True)


@router.post("/reset")
async def reset(service: Needs[WorkspaceService], caller: Controller) -> ResetOut:
    """Forget messages, e-mails, people and controls, and begin a new run; earlier runs stay in the ledger."""
    return ResetOut(run=await service.reset())


@router.get("/recipients/{phone}", responses=problems(NotFound))
async def get_recipient(phone: str, uow: Needs[UnitOfWork], caller: Controller) -> RecipientOut:
    found = await queries.find_recipient(uow.session, phone)
    if found is None:
        raise NotFound("Nobody has texted this number, and it has texted nobody.")
    return RecipientOut.model_validate(found, from_attributes=True)
