"""Conversations, newest activity first, and how they are filed; calls."""

from datetime import timedelta

from sandbox import queries
from sandbox.models import Call as PhoneCall
from sandbox.models import Conversation
from sandbox.payloads import call_body, conversation_body
from sandbox.provider_errors import not_found, too_many_participants
from sandbox.routes.edge import Answer, Call, Handler, operation
from sandbox.routes.lists import newest_first_page

INACTIVE_AFTER = timedelta(days=30)


@operation("listConversations_v1")
async def list_conversations(call: Call) -> Answer:
    asked = call.query
    statement = queries.conversations_of(
        _wanted_numbers(call),
        queries.Between(call.instant("createdAfter"), call.instant("createdBefore")),
        queries.Between(call.instant("updatedAfter"), call.instant("updatedBefore")),
        call.uow.now - INACTIVE_AFTER if asked.get("excludeInactive") else None,
    )
    return await newest_first_page(call, statement, queries.CONVERSATION_ORDER, conversation_body)


def _wanted_numbers(call: Call) -> list[str] | None:
    """The ids of the numbers asked for, by name or by member; None for all."""
    names = call.query.get("phoneNumbers") or [call.query[name] for name in ("phoneNumber",) if name in call.query]
    user_id = call.query.get("userId")
    if not names and user_id is None:
        return None
    return [
        number.id
        for number in call.workspace.numbers
        if (not names or not {number.id, number.number}.isdisjoint(names))
        and (user_id is None or user_id in number.user_ids)
    ]


def _marking(**changes: object) -> Handler:
    async def mark(call: Call) -> Answer:
        """Answers the bare conversation, without `data`."""
        conversation = await call.uow.session.get(Conversation, call.path["conversationId"], with_for_update=True)
        if conversation is None:
            raise not_found("Conversation")
        for name, value in changes.items():
            setattr(conversation, name, value)
        conversation.updated_at = call.uow.now
        return Answer(200, conversation_body(conversation))

    return mark


operation("markConversationAsRead_v1")(_marking(is_read=True))
operation("markConversationAsDone_v1")(_marking(inbox_status="done"))
operation("markConversationAsOpen_v1")(_marking(inbox_status="open"))


@operation("listCalls_v1")
async def list_calls(call: Call) -> Answer:
    if len(call.query["participants"]) != 1:
        raise too_many_participants()
    number_id = call.query["phoneNumberId"]
    if number_id not in call.workspace.numbers_by_name:
        raise not_found("Phone number")
    created = queries.Between(call.instant("createdAfter"), call.instant("createdBefore") or call.instant("since"))
    statement = queries.calls_of(number_id, call.query["participants"][0], created, call.query.get("userId"))
    return await newest_first_page(call, statement, queries.CALL_ORDER, call_body)


@operation("getCallById_v1")
async def get_call(call: Call) -> Answer:
    found = await call.uow.session.get(PhoneCall, call.path["callId"])
    if found is None:
        raise not_found("Call")
    return Answer(200, {"data": call_body(found)})
