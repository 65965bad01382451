"""``python -m benchmarks``: measure, print the tables, write JSON."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers import BINARIES, binary

from . import about, faults, growth, report, serving
from .engines import OTHERS
from .rounds import Run
from .rows import DEFAULT, QUICK, Effort, Row, rows


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options()
    given = parser.parse_args()
    if binary(given.server) is None:
        parser.error("--server redis needs redis-server: apt-get install redis-server")
    asked = effort(given)
    every = [*rows(asked, others(given)), *serving.rows(asked), *grown(given), *faulty(given)]
    given.rows = [row for row in every if given.only in row.label]
    if not given.rows:
        parser.error(f"no row has {given.only!r}: {', '.join(row.label for row in every)}")
    given.rounds = max(min(asked.rounds, row.rounds or asked.rounds) for row in given.rows)
    if given.plots:
        refuse_plots(parser, given.rows)
    return given


def options() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add, names = parser.add_argument, [engine.name for engine in OTHERS]
    add("--quick", action="store_true", help="less than a minute, with more spread")
    add("--rounds", type=int, help="how often everything is measured")
    add("--only", metavar="WORDS", default="", help='rows with that: "async, 1 task"')
    add(
        "--rivals",
        metavar="NAME",
        nargs="*",
        choices=names,
        help="which to measure beside the cache engine, installed where they are not: none where"
        f" no name follows; all without --quick: {', '.join(names)}",
    )
    add("--server", choices=BINARIES, default="valkey", help="on which server")
    add("--json", type=Path, metavar="FILE", help="write all samples there")
    add("--plots", type=Path, metavar="DIR", help="draw there how cost grows")
    return parser


def refuse_plots(parser: argparse.ArgumentParser, wanted: list[Row]) -> None:
    """Stop before all measuring where nothing could be drawn afterwards."""
    if find_spec("matplotlib") is None:
        parser.error("--plots needs the extra: django-redis-live-sessions[benchmarks]")
    if not any(row.part in growth.METRICS for row in wanted):
        parser.error(f"--plots draws how cost grows, which is left out here: --only {growth.PART}")


def others(given: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of the rivals that are measured beside the cache engine."""
    if given.rivals is None:
        return () if given.quick else tuple(engine.name for engine in OTHERS)
    return tuple(engine.name for engine in OTHERS if engine.name in given.rivals)


def grown(given: argparse.Namespace) -> list[Row]:
    """Return the rows of how cost grows, which take long, where they are asked for."""
    if not given.only.startswith(growth.PART):
        return []
    return growth.rows(quick=given.quick)


def faulty(given: argparse.Namespace) -> list[Row]:
    """Return the rows of faults, which take minutes, where they are asked for."""
    return faults.rows() if given.only.startswith(faults.PART) else []


def effort(given: argparse.Namespace) -> Effort:
    """Return how much the command line asks for; one round at least."""
    asked = QUICK if given.quick else DEFAULT
    return asked if given.rounds is None else asked._replace(rounds=max(1, given.rounds))


def measure(given: argparse.Namespace) -> None:
    """Run everything, print the tables, and write the samples where that was asked."""
    begin, facts = time.monotonic(), {"command": sys.argv, "rounds": given.rounds}
    facts |= {"started": datetime.now(UTC).isoformat(), "machine": about.machine()}
    with Run(given.server, given.rows) as run:
        absent = run.absent | serving.absent(effort(given))
        facts |= {"versions": run.versions, "absent": absent}
        print(about.head(facts), flush=True)
        for _ in run.rounds(given.rounds):
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    facts |= {"seconds": round(time.monotonic() - begin, 1), "load_after": about.load()}
    print(report.text(run.samples))
    print(about.foot(facts))
    if not given.only:
        print(growth.LEFT_OUT, faults.LEFT_OUT, sep="\n")
    keep(about.document(run.samples, facts), given)


def keep(document: dict[str, Any], given: argparse.Namespace) -> None:
    """Write the samples, and draw them, where that was asked."""
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    if given.plots:
        from . import plots

        plots.draw(document, given.plots)


if __name__ == "__main__":
    measure(arguments())
