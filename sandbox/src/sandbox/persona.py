"""How the people at the other end answer: a function of (seed, recipient, which text of ours it is)."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, StrictInt

from sandbox.draw import between, draw, pick
from sandbox.faults import Seconds, Share


class ReplyKind(StrEnum):
    YES = "yes"
    QUESTION = "question"
    STOP = "stop"
    FREE_OPT_OUT = "free_opt_out"
    PICTURE = "picture"
    NONE = "none"


TEXTS: dict[ReplyKind, tuple[str, ...]] = {
    ReplyKind.YES: (
        "Yes please, Tuesday works",
        "Sure, when can you come by?",
        "Yes we have a crack in the basement wall. Please call me",
        "ok, what does it cost?",
    ),
    ReplyKind.QUESTION: (
        "Who is this?",
        "How did you get my number?",
        "Do you also do bulkheads?",
        "Is the estimate free?",
    ),
    ReplyKind.STOP: ("STOP", "Stop", "stop", "UNSUBSCRIBE", "QUIT", "cancel", "End"),
    ReplyKind.FREE_OPT_OUT: (
        "Please stop texting me",
        "take me off your list",
        "Remove me",
        "do not text this number again",
        "Leave me alone!!",
        "stop.",
    ),
    ReplyKind.PICTURE: ("",),
}

PICTURE = {"url": "https://storage.googleapis.com/quo-media/sandbox/crack.jpg", "type": "image/jpeg"}


class PersonaProfile(BaseModel):
    """Shares of the people who answer a delivered text in each way; the rest say nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: StrictInt = 1
    yes: Share = 0.0
    question: Share = 0.0
    stop: Share = 0.0
    free_opt_out: Share = 0.0
    picture: Share = 0.0
    recipients: dict[str, ReplyKind] = {}
    delay_seconds: tuple[Seconds, Seconds] = (60.0, 7200.0)
    """On the movable clock, from the delivery."""


@dataclass(frozen=True)
class Reply:
    kind: ReplyKind
    text: str
    delay_seconds: float

    @property
    def media(self) -> list[dict[str, str]]:
        return [PICTURE] if self.kind is ReplyKind.PICTURE else []


def reply_to(profile: PersonaProfile, recipient: str, text_number: int) -> Reply | None:
    """What `recipient` answers to the `text_number`-th text (from 1), if anything.

    Who has asked to be left alone does not answer again: a second text to them is seen in the ledger instead.
    """
    kinds = [_kind(profile, recipient, number) for number in range(1, text_number + 1)]
    if any(kind in (ReplyKind.STOP, ReplyKind.FREE_OPT_OUT) for kind in kinds[:-1]):
        return None
    kind = kinds[-1]
    if kind is ReplyKind.NONE:
        return None
    wordings = TEXTS[kind]
    text = wordings[int(draw(profile.seed, "wording", recipient, text_number) * len(wordings))]
    low, high = profile.delay_seconds
    return Reply(kind, text, between(low, high, draw(profile.seed, "delay", recipient, text_number)))


def _kind(profile: PersonaProfile, recipient: str, text_number: int) -> ReplyKind:
    if recipient in profile.recipients:
        return profile.recipients[recipient] if text_number == 1 else ReplyKind.NONE
    shares = {
        ReplyKind.STOP: profile.stop,
        ReplyKind.FREE_OPT_OUT: profile.free_opt_out,
        ReplyKind.YES: profile.yes,
        ReplyKind.QUESTION: profile.question,
        ReplyKind.PICTURE: profile.picture,
    }
    return pick(shares, draw(profile.seed, "reply", recipient, text_number)) or ReplyKind.NONE
