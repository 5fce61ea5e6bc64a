"""Everything about the sandbox that a test, a demo or a person may turn, in one document."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from sandbox.faults import FaultProfile
from sandbox.life_cycle import LifeProfile
from sandbox.persona import PersonaProfile
from sandbox.quickbooks.controls import QuickBooksControls


class Account(BaseModel):
    """The state of the workspace at the provider, in the order in which a send is held against it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_subscription_active: StrictBool = True
    has_credits: StrictBool = True
    is_registered: StrictBool = True
    """Whether the registration for texting US numbers (A2P 10DLC) is approved."""
    daily_cap: StrictInt | None = Field(None, ge=0)
    """Texts per day until midnight Pacific."""


class OptOutRules(BaseModel):
    """What nobody outside knows for sure about opt-outs at the provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sends_to_blocked: Literal["refuse", "accept_then_fail"] = "refuse"
    is_reply_listed: StrictBool = True
    """Whether the automatic reply shows up as an outgoing message."""
    is_keyword_delivered: StrictBool = True
    """Whether the STOP itself reaches `message.received`."""


class Shapes(BaseModel):
    """How payloads look where captures and documentation disagree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    legacy_to: Literal["string", "array"] = "string"
    legacy_received_status: Literal["received", "delivered"] = "received"
    has_legacy_conversation_id: StrictBool = False
    has_empty_media: StrictBool = False
    """Whether a message without pictures carries `media: []` or no `media` at all."""
    schemes: Literal["all", "legacy", "dated"] = "all"
    """Which of the subscribed webhooks an event goes to."""


class Controls(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_limit: StrictInt | None = Field(10, ge=1)
    """Requests per second and key; null lifts it."""
    account: Account = Account()
    opt_out: OptOutRules = OptOutRules()
    shapes: Shapes = Shapes()
    faults: FaultProfile = FaultProfile()
    life: LifeProfile = LifeProfile()
    persona: PersonaProfile = PersonaProfile()
    quickbooks: QuickBooksControls = QuickBooksControls()
