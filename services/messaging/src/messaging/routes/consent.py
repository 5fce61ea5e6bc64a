"""/api/v1/opt-outs and /api/v1/consent: who may not be texted, since when, and why."""

from typing import Annotated

from fastapi import Path, Query
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound
from shared.http.dependencies import Needs, can
from shared.http.instants import Moment
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from messaging import queries
from messaging.models import ConsentAction, ConsentEntry, PhoneState
from messaging.routes.payloads import (
    ConsentEntryOut,
    ConsentStatus,
    NewOptOut,
    OptInRequest,
    OptOutOut,
    Phone,
)
from messaging.services.consent import ConsentChange, ConsentService, standing_entry, verify_chain

router = ApiRouter(prefix="/api/v1", tags=["consent"])
Reader = Annotated[Principal, can("consent:read")]
Editor = Annotated[Principal, can("consent:write")]
PhoneInPath = Annotated[Phone, Path()]


@router.get("/opt-outs")
async def list_opt_outs(
    session: Needs[AsyncSession],
    params: PageParams,
    user: Reader,
    needs_review: bool | None = None,
    q: Annotated[
        str | None,
        Query(min_length=3, max_length=20, pattern=r"[0-9][^0-9]*[0-9][^0-9]*[0-9]", description="Part of a phone."),
    ] = None,
) -> Page[OptOutOut]:
    """Newest first. `needs_review`: suppressed because a text might have been an opt-out; a person decides."""
    rows, cursor, total = await page(
        session,
        queries.opt_outs(needs_review=needs_review, q=q),
        keys=[PhoneState.consent_at.desc(), PhoneState.phone.desc()],
        params=params,
        scope={"needs_review": needs_review, "q": q},
    )
    return Page(items=[OptOutOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("/opt-outs", status_code=201)
async def add_opt_out(
    new: NewOptOut, consent: Needs[ConsentService], uow: Needs[UnitOfWork], user: Editor
) -> OptOutOut:
    """Somebody asked by phone, by mail or at the door: nothing is texted from here on, queued texts are cancelled."""
    await consent.record(_change(new.phone, ConsentAction.OPT_OUT, new.reason, uow, user))
    return OptOutOut.model_validate(await uow.session.get_one(PhoneState, new.phone))


@router.post("/opt-outs/{phone}/confirm", responses=problems(NotFound, InvalidTransition))
async def confirm_opt_out(
    phone: PhoneInPath, consent: Needs[ConsentService], uow: Needs[UnitOfWork], user: Editor
) -> OptOutOut:
    """A person looked at a doubtful one: it was meant as an opt-out."""
    await _check_is_out(uow, phone)
    await consent.record(_change(phone, ConsentAction.OPT_OUT, "reviewed by a person", uow, user))
    return OptOutOut.model_validate(await uow.session.get_one(PhoneState, phone))


@router.post("/opt-outs/{phone}/opt-in", responses=problems(NotFound, InvalidTransition))
async def opt_in(
    phone: PhoneInPath,
    request: OptInRequest,
    consent: Needs[ConsentService],
    uow: Needs[UnitOfWork],
    user: Editor,
) -> OptOutOut:
    """The person asked to be texted again, or a doubtful text was none; with the evidence. The provider's own
    block is lifted only by the person's START."""
    await _check_is_out(uow, phone)
    await consent.record(_change(phone, ConsentAction.OPT_IN, request.evidence, uow, user))
    return OptOutOut.model_validate(await uow.session.get_one(PhoneState, phone))


@router.get("/consent/{phone}")
async def get_consent(
    phone: PhoneInPath,
    uow: Needs[UnitOfWork],
    user: Reader,
    at: Annotated[Moment | None, Query(description="The instant in question; now where it is left out.")] = None,
) -> ConsentStatus:
    """Could this phone be texted at that time, and why: from the ledger alone."""
    instant = at or uow.now
    entries = await queries.consent_entries(uow.session, phone)
    standing = standing_entry([entry for entry in entries if entry.occurred_at <= instant])
    may_text = standing is None or standing.action in (ConsentAction.OPT_IN, ConsentAction.GRANT)
    return ConsentStatus(
        phone=phone,
        at=instant,
        may_text=may_text,
        why=_why(standing),
        entries=[ConsentEntryOut.of(entry) for entry in entries],
        is_chain_intact=not verify_chain(entries),
    )


def _why(entry: ConsentEntry | None) -> str:
    if entry is None:
        return "Nothing had been said against it."
    return f"{entry.action.value} at {entry.occurred_at:%Y-%m-%d %H:%M:%S} UTC from {entry.source}: {entry.evidence}"


async def _check_is_out(uow: UnitOfWork, phone: str) -> None:
    state = await uow.session.get(PhoneState, phone)
    if state is None:
        raise NotFound("Nothing is known of this phone.")
    if not state.is_opted_out:
        raise InvalidTransition("This phone is not opted out.")


def _change(phone: str, action: ConsentAction, evidence: str, uow: UnitOfWork, user: Principal) -> ConsentChange:
    return ConsentChange(
        phone=phone,
        action=action,
        source="person",
        evidence=evidence,
        occurred_at=uow.now,
        recorded_by=user.id,
    )
