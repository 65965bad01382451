"""The benchmarks run and give figures. What the figures are is not tested: that would be chance."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.engines import ENGINES
from benchmarks.report import Spread
from benchmarks.rounds import Samples, Worker
from benchmarks.rows import Row, rows
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


def samples_of(answers: dict[str, list[dict[str, Any]]]) -> Samples:
    return Samples(Row("sync", "read", {}), answers)


def test_every_row_has_figures_for_every_engine(told: tuple[str, dict[str, Any]]) -> None:
    measured = told[1]["rows"]
    assert [(row["group"], row["name"]) for row in measured] == [
        (row.group, row.name) for row in rows()
    ]
    for row in measured:
        assert set(row["samples"]) == set(ENGINES)
        for (answer,) in row["samples"].values():
            figures = [value for value in answer.values() if not isinstance(value, str)]
            assert figures, row
            assert all(figure > 0 for figure in figures), row


def test_the_table_shows_every_row_with_a_ratio(told: tuple[str, dict[str, Any]]) -> None:
    lines = told[0].splitlines()
    for row in rows():
        name = report.NAMES.get(row.name, row.name)
        shown = [line for line in lines if line.startswith(f"  {name}")]
        assert shown, row
        assert all(float(line.split()[-1]) > 0 for line in shown)


def test_the_samples_come_with_the_versions_and_the_command(
    told: tuple[str, dict[str, Any]],
) -> None:
    about = told[1]
    assert {"Python", "Django", "redis", "django-redis", "server"} <= set(about["versions"])
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
