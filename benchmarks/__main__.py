"""``python -m benchmarks``: measure, print the tables, write JSON."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.servers import BINARIES, binary

from . import about, report
from .rounds import Run
from .rows import DEFAULT, QUICK, Effort, rows


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, with more spread")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument(
        "--only", metavar="WORDS", default="", help='rows with that: "async, 1 task"'
    )
    parser.add_argument("--server", choices=BINARIES, default="valkey", help="on which server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    given = parser.parse_args()
    if binary(given.server) is None:
        parser.error("--server redis needs redis-server: apt-get install redis-server")
    asked = effort(given)
    given.rounds, given.rows = asked.rounds, [row for row in rows(asked) if given.only in row.label]
    if not given.rows:
        parser.error(f"no row has {given.only!r}: {', '.join(row.label for row in rows())}")
    return given


def effort(given: argparse.Namespace) -> Effort:
    """Return how much the command line asks for; one round at least."""
    asked = QUICK if given.quick else DEFAULT
    return asked if given.rounds is None else asked._replace(rounds=max(1, given.rounds))


def measure(given: argparse.Namespace) -> None:
    """Run everything, print the tables, and write the samples where that was asked."""
    begin, facts = time.monotonic(), {"command": sys.argv, "rounds": given.rounds}
    facts |= {"started": datetime.now(UTC).isoformat(), "machine": about.machine()}
    with Run(given.server, given.rows) as run:
        facts["versions"] = run.versions
        print(about.head(facts), flush=True)
        for _ in run.rounds(given.rounds):
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    facts |= {"seconds": round(time.monotonic() - begin, 1), "load_after": about.load()}
    print(report.text(run.samples))
    print(about.foot(facts))
    if given.json:
        given.json.write_text(json.dumps(about.document(run.samples, facts), indent=1) + "\n")


if __name__ == "__main__":
    measure(arguments())
