"""The gateway's own commands: write the Caddyfile, make the first administrator."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import svcs
from shared.database import Begin
from shared.errors import AppError
from shared.settings import load

from gateway.api_documents import DocumentRefused, load_documents
from gateway.caddyfile import Edge, render
from gateway.registry import build_registry
from gateway.roles import Role
from gateway.services.accounts import Accounts
from gateway.services.audit import COMMAND_LINE
from gateway.services.users import UserService
from gateway.settings import REPOSITORY, GatewaySettings, environment


def caddyfile(arguments: list[str]) -> None:
    """Print the Caddyfile for this environment. The committed one is that of the default settings."""
    argparse.ArgumentParser(prog="gateway caddyfile").parse_args(arguments)
    try:
        sys.stdout.write(render(Edge.from_environment(), load_documents(_documents_root())))
    except DocumentRefused as refusal:
        sys.exit(str(refusal))


def _documents_root() -> Path:
    return Path(environment("API_DOCUMENTS", str(REPOSITORY)))


def create_admin(arguments: list[str]) -> None:
    """Make the first administrator. Running it again changes nothing."""
    parser = argparse.ArgumentParser(prog="gateway create-admin")
    parser.add_argument("--email", required=True)
    parser.add_argument("--name", default="Administrator")
    parser.add_argument("--password-file", type=Path, required=True, help="read, or made with mode 0600")
    parsed = parser.parse_args(arguments)
    settings = load(GatewaySettings)
    try:
        made = asyncio.run(_create_admin(settings, parsed.email, parsed.name, parsed.password_file))
    except AppError as refusal:
        sys.exit(refusal.message)
    print(f"Administrator {parsed.email} {'was made' if made else 'exists'}.")


async def _create_admin(settings: GatewaySettings, email: str, name: str, password_file: Path) -> bool:
    registry = build_registry(settings)
    try:
        async with svcs.Container(registry) as container:
            begin = await container.aget(Begin)
            async with begin() as tx:
                if await (await tx.aget(UserService)).find_by_email(email):
                    return False
            accounts = await container.aget(Accounts)
            password = password_in(password_file)
            await accounts.create_user(email=email, name=name, role=Role.ADMIN, password=password, actor=COMMAND_LINE)
            return True
    finally:
        await registry.aclose()


def password_in(file: Path) -> str:
    """The password in the file; a new one is written, readable by the owner only, where there is none."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    password = secrets.token_urlsafe(18)
    with os.fdopen(handle, "w") as opened:
        opened.write(password + "\n")
    return password


COMMANDS: dict[str, Callable[[list[str]], None]] = {"caddyfile": caddyfile, "create-admin": create_admin}
