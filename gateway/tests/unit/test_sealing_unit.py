"""Keys, and the tokens that the gateway signs."""

import pytest
from gateway.credentials import CredentialKind, hashed, kind_of, mint
from gateway.settings import decode_key
from gateway.tokens import LIFETIME_SECONDS, Claims, new_key, sign
from joserfc.jwk import KeySet
from shared.auth import read_token
from shared.errors import Unauthorized

CLAIMS = Claims("contacts", "u1", "user", "Ann", ["contacts:read"])


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "00" * 31])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        decode_key(text)


def test_keys_are_read_as_hex_and_as_base64() -> None:
    assert decode_key("00" * 32) == decode_key("A" * 43 + "=") == bytes(32)


def test_a_token_is_read_for_its_audience_until_it_expires() -> None:
    key = new_key()
    keys = KeySet.import_key_set({"keys": [key.as_dict(private=False)]})
    token = sign(CLAIMS, key)
    assert read_token(token, "contacts", keys).permissions == {"contacts:read"}
    with pytest.raises(Unauthorized):
        read_token(token, "messaging", keys)
    with pytest.raises(Unauthorized):
        read_token(sign(CLAIMS, key, issued=1_000_000), "contacts", keys)
    with pytest.raises(Unauthorized):
        read_token(sign(CLAIMS, new_key()), "contacts", keys)
    assert LIFETIME_SECONDS <= 300


def test_public_keys_hold_no_private_part() -> None:
    assert "d" not in new_key().as_dict(private=False)


def test_credentials_say_what_they_are_and_are_never_alike() -> None:
    minted = [mint(kind) for kind in CredentialKind for _ in range(20)]
    assert len({hashed(one) for one in minted}) == len(minted)
    assert {kind_of(one) for one in minted} == set(CredentialKind)
    assert kind_of("crm_k_" + "x" * 500) is None
    assert kind_of("something else") is None
