"""Secrets are made once, differ, and are private."""

import base64
import stat
from pathlib import Path

from deploy.secret_files import SecretFiles, key_bytes, password_for_people


def test_a_secret_stays_what_it_was(tmp_path: Path) -> None:
    assert SecretFiles(tmp_path / "s").get("one") == SecretFiles(tmp_path / "s").get("one")


def test_secrets_differ_from_each_other(tmp_path: Path) -> None:
    secrets = SecretFiles(tmp_path / "s")
    assert len({secrets.get(name) for name in ("a", "b", "c")}) == 3


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    secrets = SecretFiles(tmp_path / "s")
    secrets.get("one")
    assert stat.S_IMODE(secrets.path("one").stat().st_mode) == 0o600
    assert stat.S_IMODE(secrets.folder.stat().st_mode) == 0o700
    assert [path.name for path in secrets.folder.iterdir()] == ["one"]


def test_a_sealing_key_has_32_bytes() -> None:
    assert len(base64.b64decode(key_bytes(), validate=True)) == 32


def test_a_password_for_people_is_long_and_has_no_look_alikes() -> None:
    password = password_for_people()
    assert len(password.replace("-", "")) == 20
    assert not set(password) & set("01ilo")
