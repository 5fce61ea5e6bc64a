"""What the reader sees: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.reconciliation import Line

PLAIN_EVERY_SECONDS = 5.0
TALLIES = ("waiting", "accepted", "delivered", "failed", "unknown", "replied", "opted out")


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def step(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, text: str) -> None:
        self.console.print(Padding(text, (0, 0, 0, 2)) if self.console.is_terminal else f"  {text}", soft_wrap=True)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
        for number, header in enumerate(headers):
            table.add_column(header, justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator["Meter"]:
        meter = Meter(self.console, title, total)
        with meter.shown():
            yield meter

    def verdict(self, lines: Sequence[Line]) -> None:
        table = Table(title="Does it all add up?", title_justify="left", header_style="dim")
        table.add_column("")
        table.add_column("what must hold", overflow="fold")
        table.add_column("figures", overflow="fold")
        for line in lines:
            table.add_row("[green]✓[/green]" if line.holds else "[bold red]✗[/bold red]", line.claim, line.figures)
        self.console.print()
        self.console.print(table)


class Meter:
    """A bar and, for a campaign, its counters; without a terminal a line every few seconds."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._live: Live | None = None
        self._printed_at = 0.0
        self._line = self._printed = ""
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task(title, total=total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            self._print()
            return
        with Live(self._bar, console=self._console, refresh_per_second=8) as live:
            self._live = live
            yield

    def update(self, done: int, tallies: dict[str, int] | None = None, now: datetime | None = None) -> None:
        self._bar.update(self._task, completed=done, total=max(self._total, done))
        words = "  ".join(f"{name} {count:,}" for name, count in (tallies or {}).items())
        clock = f"{now:%a %d %b %H:%M} UTC" if now else ""
        self._line = "  ".join(part for part in (f"{done:,}/{self._total:,}", clock, words) if part)
        if self._live is not None:
            self._live.update(Group(self._bar, f"  {clock}  [dim]{words}[/dim]") if tallies else self._bar)
        elif time.monotonic() > self._printed_at + PLAIN_EVERY_SECONDS:
            self._print()

    def _print(self) -> None:
        if self._line != self._printed:
            self._console.print(f"  {self._title}: {self._line}", soft_wrap=True)
            self._printed = self._line
        self._printed_at = time.monotonic()


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def tallies_of(results: dict[str, Any]) -> dict[str, int]:
    """A campaign's results in the words of the display; `accepted` is on its way, `failed` all that did not arrive."""
    counts = results["counts"]
    figures = (
        counts["waiting"] + counts["requested"],
        counts["sent"],
        counts["delivered"],
        counts["failed"] + counts["undelivered"] + counts["not_found"] + counts["expired"],
        counts["unknown"],
        results["replied"],
        results["opted_out"],
    )
    return dict(zip(TALLIES, figures, strict=True))
