"""How cost grows is measured and drawn. The figures are not tested: they would be chance."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import filling, growth
from benchmarks.growth import GROWTHS
from benchmarks.report import text
from benchmarks.rounds import Samples, Worker
from benchmarks.rows import Place, Row
from benchmarks.spending import Meters
from tests.servers import Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
TINY = {"size": 5_000, "tasks": 2, "opened": 4, "number": 3}
ALONE = {"list", "count", "end"}  # what other engines do not have
PARTS = [each.part for each in GROWTHS]


def tiny(row: Row) -> dict[str, Any]:
    return row.request | {key: TINY[key] for key in TINY if key in row.request} | {"count": 2}


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server of these tests alone, for what they fill it with and what it counts."""
    running = Server().start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def measured(own_server: Server) -> list[Samples]:
    """One row of each kind, measured once with each engine."""
    first = {row.part: row for row in reversed(growth.rows())}
    samples = [Samples(first[part]) for part in PARTS]
    for database, engine in enumerate(("bare", "ours", "cache")):
        worker = Worker(engine, f"redis://127.0.0.1:{own_server.port}/{database}")
        for each in samples:
            if engine in each.row.engines:
                each.add(engine, worker.ask(tiny(each.row)))
        worker.close()
    return samples


def test_each_row_has_the_figures_of_its_tables_for_every_engine(measured: list[Samples]) -> None:
    for each in measured:
        assert list(each.answers) == list(each.row.engines)
        for (answer,) in each.answers.values():
            assert set(growth.METRICS[each.row.part]) <= set(answer)


def test_what_ours_costs_is_more_than_nothing(measured: list[Samples]) -> None:
    for each in measured:
        (ours,) = each.answers["ours"]
        for metric in growth.METRICS[each.row.part]:
            if metric != "resident" and "_server" not in metric:  # they can be lost in the noise
                assert ours[metric] > 0, (each.row.label, metric)


def test_only_ours_lists_counts_and_ends_the_sessions_of_a_user(measured: list[Samples]) -> None:
    (user,) = [each for each in measured if each.row.request["measure"] == "user"]
    (theirs,) = user.answers["cache"]
    missing = {metric.split("_")[0] for metric, value in theirs.items() if value is None}
    assert missing == ALONE


def test_the_tables_show_each_row_with_its_points(measured: list[Samples]) -> None:
    lines = text(measured).splitlines()
    for each in measured:
        assert each.row.part in lines
        assert any(line.split()[:-3] for line in lines if line.startswith(f"  {each.row.name} "))


def test_a_payload_is_as_large_as_it_says() -> None:
    code = (
        "from benchmarks.growing import holding; import json;"
        "print(*[len(json.dumps(holding(size))) / size for size in (1024, 4096, 65536)])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert all(1 <= float(part) < 1.1 for part in done.stdout.split()), done


def test_many_sessions_are_copies_as_large_as_the_first_that_expire_with_it(
    own_server: Server,
) -> None:
    with own_server.client() as client:
        client.select(9)
        client.hset("session:{0123456789abcd}", mapping={"name": "Ada"})
        client.expire("session:{0123456789abcd}", 1000)
        filling.multiply(client, 25_000)
        keys = client.keys()
        assert len(keys) == 25_000
        assert {len(key) for key in keys} == {24}
        assert {client.hget(key, "name") for key in keys[:50]} == {b"Ada"}
        assert all(990 < client.ttl(key) <= 1000 for key in keys[:50])
        filling.empty(client)
        assert client.dbsize() == 0


def test_the_meters_count_the_bytes_of_the_work_and_not_their_own(own_server: Server) -> None:
    with own_server.client() as client:
        client.ping()
        spent = Meters(client).start()
        for _ in range(100):
            client.echo("x" * 1000)
        costs = spent(100)
    command = len("*2\r\n$4\r\nECHO\r\n$1000\r\n") + 1000 + 2
    assert abs(costs["sent"] - command) < 1
    assert abs(costs["received"] - (len("$1000\r\n") + 1000 + 2)) < 1
    assert costs["server"] > 0


def test_a_quick_run_has_the_same_rows_at_few_points() -> None:
    quick = growth.rows(quick=True)
    assert {row.part for row in quick} == set(PARTS)
    assert {row.label for row in quick} < {row.label for row in growth.rows()}


def test_a_warm_up_is_small_however_far_it_grows() -> None:
    for row in growth.rows():
        if row.place is not Place.FRESH:
            numbers = [value for value in row.warm_up().values() if not isinstance(value, str)]
            assert max(numbers) <= 20


@pytest.fixture
def document() -> dict[str, Any]:
    """Samples as a run writes them: made by hand, with figures that grow."""
    meters = ("cpu", "server", "sent", "received", "wall")
    rows = []
    for row in growth.rows():
        (point,) = [row.request[key] for key in TINY if key in row.request]
        names = set(growth.METRICS[row.part])
        names |= {f"{name.split('_')[0]}_{meter}" for name in names for meter in meters}
        answers = [dict.fromkeys(names, 100 + point / 10 + number) for number in range(3)]
        samples: dict[str, Any] = dict.fromkeys(row.engines, answers)
        if row.engines[0] == "bare":
            samples["bare"] = [answer | {"resident": 50} for answer in answers]
        rows.append(
            {"part": row.part, "group": row.group, "name": row.name, "request": row.request}
            | {"samples": samples}
        )
    return {"rows": rows}


def words(path: Path) -> list[str]:
    root = ET.parse(path).getroot()  # noqa: S314 - made here
    return [text.strip() for text in root.itertext() if text.strip()]


def test_each_plot_is_a_picture_with_its_titles_and_points(
    document: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra: benchmarks")
    from benchmarks.figures import FIGURES
    from benchmarks.plots import draw

    assert draw(document, tmp_path) == [tmp_path / figure.file for figure in FIGURES]
    for figure in FIGURES:
        shown = words(tmp_path / figure.file)
        assert figure.title in shown
        assert figure.axis in shown
        for panel in figure.panels:
            assert panel.title in shown, figure.file
            assert {word for line in panel.lines for word in line.label.split("\n")} <= set(shown)
        assert {growth.named(figure.growth, point) for point in figure.growth.points} <= set(shown)


def test_the_same_samples_make_the_same_files(document: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra: benchmarks")
    from benchmarks.plots import draw

    first, second = draw(document, tmp_path / "1"), draw(document, tmp_path / "2")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_what_did_not_grow_has_no_plot(document: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra: benchmarks")
    from benchmarks.plots import NothingGrew, draw

    document["rows"] = [row for row in document["rows"] if row["part"] == "growth, payload"]
    assert [path.name for path in draw(document, tmp_path)] == ["growth-payload.svg"]
    with pytest.raises(NothingGrew, match="--only growth"):
        draw({"rows": []}, tmp_path)


def test_the_command_draws_from_a_file_of_samples(document: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra: benchmarks")
    samples = tmp_path / "samples.json"
    samples.write_text(json.dumps(document))
    command = [sys.executable, "-m", "benchmarks.plots", samples, tmp_path / "drawn"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "drawn").glob("growth-*.svg"))) == len(PARTS)


def test_a_run_without_growth_refuses_to_draw_it_before_it_measures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra: benchmarks")
    asked = "--quick", "--only", "sync", "--plots", tmp_path
    command = [sys.executable, "-m", "benchmarks", *asked]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "--only growth" in done.stderr


def test_without_matplotlib_the_error_names_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['matplotlib'] = None\nimport benchmarks.plots\n"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "django-redis-live-sessions[benchmarks]" in done.stderr
