"""Passwords: what is accepted, and how it is kept (argon2id, away from the event loop)."""

import re
import unicodedata
from functools import cache
from importlib import resources

import anyio
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from gateway.errors import WeakPassword

MIN_LENGTH = 12
ADVISED_LENGTH = 15
MAX_LENGTH = 256
_FEWEST_DIFFERENT = 5
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
_LEET = str.maketrans("013457@$!", "oieastasi")


def normalized(password: str) -> str:
    """The same characters typed on another machine come out the same (NIST SP 800-63B 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, email: str = "", name: str = "") -> None:
    """Raises WeakPassword with the reason and a way out."""
    password = normalized(password)
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Use at least {MIN_LENGTH} characters; {ADVISED_LENGTH} or more are better.")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"Use at most {MAX_LENGTH} characters.")
    if len(set(password.casefold())) < _FEWEST_DIFFERENT or _is_run(password):
        raise WeakPassword("This is a repetition or a row of keys; choose several unrelated words instead.")
    if _is_common(password):
        raise WeakPassword("This is among the passwords that are tried first; choose several unrelated words instead.")
    if _is_personal(password, email, name):
        raise WeakPassword("This is made from your name, your e-mail address or the product's; choose other words.")


def _is_run(password: str) -> bool:
    core = password.casefold()
    halves = {core[:size] for size in range(1, len(core) // 2 + 1) if core == (core[:size] * len(core))[: len(core)]}
    runs = [run * 3 for run in _RUNS] + [run[::-1] * 3 for run in _RUNS]
    return bool(halves) or any(core in run for run in runs)


def _is_common(password: str) -> bool:
    """Common words stay common with digits around them, capitals, or figures for letters."""
    folded = password.casefold()
    letters = re.sub(r"[^a-z]", "", folded)
    plain = re.sub(r"[^a-z]", "", re.sub(r"^[\d\W_]+|[\d\W_]+$", "", folded).translate(_LEET))
    return not {folded, letters, plain}.isdisjoint(common_passwords())


def _is_personal(password: str, email: str, name: str) -> bool:
    words = [*re.split(r"[^\w]+", email.casefold()), *name.casefold().split(), "attackacrack", "attack-a-crack", "crm"]
    rest = password.casefold()
    for word in sorted((word for word in words if len(word) > 2), key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(re.sub(r"[\d\W_]", "", rest)) < 3 and rest != password.casefold()


@cache
def common_passwords() -> frozenset[str]:
    """The stored list, folded; it holds whole passwords and the words that long ones are padded from."""
    text = resources.files("gateway").joinpath("common_passwords.txt").read_text()
    return frozenset(line.strip().casefold() for line in text.splitlines() if line.strip())


class Passwords:
    """Hashes and verifies in threads, few at a time: each takes 64 MiB and a tenth of a second of a core."""

    def __init__(self, hasher: PasswordHash | None = None, *, parallel: int = 2) -> None:
        self._hash = hasher or PasswordHash((Argon2Hasher(),))
        self._limiter = anyio.CapacityLimiter(parallel)
        self._nobody = self._hash.hash("the account that nobody has")

    async def hash(self, password: str) -> str:
        return await anyio.to_thread.run_sync(self._hash.hash, normalized(password), limiter=self._limiter)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one; with no stored hash it takes as long and is False."""
        matches = await anyio.to_thread.run_sync(
            self._hash.verify, normalized(password)[:MAX_LENGTH], stored or self._nobody, limiter=self._limiter
        )
        return matches and stored is not None
