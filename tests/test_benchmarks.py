"""The benchmarks run and give figures. What the figures are is not tested: that would be chance."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.report import Spread
from benchmarks.rounds import Samples, Worker
from benchmarks.rows import PROMISES, QUICK, Row, rows
from benchmarks.sockets import Socket
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


def samples_of(answers: dict[str, list[dict[str, Any]]], row: Row | None = None) -> Samples:
    return Samples(row or Row("sync", "read", {}), answers)


SOCKETS = Row("sockets", "open", {}, part="sockets", engines=("bare", "ours", "cache"))


def name_of(row: Row) -> str:
    return report.NAMES.get(row.name, row.name) if row.part == "sessions" else row.name


def test_every_row_has_figures_for_every_engine(told: tuple[str, dict[str, Any]]) -> None:
    measured = told[1]["rows"]
    assert [(row["group"], row["name"]) for row in measured] == [
        (row.group, row.name) for row in rows(QUICK)
    ]
    for row, asked in zip(measured, rows(QUICK), strict=True):
        assert list(row["samples"]) == list(asked.engines)
        for (answer,) in row["samples"].values():
            figures = {key: value for key, value in answer.items() if not isinstance(value, str)}
            assert figures, row
            assert all(value > 0 for key, value in figures.items() if key in TIMES), row


TIMES = {"cpu", "wall", "bytes", "resident", "answer"}


def test_the_table_shows_every_row_with_a_ratio(told: tuple[str, dict[str, Any]]) -> None:
    lines = told[0].splitlines()
    for row in rows(QUICK):
        shown = [line for line in lines if line.startswith(f"  {name_of(row)}")]
        assert shown, row
        assert all(line.split()[-1] == "-" or float(line.split()[-1]) >= 0 for line in shown)


def test_the_round_trips_are_those_that_are_documented(told: tuple[str, dict[str, Any]]) -> None:
    trips = {
        row["name"]: row["samples"]["ours"][0]["trips"]
        for row in told[1]["rows"]
        if "trips" in row["samples"]["ours"][0]
    }
    assert trips == {
        "connect": 2,
        "connect, with its user": 2,
        "frame that reads": 0,
        "frame that reads what is stored now": 0,
        "frame that writes": 1,
        "frame that writes to what is stored now": 1,
    }


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


def test_the_ratio_is_taken_round_by_round() -> None:
    samples = samples_of(
        {
            "ours": [{"cpu": 1.0}, {"cpu": 20.0}, {"cpu": 3.0}],
            "cache": [{"cpu": 2.0}, {"cpu": 40.0}, {"cpu": 4.0}],
        }
    )
    assert report.ratios(samples, "cpu", "cache") == [0.5, 0.5, 0.75]


def test_a_spread_is_the_median_between_its_quartiles() -> None:
    spread = Spread.of([5.0, 1.0, 3.0, 2.0, 4.0])
    assert spread == (2.0, 3.0, 4.0)
    assert spread.text(1) == "3.0 (2.0-4.0)"


def test_a_single_value_is_shown_without_a_spread() -> None:
    assert Spread.of([1234.5]).text(1) == "1,234.5"


def test_the_memory_of_a_session_is_what_it_adds_to_a_socket_without_one() -> None:
    samples = samples_of(
        {
            "bare": [{"resident": 5_000}, {"resident": 6_000}],
            "ours": [{"resident": 8_000}, {"resident": 8_000}],
            "cache": [{"resident": 11_000}, {"resident": 10_000}],
        },
        SOCKETS,
    )
    assert report.values(samples, "bare", "resident") == [5_000, 6_000]
    assert report.values(samples, "ours", "resident") == [3_000, 2_000]
    assert report.ratios(samples, "resident", "cache") == [0.5, 0.5]


def test_what_an_engine_cannot_do_has_no_figure_and_no_ratio() -> None:
    row = Row("sockets", "logout", {}, part="sockets")
    samples = samples_of({"ours": [{"close": 4.25}], "cache": [{"close": None}]}, row)
    (line,) = [line for line in report.text([samples]).splitlines() if "  logout" in line]
    assert line.split() == ["logout", "4.2", "no", "-"]


async def test_a_socket_raises_what_its_application_raises() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        await receive()
        raise LookupError("the consumer's")

    socket = Socket(application, "key")
    await socket.open()
    with pytest.raises(LookupError, match="the consumer's"):
        await socket.ask("read")


async def test_a_socket_that_is_refused_is_an_error() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    with pytest.raises(AssertionError, match=r"websocket\.close"):
        await Socket(application, "key").open()
