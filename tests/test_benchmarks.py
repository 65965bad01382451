"""The benchmarks run and give figures. What the figures are is not tested: that would be chance."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, serving, targets
from benchmarks.rounds import Worker
from benchmarks.rows import PROMISES, QUICK, SMALL_SAVE, Row, rows
from tests.servers import Server

ROOT = Path(__file__).resolve().parent.parent


def benchmarks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one short run prints, and what it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "samples.json"
    done = benchmarks("--quick", "--rounds", "1", "--json", file)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


EVERY = [*rows(QUICK), *serving.rows(QUICK)]


def name_of(row: Row) -> str:
    return report.NAMES.get(row.name, row.name) if row.part == "sessions" else row.name


def test_every_row_has_figures_for_every_engine(told: tuple[str, dict[str, Any]]) -> None:
    asked_for = {(row.group, row.name, row.place): row for row in EVERY}
    assert len(asked_for) == len(EVERY)
    measured = told[1]["rows"][: len(EVERY)]
    assert [(row["group"], row["name"]) for row in measured] == [
        (row.group, row.name) for row in EVERY
    ]
    for row, asked in zip(measured, EVERY, strict=True):
        assert list(row["samples"]) == list(asked.engines)
        for (answer,) in row["samples"].values():
            figures = {key: value for key, value in answer.items() if not isinstance(value, str)}
            assert figures, row
            assert all(value > 0 for key, value in figures.items() if key in TIMES), row


TIMES = {"cpu", "wall", "bytes", "resident", "answer", "rate", "p50", "p99"}


def test_the_table_shows_every_row_with_a_ratio(told: tuple[str, dict[str, Any]]) -> None:
    lines = told[0].splitlines()
    for row in EVERY:
        shown = [line for line in lines if line.startswith(f"  {name_of(row)}")]
        assert shown, row
        assert all(re.fullmatch(r"-|-?[\d,.]+", line.split()[-1]) for line in shown), shown


def test_the_round_trips_are_those_that_are_documented(told: tuple[str, dict[str, Any]]) -> None:
    trips = {
        row["name"]: row["samples"]["ours"][0]["trips"]
        for row in told[1]["rows"]
        if row["part"] == "sockets" and "trips" in row["samples"]["ours"][0]
    }
    assert trips == {
        "connect": 2,
        "connect, with its user": 2,
        "frame that reads": 0,
        "frame that reads what is stored now": 0,
        "frame that writes": 1,
        "frame that writes to what is stored now": 1,
    }


def test_a_save_of_a_small_key_sends_as_much_whatever_else_the_session_holds(
    told: tuple[str, dict[str, Any]],
) -> None:
    ours, theirs = (
        [
            row["samples"][engine][0]["sent"]
            for row in told[1]["rows"]
            if row["name"] == SMALL_SAVE and "sent" in row["samples"]["ours"][0]
        ]
        for engine in ("ours", "cache")
    )
    assert ours[0] == pytest.approx(ours[1], abs=8)  # a number in it may be longer
    assert ours[1] < 1_000
    assert theirs[0] > 3_000
    assert theirs[1] > 40_000


def test_every_target_is_shown_with_what_was_measured(told: tuple[str, dict[str, Any]]) -> None:
    lines = told[0].splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("Targets"))
    shown = lines[begin + 1 : begin + 1 + len(targets.TARGETS)]
    assert all(re.search(r" [<>]= .* (met|not met|without sessions)$", line) for line in shown)


def test_what_is_promised_is_so_with_ours_alone(told: tuple[str, dict[str, Any]]) -> None:
    lines = told[0].splitlines()
    for promise in PROMISES.values():
        (shown,) = [line for line in lines if line.startswith(f"  {promise}")]
        assert shown.removeprefix(f"  {promise}").split() == ["yes", "no", "-"]


def test_a_logout_closes_the_socket_in_another_process(told: tuple[str, dict[str, Any]]) -> None:
    (row,) = [
        row for row in told[1]["rows"] if row["part"] == "sockets" and row["name"] == "logout"
    ]
    (ours,), (theirs,) = row["samples"]["ours"], row["samples"]["cache"]
    assert 0 < ours["close"] <= ours["close99"]
    assert (theirs["close"], theirs["close99"]) == (None, None)


def test_the_samples_come_with_the_versions_and_the_command(
    told: tuple[str, dict[str, Any]],
) -> None:
    about = told[1]
    named = {"Python", "Django", "channels", "redis", "django-redis", "server"}
    assert named <= set(about["versions"])
    assert about["command"][1:4] == ["--quick", "--rounds", "1"]


def test_a_row_that_does_not_exist_is_an_error() -> None:
    done = benchmarks("--only", "no such row")
    assert done.returncode == 2
    assert "sync read" in done.stderr


def test_an_operation_that_fails_stops_the_run_and_names_the_engine(server: Server) -> None:
    worker = Worker("ours", server.url)
    asked = {"measure": "operation", "name": "none", "half": "sync", "tasks": 1, "count": 1}
    try:
        with pytest.raises(RuntimeError, match=r"'ours' ended at .*'none'.*: exit 1"):
            worker.ask(asked)
    finally:
        worker.close()
