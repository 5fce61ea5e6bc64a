"""The password policy, and hashing."""

import pytest
from gateway.errors import WeakPassword
from gateway.passwords import Passwords, check_password
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher


@pytest.mark.parametrize(
    "password",
    [
        "short words",
        "password1234",
        "Password!2025",
        "P@ssw0rd12345",
        "1234567890123",
        "qwertyuiopas",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "abcdabcdabcd",
        "iloveyouforever1",
        "changemeplease99",
        "attackacrack2025!",
        "ann.miller@2025",
        "x" * 257,
    ],
)
def test_guessable_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_password(password, email="ann.miller@example.com", name="Ann Miller")


@pytest.mark.parametrize(
    "password",
    [
        "wooden bridge over cold water",
        "Zr8#pLq2!vTn",
        "ночь улица фонарь аптека",
        "x7" + "k9m2p4q6" * 8,
        "mossy-granite-harbor-94",
    ],
)
def test_long_unrelated_words_are_taken(password: str) -> None:
    check_password(password, email="ann@example.com", name="Ann")


async def test_the_same_characters_match_however_they_were_typed() -> None:
    passwords = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
    stored = await passwords.hash("cafe\u0301 on the corner")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify("caf\u00e9 on the corner", stored)
    assert not await passwords.verify("cafe on the corner", stored)


async def test_an_account_that_does_not_exist_never_matches() -> None:
    passwords = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
    assert not await passwords.verify("the account that nobody has", None)
