from pathlib import Path

import pytest
from pydantic import SecretStr
from shared.settings import ServiceSettings, load


class Strict(ServiceSettings):
    api_key: SecretStr
    retries: int = 3


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRM_DATABASE_URL", "CRM_API_KEY", "CRM_RETRIES", "CRM_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_missing_or_malformed_setting_ends_the_process_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_RETRIES", "many")
    with pytest.raises(SystemExit) as stopped:
        load(Strict)
    lines = str(stopped.value.code).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Setting CRM_DATABASE_URL",
        "Setting CRM_API_KEY",
        "Setting CRM_RETRIES",
    ]
    assert "many" not in str(stopped.value.code)


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql+asyncpg://x")
    monkeypatch.setenv("CRM_API_KEY_FILE", str(tmp_path / "key"))
    settings = load(Strict)
    assert settings.api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_file_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql+asyncpg://x")
    monkeypatch.setenv("CRM_API_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(SystemExit, match="cannot be read"):
        load(Strict)
