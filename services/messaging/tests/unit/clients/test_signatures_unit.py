"""Both signature schemes: the vectors of the reference, and everything a forger might try."""

import base64
import random
from datetime import UTC, datetime, timedelta

import pytest
from messaging.clients.openphone.signatures import InvalidSignature, Keys, sign_legacy
from messaging.models import Scheme
from standardwebhooks.webhooks import Webhook

LEGACY_KEY = "R2ZLM2o0bFhBNVpyUnU2NG9mYXQ1MHNyR3pvSUhIVVg="
LEGACY_BODY = b'{"id":"EVtest1","object":"event","apiVersion":"v4","type":"message.received"}'
LEGACY_HEADER = "hmac;1;1639710054089;jwnD6iZaodR1Gz3m/jqjH8e0XMQyL2jEEOeXABCdF74="
LEGACY_AT = datetime.fromtimestamp(1639710054.089, UTC)

DATED_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATED_BODY = b'{"test": 2432232314}'
DATED_AT = datetime.fromtimestamp(1614265330, UTC)
DATED_HEADERS = {
    "webhook-id": ["msg_p5jXN8AQM9LWM0D4loKWxJek"],
    "webhook-timestamp": ["1614265330"],
    "webhook-signature": ["v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="],
}
OTHER_KEY = base64.b64encode(b"another secret of the provider").decode()
KEYS = Keys([OTHER_KEY, LEGACY_KEY, f"whsec_{OTHER_KEY}", DATED_KEY])


def legacy(header: str, body: bytes = LEGACY_BODY, now: datetime = LEGACY_AT) -> None:
    KEYS.verify({"openphone-signature": [header]}, body, now)


def test_the_legacy_vector() -> None:
    verified = KEYS.verify({"openphone-signature": [LEGACY_HEADER]}, LEGACY_BODY, LEGACY_AT)
    assert (verified.scheme, verified.delivery_id) == (Scheme.LEGACY, None)


def test_the_dated_vector() -> None:
    verified = KEYS.verify(DATED_HEADERS, DATED_BODY, DATED_AT)
    assert (verified.scheme, verified.delivery_id) == (Scheme.DATED, "msg_p5jXN8AQM9LWM0D4loKWxJek")


def test_while_a_key_is_rotated_either_signature_is_enough() -> None:
    foreign = sign_legacy(base64.b64encode(b"x" * 32).decode(), LEGACY_AT, LEGACY_BODY)
    legacy(f"{foreign},{LEGACY_HEADER}")
    signature = f"v1,{base64.b64encode(b'y' * 32).decode()} {DATED_HEADERS['webhook-signature'][0]}"
    KEYS.verify(DATED_HEADERS | {"webhook-signature": [signature]}, DATED_BODY, DATED_AT)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_dated_deliveries_are_taken_within_five_minutes(seconds: int) -> None:
    KEYS.verify(DATED_HEADERS, DATED_BODY, DATED_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_and_refused_a_second_later(seconds: int) -> None:
    with pytest.raises(InvalidSignature):
        KEYS.verify(DATED_HEADERS, DATED_BODY, DATED_AT + timedelta(seconds=seconds))


def test_legacy_deliveries_repeat_their_first_timestamp_for_days_but_not_for_ever() -> None:
    legacy(LEGACY_HEADER, now=LEGACY_AT + timedelta(days=6))
    with pytest.raises(InvalidSignature):
        legacy(LEGACY_HEADER, now=LEGACY_AT + timedelta(days=7, seconds=1))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "hmac",
        LEGACY_HEADER[:-1],
        LEGACY_HEADER.replace("hmac;1", "hmac;2"),
        LEGACY_HEADER.replace("1639710054089", "1639710054090"),
        LEGACY_HEADER.replace("1639710054089", "١٦٣٩٧١٠٠٥٤٠٨٩"),
        LEGACY_HEADER.replace(";", "; "),
        LEGACY_HEADER + ",",
        ",".join([LEGACY_HEADER] * 11),
    ],
)
def test_bent_legacy_headers_are_refused(header: str) -> None:
    with pytest.raises(InvalidSignature):
        legacy(header)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("webhook-id", []),
        ("webhook-id", ["msg_other"]),
        ("webhook-id", DATED_HEADERS["webhook-id"] * 2),
        ("webhook-timestamp", ["1614265331"]),
        ("webhook-timestamp", ["1614265330.0"]),
        ("webhook-timestamp", [" 1614265330"]),
        ("webhook-timestamp", ["١٦١٤٢٦٥٣٣٠"]),
        ("webhook-signature", ["g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]),
        ("webhook-signature", ["v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]),
        ("webhook-signature", ["v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="]),
        ("webhook-signature", [""]),
    ],
)
def test_bent_dated_headers_are_refused(name: str, values: list[str]) -> None:
    with pytest.raises(InvalidSignature):
        KEYS.verify(DATED_HEADERS | {name: values}, DATED_BODY, DATED_AT)


def test_a_body_that_was_serialised_again_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        KEYS.verify(DATED_HEADERS, b'{"test":2432232314}', DATED_AT)


def test_no_keys_accept_nothing() -> None:
    with pytest.raises(InvalidSignature):
        Keys([]).verify({"openphone-signature": [LEGACY_HEADER]}, LEGACY_BODY, LEGACY_AT)


@pytest.mark.parametrize("key", ["", "whsec_", "not base64!", "c2hvcnQ="])
def test_a_useless_key_is_refused_when_it_is_set(key: str) -> None:
    with pytest.raises(ValueError, match="webhook key"):
        Keys([key])


def test_five_thousand_mutants_are_refused() -> None:
    source = random.Random(11)
    accepted = 0
    for _ in range(5000):
        body, header = bytearray(LEGACY_BODY), bytearray(LEGACY_HEADER.encode())
        target = source.choice([body, header])
        position = source.randrange(len(target))
        target[position] ^= 1 << source.randrange(7)
        try:
            legacy(header.decode(errors="replace"), bytes(body))
            accepted += 1
        except InvalidSignature:
            pass
    assert accepted == 0


def test_a_signature_of_the_library_is_taken() -> None:
    at = datetime(2031, 3, 4, 17, tzinfo=UTC)
    signature = Webhook(DATED_KEY).sign("msg_1", at, '{"a":1}')
    headers = {
        "webhook-id": ["msg_1"],
        "webhook-timestamp": [str(int(at.timestamp()))],
        "webhook-signature": [signature],
    }
    assert KEYS.verify(headers, b'{"a":1}', at).delivery_id == "msg_1"
