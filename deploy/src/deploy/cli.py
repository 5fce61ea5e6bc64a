"""The commands behind the Makefile, republish, and what a container set-up needs."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from shared.embedded import ServerError

from deploy.containers import Containers
from deploy.generate import Drift, generate
from deploy.stack import ADMIN_EMAIL, EXPECTED_ERRORS, Stack, StackError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(highlight=False)


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What can be put right by the reader is told in a sentence, without a traceback."""
    try:
        yield
    except (*EXPECTED_ERRORS, ServerError, Drift) as error:
        typer.echo(f"\n{error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\nInterrupted. What was started keeps running: `make up` goes on, `make down` stops it.", err=True)
        raise typer.Exit(130) from None


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or not 1 <= int(text) <= 65_000:
        typer.echo(f"{name} must be a port number, not {text!r}.", err=True)
        raise typer.Exit(1)
    return int(text)


def _stack() -> Stack:
    return Stack(
        Path(os.environ.get("CRM_STATE") or ".crm"),
        _number("CRM_PORT", 8080),
        _number("CRM_PORT_BASE", 18100),
        bind=os.environ.get("CRM_BIND") or "127.0.0.1",
        say=lambda line: console.print(line),
    )


@app.command()
def up() -> None:
    """Start the whole system, or bring a running one to the present code and settings."""
    began = time.monotonic()
    with _one_sentence():
        stack = _stack()
        stack.up()
        console.print(f"\nReady after {time.monotonic() - began:.0f} s: [bold]{stack.url}[/bold]")
        if stack.admin_password_was_made:
            password = stack.admin_password_file.read_text().strip()
            console.print(f"Sign in as {ADMIN_EMAIL} with the password [bold]{password}[/bold]")
            console.print(f"It is shown this once, and kept in {stack.admin_password_file}.")
        else:
            console.print(f"Sign in as {ADMIN_EMAIL}; the first password is in {stack.admin_password_file}.")


@app.command()
def down() -> None:
    """Stop everything that up started. Data stay."""
    with _one_sentence():
        _stack().down()
        console.print("Stopped.")


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and forget all data."""
    with _one_sentence():
        stack = _stack()
        if not yes:
            typer.confirm(f"Delete all data in {stack.state_dir}?", abort=True)
        stack.reset()
        console.print("All data are gone.")


@app.command()
def status() -> None:
    """What runs. The exit status is 1 when something that should run does not."""
    with _one_sentence():
        stack = _stack()
        states = stack.status()
        if not states:
            console.print("The system does not run; start it with `make up`.")
            raise typer.Exit(1)
        table = Table("process", "state", "since")
        for name in stack.processes:
            state = states.get(name)
            table.add_row(name, state.state.lower() if state else "unknown", state.description if state else "")
        console.print(table)
        if not all(name in states and states[name].is_running for name in stack.processes):
            raise typer.Exit(1)


@app.command()
def restart(names: Annotated[list[str], typer.Argument(metavar="NAME...")]) -> None:
    """Restart processes, and wait until they serve again."""
    with _one_sentence():
        _stack().restart(*names)


@app.command()
def republish(
    service: str,
    since: Annotated[str, typer.Option(help="For instance 2026-03-01T00:00:00Z.")],
    event_type: Annotated[str | None, typer.Option("--type", help="Of this event type only.")] = None,
) -> None:
    """Publish again what a service's outbox keeps, into a stream that was lost."""
    with _one_sentence():
        stack = _stack()
        known = {found.name: found for found in stack.table if found.on_bus}
        if service not in known:
            raise StackError(f"{service} publishes nothing; there are {', '.join(known)}.")
        chosen = ["--type", event_type] if event_type else []
        console.print(stack.run_command(known[service], "republish", "--since", since, *chosen).strip())


@app.command()
def logs(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written next.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n")] = 20,
) -> None:
    """Show the logs of all processes, or of those that are named."""
    from deploy.logs import show

    with _one_sentence():
        stack = _stack()
        show({name: stack.log_of(name) for name in names or stack.processes}, lines=lines, follow=follow)


@app.command("container-files")
def container_files() -> None:
    """Write the files that the containers are started with."""
    with _one_sentence():
        Containers(port=_number("CRM_PORT", 8080)).write_files()


@app.command("container-bootstrap")
def container_bootstrap() -> None:
    """Prepare the servers that run in containers: databases, streams, schemas, the first administrator."""
    with _one_sentence():
        containers = Containers(port=_number("CRM_PORT", 8080))
        if containers.prepare_servers():
            password = containers.admin_password_file.read_text().strip()
            typer.echo(f"Sign in as {ADMIN_EMAIL} with the password {password}")


@app.command("generate")
def generate_documents(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail where something would change.")] = False,
) -> None:
    """Write the documents that are derived from the code: OpenAPI, event schemas."""
    with _one_sentence():
        for path in generate(check=check):
            console.print(f"{'Up to date' if check else 'Written'}: {path}")


if __name__ == "__main__":
    sys.exit(app())
