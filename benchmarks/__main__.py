"""``python -m benchmarks``: measure, print the tables, write JSON."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.servers import BINARIES, binary

from . import report
from .rounds import Run
from .rows import rows


class Effort(NamedTuple):
    """How much is measured: rounds, and what multiplies the operations of a round."""

    rounds: int
    scale: float


DEFAULT = Effort(rounds=15, scale=0.6)
QUICK = Effort(rounds=7, scale=0.25)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, with more spread")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument(
        "--only", metavar="WORDS", default="", help='rows with that: "async, 1 task"'
    )
    parser.add_argument("--server", choices=BINARIES, default="valkey", help="on which server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    given = parser.parse_args()
    if binary(given.server) is None:
        parser.error("--server redis needs redis-server: apt-get install redis-server")
    given.rounds, scale = effort(given)
    given.rows = [row for row in rows(scale) if given.only in row.label]
    if not given.rows:
        parser.error(f"no row has {given.only!r}: {', '.join(row.label for row in rows())}")
    return given


def effort(given: argparse.Namespace) -> Effort:
    """Return how much the command line asks for; one round at least."""
    asked = QUICK if given.quick else DEFAULT
    return asked if given.rounds is None else asked._replace(rounds=max(1, given.rounds))


def measure(given: argparse.Namespace) -> None:
    """Run everything, print the tables, and write the samples where that was asked."""
    begin, about = time.monotonic(), {"command": sys.argv, "rounds": given.rounds}
    about |= {"started": datetime.now(UTC).isoformat(), "machine": report.machine()}
    with Run(given.server, given.rows) as run:
        about["versions"] = run.versions
        print(report.head(about), flush=True)
        for _ in run.rounds(given.rounds):
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    about |= {"seconds": round(time.monotonic() - begin, 1), "load_after": report.load()}
    print(report.text(run.samples))
    print(report.foot(about))
    if given.json:
        given.json.write_text(json.dumps(report.document(run.samples, about), indent=1) + "\n")


if __name__ == "__main__":
    measure(arguments())
