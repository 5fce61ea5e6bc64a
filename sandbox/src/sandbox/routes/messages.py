"""Messages: sending and reading on v1, the filtered list and the retry of the dated surface."""

import re

from sandbox import queries
from sandbox.faults import SendFault
from sandbox.models import Message
from sandbox.payloads import dated_message, v1_message
from sandbox.provider_errors import OpenPhoneError, bad_request, invalid, not_found, rate_limited, unknown_failure
from sandbox.routes.edge import Answer, Call, operation
from sandbox.routes.lists import newest_first_page
from sandbox.routes.wire import WireFault
from sandbox.services.sending import Origin, SendingService, SendOutcome, SendRequest

E164_PATTERN = "^\\+[1-9]\\d{1,14}$"
_E164 = re.compile(E164_PATTERN, re.ASCII)
_SHORT_CODE = re.compile(r"\d{3,6}", re.ASCII)


@operation("sendMessage_v1")
async def send_message(call: Call) -> Answer:
    _check_recipients(call.body["to"])
    sending = await call.needs(SendingService)
    request = SendRequest(
        content=call.body["content"],
        sender=call.body["from"],
        to=tuple(dict.fromkeys(call.body["to"])),
        user_id=call.body.get("userId"),
        is_filed_as_done=call.body.get("setInboxStatus") == "done",
        origin=_origin(call),
    )
    return _answer_to(await sending.send(request), call)


def _origin(call: Call) -> Origin:
    return Origin(call.key.name, call.correlation_id, call.received_at)


def _check_recipients(to: list[str]) -> None:
    """The description lets any 15 characters pass; the service takes E.164 and short codes."""
    errors = [
        {
            "path": f"/to/{index}",
            "message": f"Expected string to match '{E164_PATTERN}'",
            "value": phone,
            "schema": {"type": "string"},
        }
        for index, phone in enumerate(to)
        if not (_E164.fullmatch(phone) or _SHORT_CODE.fullmatch(phone))
    ]
    if errors:
        raise invalid(errors)


def _answer_to(outcome: SendOutcome, call: Call) -> Answer:
    """The fault decides, not the outcome: an accepted text may be answered with 500."""
    faults = call.workspace.controls.faults
    if outcome.refusal is not None:
        return _refused(outcome.refusal, call)
    accepted = Answer(202)
    if outcome.message is not None:
        body = v1_message(outcome.message, call.uow.now, call.workspace.controls.shapes)
        accepted = Answer(202, {"data": body})
    match outcome.fault:
        case SendFault.TIMEOUT_AFTER_ACCEPT | SendFault.HANG_BEFORE_ACCEPT:
            return Answer(202, accepted.body, WireFault.HANG, faults.hang_seconds, raw=b"")
        case SendFault.RESET_AFTER_ACCEPT | SendFault.RESET_BEFORE_ACCEPT:
            return Answer(202, accepted.body, WireFault.RESET, raw=b"")
        case SendFault.SLOW_AFTER_ACCEPT:
            return Answer(202, accepted.body, WireFault.SLOW, faults.slow_seconds)
        case SendFault.UNREADABLE_AFTER_ACCEPT:
            return Answer(202, raw=b'{"data": {"id": "AC')
        case SendFault.ERROR_AFTER_ACCEPT | SendFault.ERROR_BEFORE_ACCEPT:
            return _refused(unknown_failure(), call)
        case SendFault.RATE_LIMITED:
            return Answer(429, rate_limited().body())
        case SendFault.INVALID_NUMBER:
            return _refused(bad_request("The recipient number is not valid"), call)
        case SendFault.UNREACHABLE:
            return _refused(bad_request("The recipient number is unreachable"), call)
    return accepted


def _refused(error: OpenPhoneError, call: Call) -> Answer:
    # Returned instead of raised, so that the attempt is counted: the next one may fare differently.
    return Answer(error.status, error.v1_body(call.operation.area))


@operation("listMessages_v1")
async def list_messages(call: Call) -> Answer:
    number_id = call.query["phoneNumberId"]
    if number_id not in call.workspace.numbers_by_name:
        raise not_found("Phone number")
    created = queries.Between(call.instant("createdAfter"), call.instant("createdBefore") or call.instant("since"))
    statement = queries.messages_of_conversation(
        number_id, call.query["participants"], created, call.query.get("userId")
    )
    now, shapes = call.uow.now, call.workspace.controls.shapes
    return await newest_first_page(
        call, statement, queries.MESSAGE_ORDER, lambda message: v1_message(message, now, shapes)
    )


@operation("getMessageById_v1")
async def get_message(call: Call) -> Answer:
    message = await call.uow.session.get(Message, call.path["id"])
    if message is None:
        raise not_found("Message")
    return Answer(200, {"data": v1_message(message, call.uow.now, call.workspace.controls.shapes)})


@operation("listMessages_dated")
async def list_all_messages(call: Call) -> Answer:
    """The whole workspace, every filter optional."""
    asked, now = call.query, call.uow.now
    sender = call.workspace.numbers_by_name.get(asked.get("from", ""))
    wanted = queries.MessageFilter(
        phone_number_id=asked.get("phoneNumberId"),
        sender=sender.number if sender else asked.get("from"),
        recipient=asked.get("to"),
        status=asked.get("status"),
        direction=asked.get("direction"),
    )
    created = queries.Between(call.instant("createdAt[gt]"), call.instant("createdAt[lt]"))
    statement = queries.messages_matching(wanted, created, now)
    return await newest_first_page(call, statement, queries.MESSAGE_ORDER, lambda message: dated_message(message, now))


@operation("retryMessage_dated")
async def retry_message(call: Call) -> Answer:
    sending = await call.needs(SendingService)
    message = await sending.retry(call.path["id"], _origin(call))
    return Answer(202, {"data": dated_message(message, call.uow.now)})
