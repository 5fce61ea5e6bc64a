"""Typed settings from the environment: `CRM_<NAME>`, or `CRM_<NAME>_FILE` naming a file that holds the value."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "CRM_"


class Mode(StrEnum):
    SANDBOX = "sandbox"
    TRIAL = "trial"
    LIVE = "live"


class FileSource(PydanticBaseSettingsSource):
    """Reads `CRM_<NAME>_FILE`, so that secrets can be mounted instead of standing in the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name}_FILE".upper())
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class ServiceSettings(BaseSettings):
    """What every service process needs. A service adds its own fields; a required secret has no default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    mode: Mode = Mode.SANDBOX
    database_url: SecretStr
    nats_url: str = "nats://127.0.0.1:18101"
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    gateway_url: str = "http://127.0.0.1:18150"
    service_secret: SecretStr = SecretStr("")
    contacts_url: str = "http://127.0.0.1:18110"
    campaigns_url: str = "http://127.0.0.1:18120"
    messaging_url: str = "http://127.0.0.1:18130"
    billing_url: str = "http://127.0.0.1:18140"
    log_level: str = "INFO"
    otlp_endpoint: str = ""
    max_json_bytes: int = 1_048_576
    pool_size: int = 10
    retry_seconds: float = 0.5

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileSource(settings_cls)


S = TypeVar("S", bound=BaseSettings)


def load(settings_class: type[S]) -> S:
    """The settings of this process; exits with one line per missing or invalid value."""
    try:
        return settings_class()
    except (ValidationError, OSError) as error:
        sys.exit("\n".join(_sentences(error)))


def _sentences(error: ValidationError | OSError) -> list[str]:
    if isinstance(error, OSError):
        return [f"A settings file cannot be read: {error.filename}: {error.strerror}."]
    return [
        f"Setting {PREFIX}{str(problem['loc'][0]).upper() if problem['loc'] else '?'}: {problem['msg']}."
        for problem in error.errors(include_input=False)
    ]
