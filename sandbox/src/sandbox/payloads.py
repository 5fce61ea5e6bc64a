"""JSON as the provider writes it: resources of both surfaces, and the events of both schemes."""

from datetime import datetime
from typing import Any

from shared.clock import rfc3339

from sandbox.controls import Shapes
from sandbox.life_cycle import MessageStatus
from sandbox.models import Call, Conversation, Delivery, Direction, Message, PhoneNumber, Webhook, WorkspaceUser
from sandbox.signing import Scheme

ORGANISATION = "OR12ab34cd"
Json = dict[str, Any]


def _instant(at: datetime | None) -> str | None:
    return rfc3339(at) if at is not None else None


def _v1_status(status: MessageStatus) -> str:
    # `failed` exists on the dated surface only.
    return MessageStatus.UNDELIVERED.value if status is MessageStatus.FAILED else status.value


def v1_message(message: Message, now: datetime, shapes: Shapes) -> Json:
    body = {
        "id": message.id,
        "to": message.recipients,
        "from": message.sender,
        "text": message.text,
        "phoneNumberId": message.phone_number_id,
        "conversationId": message.conversation_id,
        "direction": message.direction.value,
        "userId": message.user_id,
        "status": _v1_status(message.status_at(now)),
        "createdAt": rfc3339(message.created_at),
        "updatedAt": rfc3339(message.updated_at(now)),
    }
    return {**body, "media": message.media} if message.media or shapes.has_empty_media else body


def dated_message(message: Message, now: datetime) -> Json:
    status = message.status_at(now)
    is_failure = status in (MessageStatus.FAILED, MessageStatus.UNDELIVERED)
    return {
        "id": message.id,
        "from": message.sender,
        "to": message.recipients,
        "text": message.text,
        "direction": message.direction.value,
        "status": status.value,
        "phoneNumberId": message.phone_number_id,
        "conversationId": message.conversation_id,
        "userId": message.user_id,
        "errorCode": message.error_code if is_failure else None,
        "media": message.media,
        "createdAt": rfc3339(message.created_at),
        "updatedAt": rfc3339(message.updated_at(now)),
    }


def user_body(user: WorkspaceUser) -> Json:
    return {
        "id": user.id,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "pictureUrl": None,
        "role": user.role,
        "createdAt": rfc3339(user.created_at),
        "updatedAt": rfc3339(user.created_at),
    }


def phone_number_body(number: PhoneNumber, members: list[WorkspaceUser], *, is_registered: bool) -> Json:
    us = "unrestricted" if is_registered else "restricted"
    digits = number.number.removeprefix("+1")
    return {
        "id": number.id,
        "groupId": number.group_id,
        "name": number.name,
        "number": number.number,
        "formattedNumber": f"({digits[:3]}) {digits[3:6]}-{digits[6:]}" if len(digits) == 10 else number.number,
        "symbol": "📞",
        "forward": None,
        "portRequestId": None,
        "portingStatus": None,
        "users": [
            {
                "id": user.id,
                "email": user.email,
                "firstName": user.first_name,
                "lastName": user.last_name,
                "role": user.role,
                "groupId": number.group_id,
            }
            for user in members
        ],
        "createdAt": rfc3339(number.created_at),
        "updatedAt": rfc3339(number.created_at),
        "restrictions": {
            "calling": {"US": "unrestricted", "CA": "unrestricted", "Intl": "restricted"},
            "messaging": {"US": us, "CA": "unrestricted", "Intl": "restricted"},
        },
    }


def conversation_body(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "phoneNumberId": conversation.phone_number_id,
        "participants": conversation.participants,
        "name": None,
        "assignedTo": None,
        "lastActivityAt": rfc3339(conversation.last_activity_at),
        "lastActivityId": conversation.last_activity_id,
        "createdAt": rfc3339(conversation.created_at),
        "updatedAt": rfc3339(conversation.updated_at),
        "deletedAt": None,
        "mutedUntil": None,
        "snoozedUntil": None,
    }


def call_body(call: Call) -> Json:
    return {
        "id": call.id,
        "phoneNumberId": call.phone_number_id,
        "userId": call.user_id,
        "direction": call.direction.value,
        "status": call.status,
        "participants": call.participants,
        "createdAt": rfc3339(call.created_at),
        "answeredAt": _instant(call.answered_at),
        "completedAt": _instant(call.completed_at),
        "updatedAt": _instant(call.completed_at or call.created_at),
        "duration": call.duration,
        "answeredBy": call.user_id if call.answered_at else None,
        "initiatedBy": call.user_id if call.direction is Direction.OUTGOING else None,
        "forwardedFrom": None,
        "forwardedTo": None,
        "callRoute": "phone-number",
        "aiHandled": None,
    }


def v1_webhook(webhook: Webhook) -> Json:
    return {
        "id": webhook.id,
        "userId": webhook.user_id,
        "orgId": ORGANISATION,
        "label": webhook.label,
        "status": "enabled" if webhook.is_enabled else "disabled",
        "url": webhook.url,
        "key": webhook.key,
        "createdAt": rfc3339(webhook.created_at),
        "updatedAt": rfc3339(webhook.updated_at),
        "deletedAt": _instant(webhook.deleted_at),
        "events": webhook.events,
        "resourceIds": webhook.resource_ids,
    }


