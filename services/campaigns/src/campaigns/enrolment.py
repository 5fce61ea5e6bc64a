"""Turning a person of the snapshot into a recipient: phone or reason, arm, place, and the exact text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, field_validator
from shared.rules.segments import count_segments, normalise
from shared.rules.templates import MissingValue, Template, parse_template
from shared.rules.zones import region_for, zones_for

from campaigns.assignment import Arm, assign, turn_position
from campaigns.exclusion import Choice, Line, PhoneFacts
from campaigns.pacing import Place
from campaigns.states import ExclusionReason, RecipientStatus


def _line(value: object) -> object:
    """A kind of line that we do not know is as good as unknown."""
    return value if value in {line.value for line in Line} else Line.UNKNOWN


class MemberPhone(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    e164: str
    line_type: Line = Line.UNKNOWN
    consent_state: str | None = None
    is_primary: bool = False

    _tolerant_line = field_validator("line_type", mode="before")(_line)


class Member(BaseModel):
    """One person of the snapshot, as contacts streams it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contact_id: UUID
    version: int = 0
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    phones: list[MemberPhone] = []
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class PhoneState(BaseModel):
    """What messaging knows of a phone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    phone: str
    is_opted_out: bool = False
    line_type: Line = Line.UNKNOWN
    last_texted_at: datetime | None = None
    has_conversation: bool = False

    _tolerant_line = field_validator("line_type", mode="before")(_line)


@dataclass(frozen=True, slots=True)
class History:
    """What this service itself knows of phones: copies of messaging's facts, and its own sends."""

    opted_out: frozenset[str] = frozenset()
    lines: Mapping[str, Line] | None = None
    texted_at: Mapping[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """A variant, parsed once for all recipients."""

    label: str
    weight: int
    template: Template

    @classmethod
    def of(cls, label: str, weight: int, message: str) -> "Wording":
        return cls(label, weight, parse_template(normalise(message)))


def phone_facts(member: Member, states: Mapping[str, PhoneState], history: History) -> list[PhoneFacts]:
    """All that is known of a person's phones, from whoever knows it; the stricter word counts."""
    return [_facts(phone, states.get(phone.e164), history) for phone in member.phones]


def _facts(phone: MemberPhone, state: PhoneState | None, history: History) -> PhoneFacts:
    texted = [(history.texted_at or {}).get(phone.e164), state.last_texted_at if state else None]
    known_lines = (state.line_type if state else Line.UNKNOWN, (history.lines or {}).get(phone.e164), phone.line_type)
    return PhoneFacts(
        e164=phone.e164,
        line=next((line for line in known_lines if line and line is not Line.UNKNOWN), Line.UNKNOWN),
        is_primary=phone.is_primary,
        is_opted_out=bool(state and state.is_opted_out)
        or phone.consent_state == "opted_out"
        or phone.e164 in history.opted_out,
        last_texted_at=max((at for at in texted if at), default=None),
        has_conversation=bool(state and state.has_conversation),
    )


def template_values(
    *,
    first_name: str | None,
    last_name: str | None,
    company: str | None,
    address: str | None,
    city: str | None,
    state: str | None,
    zip_code: str | None,
) -> dict[str, str | None]:
    """What the placeholders stand for."""
    return {
        "first_name": first_name,
        "last_name": last_name,
        "full_name": " ".join(filter(None, (first_name, last_name))) or None,
        "company": company,
        "address": address,
        "city": city,
        "state": state,
        "zip": zip_code,
    }


@dataclass(frozen=True, slots=True)
class Rendering:
    """The text for one person, or None where a value is missing."""

    text: str | None
    segments: int


def render_text(template: Template, values: Mapping[str, str | None]) -> Rendering:
    """Segments are counted as the provider bills them."""
    try:
        text = normalise(template.render(values))
    except MissingValue:
        return Rendering(None, 0)
    return Rendering(text, count_segments(text, billing=True).segments)


def place_of(*, state: str | None, zip_code: str | None, phone: str | None) -> Place:
    return Place(zones_for(state, zip_code, phone or ""), region_for(state, zip_code, phone or ""))


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A recipient to be: a row without the ids of its campaign and audience."""

    place: Place
    columns: dict[str, Any]


def enrol(member: Member, choice: Choice, *, campaign_id: UUID, wordings: Sequence[Wording]) -> Enrolment:
    """The recipient that this person becomes; one whose text lacks a value is excluded, never sent a placeholder."""
    label = assign(campaign_id, member.contact_id, [Arm(w.label, w.weight) for w in wordings])
    values = template_values(
        first_name=member.first_name,
        last_name=member.last_name,
        company=member.company,
        address=member.address,
        city=member.city,
        state=member.state,
        zip_code=member.zip,
    )
    rendering = render_text(next(w.template for w in wordings if w.label == label), values)
    reason = choice.reason
    if reason is None and rendering.text is None:
        reason = ExclusionReason.MISSING_VALUE
    place = place_of(state=member.state, zip_code=member.zip, phone=choice.phone)
    return Enrolment(
        place,
        {
            "contact_id": member.contact_id,
            "contact_version": member.version,
            "position": turn_position(campaign_id, member.contact_id),
            "phone": choice.phone,
            "values": values,
            "place_key": place.key,
            "variant": label,
            "text": rendering.text,
            "segments": rendering.segments,
            "status": RecipientStatus.EXCLUDED if reason else RecipientStatus.WAITING,
            "reason": reason,
        },
    )
