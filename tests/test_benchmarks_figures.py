"""What the benchmarks make of figures: spread, ratios, targets."""

from typing import Any

import pytest

from benchmarks import report, serving, targets
from benchmarks.rounds import Samples
from benchmarks.rows import QUICK, Row, rows
from benchmarks.spread import Spread, ratios, values
from benchmarks.targets import Target


def samples_of(answers: dict[str, list[dict[str, Any]]], row: Row | None = None) -> Samples:
    return Samples(row or Row("sync", "read", {}), answers)


SOCKETS = Row("sockets", "open", {}, part="sockets", engines=("bare", "ours", "cache"))


def test_the_ratio_is_taken_round_by_round() -> None:
    samples = samples_of(
        {
            "ours": [{"cpu": 1.0}, {"cpu": 20.0}, {"cpu": 3.0}],
            "cache": [{"cpu": 2.0}, {"cpu": 40.0}, {"cpu": 4.0}],
        }
    )
    assert ratios(samples, "cpu", "cache") == [0.5, 0.5, 0.75]


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
    assert values(samples, "bare", "resident") == [5_000, 6_000]
    assert values(samples, "ours", "resident") == [3_000, 2_000]
    assert ratios(samples, "resident", "cache") == [0.5, 0.5]


def test_what_an_engine_cannot_do_has_no_figure_and_no_ratio() -> None:
    row = Row("sockets", "logout", {}, part="sockets")
    samples = samples_of({"ours": [{"close": 4.25}], "cache": [{"close": None}]}, row)
    (line,) = [line for line in report.text([samples]).splitlines() if "  logout" in line]
    assert line.split() == ["logout", "4.2", "no", "-"]


def test_what_a_session_adds_is_without_what_the_same_takes_without_one() -> None:
    samples = samples_of(
        {"bare": [{"cpu": 100.0}], "ours": [{"cpu": 110.0}], "cache": [{"cpu": 300.0}]}, SOCKETS
    )
    assert values(samples, "ours", "cpu") == [110.0]
    assert values(samples, "ours", "cpu", over=True) == [10.0]
    assert ratios(samples, "cpu", "cache", over=True) == [0.05]


def test_there_is_no_ratio_to_what_costs_no_more_than_nothing() -> None:
    samples = samples_of(
        {"bare": [{"cpu": 100.0}], "ours": [{"cpu": 110.0}], "cache": [{"cpu": 99.0}]}, SOCKETS
    )
    assert ratios(samples, "cpu", "cache", over=True) is None


@pytest.mark.parametrize(
    ("target", "ours", "verdict"),
    [
        (Target("sync read", 0.5), 1.0, "met"),
        (Target("sync read", 0.5), 1.02, "not met"),
        (Target("sync read", 0.5, at_least=True), 1.0, "met"),
        (Target("sync read", 0.5, at_least=True), 0.98, "not met"),
    ],
)
def test_a_target_is_met_at_its_bound(
    target: Target, ours: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "TARGETS", [target])
    samples = samples_of({"ours": [{"cpu": ours}], "cache": [{"cpu": 2.0}]})
    *_, line = targets.table([samples])
    assert line.split("  ")[-1] == verdict


def test_a_target_whose_row_was_not_measured_has_no_line() -> None:
    row = Row("async, 1 task", "nothing", {})
    samples = samples_of({"ours": [{"cpu": 1.0}], "cache": [{"cpu": 2.0}]}, row)
    assert list(targets.table([samples])) == []


def test_every_target_is_that_of_a_row() -> None:
    labels = [row.label for row in [*rows(QUICK), *serving.rows(QUICK)]]
    assert {target.row for target in targets.TARGETS} <= {*labels, "sockets open"}
