"""Runs all measurements, or those named: `make bench ONLY="imports webhooks"`."""

import argparse
import asyncio

from harness.system import System

from benchmarks.figures import environment, processor_speed
from benchmarks.measurements import MEASUREMENTS, SETTINGS


async def main(names: list[str], seed: int) -> None:
    print("\n".join(environment(seed)), flush=True)
    async with System.running(SETTINGS, is_watched=True) as system:
        for name in names or list(MEASUREMENTS):
            # A measurement begins at rest: what an earlier one left to do is no part of it.
            await system.settle(within=900)
            await system.reset_controls()
            print(f"-- {name}: {processor_speed()}", flush=True)
            for figure in await MEASUREMENTS[name](system, seed):
                print("\n".join(figure.lines()), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], help="default: all")
    parser.add_argument("--seed", type=int, default=20261124)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.names, arguments.seed))
