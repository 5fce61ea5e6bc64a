"""Who of an audience must not get the campaign's text, and why: the first reason that holds, strictest first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.rules.phones import is_valid

from campaigns.states import ExclusionReason as Why


class Line(StrEnum):
    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """What is known about one of a person's phones when the audience is built."""

    e164: str
    line: Line = Line.UNKNOWN
    is_primary: bool = False
    is_opted_out: bool = False
    last_texted_at: datetime | None = None
    has_conversation: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The campaign's choices, and the instant they are applied at."""

    now: datetime
    recontact_days: int = 30
    includes_earlier_conversations: bool = False
    own_numbers: frozenset[str] = frozenset()

    def was_texted_recently(self, at: datetime | None) -> bool:
        return at is not None and at > self.now - timedelta(days=self.recontact_days)


@dataclass(frozen=True, slots=True)
class Choice:
    """The phone to text, or the reason why there is none (then `phone` only says which one it was about)."""

    phone: str | None
    reason: Why | None = None


def choose_phone(phones: Sequence[PhoneFacts], policy: Policy) -> Choice:
    """A person who opted out on one phone is not texted on another one."""
    if any(phone.is_opted_out for phone in phones):
        return Choice(next(phone.e164 for phone in phones if phone.is_opted_out), Why.OPTED_OUT)
    valid = [phone for phone in phones if is_valid(phone.e164)]
    if phones and not valid:
        return Choice(phones[0].e164, Why.INVALID_PHONE)
    outside = [phone for phone in valid if phone.e164 not in policy.own_numbers]
    if valid and not outside:
        return Choice(valid[0].e164, Why.OFFICE_NUMBER)
    textable = [phone for phone in outside if phone.line is not Line.LANDLINE]
    if not textable:
        return Choice(outside[0].e164 if outside else None, Why.NO_MOBILE)
    return _check_history(_best(textable), phones, policy)


def _best(textable: Sequence[PhoneFacts]) -> PhoneFacts:
    known = (Line.MOBILE, Line.VOIP)
    return min(textable, key=lambda phone: (phone.line not in known, not phone.is_primary, phone.e164))


def _check_history(chosen: PhoneFacts, phones: Sequence[PhoneFacts], policy: Policy) -> Choice:
    """History is a matter of the person: a talk over the other phone counts too."""
    if any(policy.was_texted_recently(phone.last_texted_at) for phone in phones):
        return Choice(chosen.e164, Why.TEXTED_RECENTLY)
    if not policy.includes_earlier_conversations and any(phone.has_conversation for phone in phones):
        return Choice(chosen.e164, Why.EARLIER_CONVERSATION)
    return Choice(chosen.e164)


def exclude_repeated(
    choices: Mapping[str, Choice], *, in_other_campaigns: Collection[str], already_taken: Collection[str]
) -> dict[str, Choice]:
    """Apply what depends on others: another campaign's people, then the first of those who share a phone.

    `choices` is keyed by contact, in the audience's order; `already_taken` are phones of earlier members.
    """
    taken = set(already_taken)
    result = {}
    for contact, choice in choices.items():
        if choice.reason is None and choice.phone in in_other_campaigns:
            result[contact] = Choice(choice.phone, Why.OTHER_CAMPAIGN)
        elif choice.reason is None and choice.phone in taken:
            result[contact] = Choice(choice.phone, Why.DUPLICATE_PHONE)
        else:
            result[contact] = choice
        if result[contact].reason is None and choice.phone is not None:
            taken.add(choice.phone)
    return result
