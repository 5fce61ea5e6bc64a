"""`python -m demo`: run it against a system that `make up` started."""

import argparse
import os
import sys
import time
from pathlib import Path

from demo.connection import Installation
from demo.display import Screen
from demo.errors import DemoError
from demo.run import Demo, Wishes


def main() -> int:
    """0 where everything adds up, 1 where something does not or the demo could not run."""
    options = _options()
    screen = Screen()
    began = time.monotonic()
    try:
        installation = Installation.read(Path(os.environ.get("CRM_STATE") or ".crm"), options.base_url)
        wishes = Wishes(options.households, options.seed, options.faults)
        lines = Demo(installation, wishes, screen).run()
    except DemoError as error:
        screen.console.print(f"\n{error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        screen.console.print("\nInterrupted; a campaign that was launched goes on until the next run cancels it.")
        return 130
    wrong = [line for line in lines if not line.holds]
    if lines:
        verdict = f"[bold red]{len(wrong)} of {len(lines)} do not hold[/bold red]" if wrong else "Everything adds up"
        screen.console.print(f"{verdict}, after {time.monotonic() - began:.0f} s.")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="A campaign on generated home owners, and its accounts.")
    parser.add_argument("--faults", action="store_true", help="let the provider fail in every way it can")
    parser.add_argument("--households", type=_count, default=2_000, metavar="N")
    parser.add_argument("--seed", type=_count, default=None, metavar="N", help="the next one that was not used")
    parser.add_argument("--base-url", default=None, help="default: where `make up` serves it")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
