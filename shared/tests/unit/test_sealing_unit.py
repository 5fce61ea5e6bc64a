"""Secrets at rest."""

import pytest
from pydantic import SecretStr
from shared.sealing import Seal, SealBroken, derived_key


def test_a_secret_opens_with_its_key_and_in_its_place_only() -> None:
    seal = Seal(b"k" * 32)
    sealed = seal.seal(b"secret", context="row 1")
    assert b"secret" not in sealed
    assert seal.open(sealed, context="row 1") == b"secret"
    for other, context in ((seal, "row 2"), (Seal(b"x" * 32), "row 1")):
        with pytest.raises(SealBroken):
            other.open(sealed, context=context)


def test_a_key_is_derived_for_one_purpose() -> None:
    one = Seal(derived_key(SecretStr("one"), "keys"))
    sealed = one.seal_text("whsec_x", context="")
    assert "whsec" not in sealed
    assert one.open_text(sealed, context="") == "whsec_x"
    for secret, purpose in (("two", "keys"), ("one", "other")):
        with pytest.raises(SealBroken):
            Seal(derived_key(SecretStr(secret), purpose)).open_text(sealed, context="")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"n" * 12])
def test_what_is_too_short_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        Seal(b"k" * 32).open(sealed, context="")