def dated_webhook(webhook: Webhook, *, shows_key: bool = False) -> Json:
    """The key is shown once: when it was made."""
    body = {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "resourceIds": webhook.resource_ids,
        "label": webhook.label,
        "status": "enabled" if webhook.is_enabled else "disabled",
        "createdAt": rfc3339(webhook.created_at),
        "updatedAt": rfc3339(webhook.updated_at),
    }
    return {**body, "key": webhook.key} if shows_key else body


def delivery_body(delivery: Delivery) -> Json:
    return {
        "id": delivery.key,
        "eventId": delivery.event_id,
        "eventType": delivery.event_type,
        "status": "failed" if delivery.state == "dropped" else delivery.state.value,
        "attempts": delivery.attempts,
        "responseStatus": delivery.response_status,
        "nextAttemptAt": _instant(delivery.next_attempt_at),
        "createdAt": rfc3339(delivery.created_at),
    }


def deep_link(phone_number_id: str, conversation_id: str, activity_id: str) -> str:
    return f"https://my.quo.com/inbox/{phone_number_id}/c/{conversation_id}?at={activity_id}"


def legacy_event(event_id: str, event_type: str, at: datetime, resource: Json, link: str) -> Json:
    return {
        "id": event_id,
        "object": "event",
        "apiVersion": "v4",
        "createdAt": rfc3339(at),
        "type": event_type,
        "data": {"object": resource, "deepLink": link},
    }


def dated_event(event_id: str, event_type: str, at: datetime, resource: Json, context: Json, link: str) -> Json:
    return {
        "id": event_id,
        "apiVersion": "2026-03-30",
        "createdAt": rfc3339(at),
        "type": event_type,
        "data": {"resource": resource, "context": context, "links": {"quo": link}},
    }


def message_event(
    scheme: Scheme, event_id: str, event_type: str, *, message: Message, at: datetime, shapes: Shapes
) -> Json:
    """The event of `message` at `at`, as a webhook of this scheme shows it."""
    link = deep_link(message.phone_number_id, message.conversation_id, message.id)
    if scheme is Scheme.LEGACY:
        return legacy_event(event_id, event_type, at, _legacy_message(message, at, shapes), link)
    resource = {
        "id": message.id,
        "direction": message.direction.value,
        "text": message.text,
        "status": message.status_at(at).value,
        "createdAt": rfc3339(message.created_at),
    }
    if event_type in ("message.failed", "message.undelivered"):
        resource["errorCode"] = message.error_code  # type: ignore[assignment]
    else:
        resource["media"] = message.media  # type: ignore[assignment]
    context = {
        **_context(message.phone_number_id, message.conversation_id, message.user_id),
        "senderIdentifier": message.sender,
        "recipientIdentifiers": message.recipients,
    }
    return dated_event(event_id, event_type, at, resource, context, link)


def _context(phone_number_id: str, conversation_id: str, user_id: str | None) -> Json:
    return {
        "orgId": ORGANISATION,
        "phoneNumberId": phone_number_id,
        "conversationId": conversation_id,
        "userId": user_id,
        "contacts": {"ids": [], "lookupStatus": "none"},
    }


def _legacy_message(message: Message, at: datetime, shapes: Shapes) -> Json:
    is_incoming = message.direction is Direction.INCOMING
    resource: Json = {
        "id": message.id,
        "object": "message",
        "from": message.sender,
        "to": message.recipients[0] if shapes.legacy_to == "string" else message.recipients,
        "direction": message.direction.value,
        "text": message.text,
        "status": shapes.legacy_received_status if is_incoming else message.status_at(at).value,
        "createdAt": rfc3339(message.created_at),
        "userId": message.user_id,
        "phoneNumberId": message.phone_number_id,
        "contactIds": [],
    }
    if shapes.has_legacy_conversation_id:
        resource["conversationId"] = message.conversation_id
    if message.media or shapes.has_empty_media:
        resource["media"] = message.media
    return resource


def call_event(scheme: Scheme, event_id: str, event_type: str, *, call: Call, at: datetime) -> Json:
    link = deep_link(call.phone_number_id, call.conversation_id, call.id)
    if scheme is Scheme.LEGACY:
        resource = {**call_body(call), "object": "call", "contactIds": [], "recordings": None}
        return legacy_event(event_id, event_type, at, resource, link)
    workspace = [phone for phone in call.participants if phone != call.counterpart]
    resource = {
        "id": call.id,
        "direction": call.direction.value,
        "status": "answered" if call.answered_at else "unanswered",
        "duration": call.duration if call.answered_at else None,
        "hasVoicemail": False,
        "createdAt": rfc3339(call.created_at),
        "answeredAt": _instant(call.answered_at),
        "completedAt": _instant(call.completed_at),
    }
    context = {
        **_context(call.phone_number_id, call.conversation_id, call.user_id),
        "participants": {"workspace": workspace, "external": [call.counterpart], "resolution": "resolved"},
    }
    return dated_event(event_id, event_type, at, resource, context, link)
