"""The committed description: compiled, complete, and strict where the provider is."""

import json
from datetime import UTC, datetime

import pytest
from sandbox.controls import Shapes
from sandbox.description import AnswerMismatch, load_description, violations
from sandbox.models import Direction, Message
from sandbox.payloads import v1_message
from sandbox.routes.edge import HANDLERS
from sandbox.routes.provider import RESOURCES
from sandbox.spec import SPEC
from shared.main import render_openapi

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_every_described_operation_is_served() -> None:
    assert RESOURCES
    assert load_description().operations.keys() == HANDLERS.keys()


def test_every_operation_documents_the_refusals_of_the_gateway() -> None:
    for operation in load_description().operations.values():
        assert {400, 401, 429} <= operation.answers.keys(), operation.id


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"content": ""}, "/content", "Expected string length greater or equal to 1"),
        ({"content": 5}, "/content", "Expected string"),
        ({"to": "+16175550143"}, "/to", "Expected array"),
        ({"to": ["+16175550143"] * 11}, "/to", "Expected array length to be less or equal to 10"),
        ({"userId": "sam"}, "/userId", "Expected string to match '^US(.*)$'"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(change: dict[str, object], path: str, message: str) -> None:
    body = {"content": "Hi", "from": "PN1", "to": ["+16175550143"], **change}
    operation = load_description().operations["sendMessage_v1"]
    assert operation.body is not None
    found = [(entry["path"], entry["message"]) for entry in violations(operation.body, body)]
    assert (path, message) in found


def test_brackets_leave_a_required_list_missing() -> None:
    operation = load_description().operations["listMessages_v1"]
    query = [("phoneNumberId", "PN1"), ("maxResults", "10"), ("participants[]", "+16175550143")]
    values, errors = operation.read_query(query)
    assert values == {"phoneNumberId": "PN1", "maxResults": 10}
    assert [(entry["path"], entry["message"]) for entry in errors] == [
        ("/participants", "Expected required property"),
        ("/participants", "Expected array"),
    ]


def test_an_answer_that_is_not_described_is_our_mistake() -> None:
    operation = load_description().operations["getMessageById_v1"]
    message = Message(
        id="AC1",
        conversation_id="CN1",
        phone_number_id="PN1",
        direction=Direction.INCOMING,
        sender="+16175550143",
        recipients=["+18575550110"],
        text="",
        media=[],
        user_id=None,
        created_at=NOON,
        sent_at=NOON,
        final_at=None,
        final_status=None,
    )
    body = v1_message(message, NOON, Shapes())
    operation.check_answer(200, {"data": body})
    with pytest.raises(AnswerMismatch, match="/data/createdAt"):
        operation.check_answer(200, {"data": {**body, "createdAt": "noon"}})
    with pytest.raises(AnswerMismatch, match="may not answer 418"):
        operation.check_answer(418, {})


def test_the_controls_can_be_turned_with_their_key_only() -> None:
    document = json.loads(render_openapi(SPEC))
    controls = [op for path, ops in document["paths"].items() if path.startswith("/sandbox/") for op in ops.values()]
    assert len(controls) > 10
    assert all(op["security"] == [{"sandbox_key": ["sandbox:control"]}] for op in controls)
