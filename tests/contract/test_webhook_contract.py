"""The receiver of the provider's webhooks: signed is 204, whatever it holds, anything else 401."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.signing import dated_headers, legacy_headers, spoil
from shared.clock import wall_now

from contract.boundaries import DATED_KEY, LEGACY_KEY, Boundary
from contract.fuzzing import FUZZED, JSON

EVENT = st.fixed_dictionaries(
    {"id": st.text(max_size=40), "type": st.sampled_from(["message.received", "message.delivered", "call.completed"])},
    optional={"data": JSON, "object": JSON, "createdAt": JSON, "apiVersion": JSON},
)
BODIES = st.binary(max_size=60) | (JSON | EVENT).map(lambda value: json.dumps(value).encode())


def _legacy(body: bytes) -> dict[str, str]:
    return legacy_headers(LEGACY_KEY, int(wall_now().timestamp() * 1000), body)


def _dated(body: bytes) -> dict[str, str]:
    return dated_headers([DATED_KEY], "msg_contract", int(wall_now().timestamp()), body)


SCHEMES = pytest.mark.parametrize("sign", [_legacy, _dated], ids=["legacy", "dated"])
Sign = Callable[[bytes], dict[str, str]]


def _deliver(messaging: Boundary, body: bytes, headers: dict[str, str]) -> Any:
    sent = {"Content-Type": "application/json", **headers}
    return messaging.anonymous.post("/webhooks/openphone", content=body, headers=sent)


@SCHEMES
@given(body=BODIES)
@FUZZED
def test_a_signed_delivery_is_stored_whatever_it_holds(messaging: Boundary, sign: Sign, body: bytes) -> None:
    answer = _deliver(messaging, body, sign(body))
    if answer.status_code == 204:
        assert answer.content == b""
    else:
        # Bytes that are no text cannot carry the dated scheme's signature.
        assert answer.status_code == 401
        assert sign is _dated
        assert answer.json()["status"] == answer.status_code


@SCHEMES
def test_a_signed_event_is_stored_and_its_repeat_is_welcome(messaging: Boundary, sign: Sign) -> None:
    body = json.dumps({"id": f"EV{sign.__name__}", "type": "message.received", "data": {}}).encode()
    for _ in range(2):
        assert _deliver(messaging, body, sign(body)).status_code == 204


@SCHEMES
@given(body=BODIES)
@FUZZED
def test_a_forged_delivery_is_refused(messaging: Boundary, sign: Sign, body: bytes) -> None:
    for headers in (spoil(sign(body)), sign(body + b" "), {}):
        answer = _deliver(messaging, body, headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "invalid_signature"


@SCHEMES
def test_a_delivery_that_is_too_large_is_413(messaging: Boundary, sign: Sign) -> None:
    body = b'{"id": "' + b"x" * 1_100_000 + b'"}'
    assert _deliver(messaging, body, sign(body)).status_code == 413
