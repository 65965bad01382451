"""``python -m tests.soak``: a site under load and faults for some minutes, and the verdict."""

import argparse
import asyncio
import random
import sys
import time

from tests.servers import BINARIES

from .model import Kind, Model
from .soak import Load, Soak

SHOWN = 3  # findings of a kind


def main() -> int:
    """Do what the command line says; return 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=5.0, help="how long the faults go on (5)")
    add("--seed", type=int, help="makes the plan of faults; another one each time")
    add("--visitors", type=int, default=8, help="how many, with four tabs each (8)")
    add("--server", choices=BINARIES, default="valkey", help="on which server")
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    soak = Soak(Load(given.minutes * 60, seed, given.visitors), given.server)
    began = time.monotonic()
    model = asyncio.run(soak.run())
    write(f"seed {seed}, {len(soak.faults)} faults, {time.monotonic() - began:.0f} s")
    report(model, soak)
    return 1 if model.findings else 0


def report(model: Model, soak: Soak) -> None:
    """Write what was done, and what was wrong."""
    for name, count in model.counts.items():
        write(f"  {name}: {count:,}")
    write(f"  slowest request: {model.slowest:.2f} s")
    for name, before in soak.before.items():
        after = soak.after.get(name, {})
        told = (f"{each} {before[each]}/{after.get(each)}" for each in before if each != "pid")
        write(f"  {name}, before and after: {', '.join(told)}")
    for kind in Kind:
        write(f"  {kind}: {sum(finding.kind is kind for finding in model.findings)}")
    for kind in Kind:
        found = [finding for finding in model.findings if finding.kind is kind]
        for finding in found[:SHOWN]:
            write(f"\n{finding}")


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
