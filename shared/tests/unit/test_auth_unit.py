"""Tokens: what a service accepts, and everything it must not (RFC 8725)."""

import base64
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey
from shared.auth import ALGORITHM, Principal, read_token
from shared.errors import Unauthorized
from shared.testing.tokens import TokenIssuer

ISSUER = TokenIssuer()
KEYS = KeySet([ISSUER.key])


def test_a_valid_token_names_its_principal() -> None:
    principal = read_token(ISSUER.token("contacts", ["contacts:read"], subject="u1"), "contacts", KEYS)
    assert (principal.id, principal.kind) == ("u1", "user")
    assert principal.may("contacts:read")
    assert not principal.may("contacts:write")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "campaigns"},
        {"iss": "somebody"},
        {"exp": int(time.time()) - 1, "iat": int(time.time()) - 100},
        {"exp": int(time.time()) + 3600},
        {"iat": int(time.time()) + 600, "exp": int(time.time()) + 700},
        {"nbf": int(time.time()) + 600},
        {"iat": None},
        {"exp": "soon"},
    ],
)
def test_wrong_or_stale_claims_are_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        read_token(ISSUER.token("contacts", ["*"], **claims), "contacts", KEYS)


def signed_otherwise(header: dict[str, object], key: OctKey | OKPKey, algorithm: str) -> str:
    now = int(time.time())
    claims = {
        "iss": "crm-gateway", "aud": "contacts", "sub": "x", "kind": "user",
        "name": "x", "perms": ["*"], "iat": now, "exp": now + 60,
    }  # fmt: skip
    return jwt.encode({"alg": algorithm, **header}, claims, key, algorithms=[algorithm])


def test_another_type_of_token_is_refused() -> None:
    with pytest.raises(Unauthorized):
        read_token(signed_otherwise({"typ": "JWT", "kid": "test"}, ISSUER.key, ALGORITHM), "contacts", KEYS)


def test_another_key_is_refused_even_when_the_token_brings_it_along() -> None:
    stranger = OKPKey.generate_key("Ed25519", {"kid": "test"})
    header = {"typ": "at+jwt", "kid": "test", "jwk": stranger.as_dict(private=False)}
    with pytest.raises(Unauthorized):
        read_token(signed_otherwise(header, stranger, ALGORITHM), "contacts", KEYS)


def test_a_public_key_used_as_a_shared_secret_is_refused() -> None:
    secret = OctKey.import_key(json.dumps(ISSUER.key.as_dict(private=False)).encode())
    with pytest.raises(Unauthorized):
        read_token(signed_otherwise({"typ": "at+jwt", "kid": "test"}, secret, "HS256"), "contacts", KEYS)


def test_an_unsigned_token_is_refused() -> None:
    body = ISSUER.token("contacts", ["*"]).split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    with pytest.raises(Unauthorized):
        read_token(f"{header}.{body}.", "contacts", KEYS)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "....", "é.é.é", "x" * 10_000])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        read_token(token, "contacts", KEYS)


@pytest.mark.parametrize(
    ("held", "asked", "granted"),
    [
        ({"*"}, "messages:send", True),
        ({"messages:*"}, "messages:send", True),
        ({"messages:read"}, "messages:send", False),
        ({"messages"}, "messages:send", False),
        (set(), "messages:send", False),
    ],
)
def test_permissions_match_whole_or_by_resource(held: set[str], asked: str, granted: bool) -> None:
    principal = Principal(id="1", kind="user", name="n", permissions=frozenset(held))
    assert principal.may(asked) is granted
