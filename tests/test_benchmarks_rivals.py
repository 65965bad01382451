"""Other people's engines take part in the benchmarks if they work, and are named if not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import about, report, rivals, serving
from benchmarks.engines import ENGINES, OTHERS
from benchmarks.rounds import Run
from benchmarks.rows import COMMAND, DEFAULT, QUICK, Row, rows
from tests.servers import Server

GUNICORN = [row for row in serving.rows(DEFAULT) if row.request.get("server") == "gunicorn"]


def fake_rival(caches: Path, name: str, session: str) -> None:
    """Put a package where that of a rival would have been installed."""
    package, described = rivals.folder(ENGINES[name].package), "django_redis_sessions-0.dist-info"
    assert package.is_relative_to(caches)
    files = {
        "redis_sessions/__init__.py": "",
        "redis_sessions/session.py": session,
        f"{described}/METADATA": f"Name: {ENGINES[name].package}\nVersion: 0\n",
        f"{described}/RECORD": "redis_sessions/session.py,,\n",
    }
    for path, text in files.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text)


LOSES_BASKETS = """
from django.contrib.sessions.backends.cache import SessionStore as Whole

class SessionStore(Whole):
    def save(self, must_create=False):
        self._get_session(no_load=must_create).pop("basket", None)
        super().save(must_create)
"""


@pytest.mark.parametrize(
    ("session", "error"),
    [
        ("raise ImportError('no longer there')", "ImportError: no longer there"),
        (LOSES_BASKETS, "AssertionError: sync read: "),
    ],
)
def test_a_rival_that_does_not_work_is_named_with_its_error_and_left_out(
    session: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake_rival(tmp_path, "redis-sessions", session)
    asked = {"measure": "operation", "name": "read", "half": "sync", "tasks": 1, "count": 2}
    with Run("valkey", [Row("sync", "read", asked, engines=("ours", "redis-sessions"))]) as run:
        list(run.rounds(1))
    assert list(run.absent) == ["django-redis-sessions"]
    assert run.absent["django-redis-sessions"].startswith(error)
    assert list(run.samples[0].answers) == ["ours"]
    facts = {"versions": {}, "absent": run.absent, "machine": about.machine()}
    assert f"not measured: django-redis-sessions: {error}" in about.head(facts)


def test_a_rival_is_told_from_ours_which_has_the_same_import_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake_rival(tmp_path, "redis-sessions", "")
    shutil.rmtree(rivals.folder("django-redis-sessions") / "redis_sessions")
    with pytest.raises(rivals.Unusable, match="is not of django-redis-sessions"):
        rivals.attempt("redis-sessions", server.url)


@pytest.mark.slow
def test_every_rival_is_measured_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = tuple(engine.name for engine in OTHERS)
    wanted = [
        replace(row, request=row.request | {"count": 4})
        for row in rows(QUICK, names)
        if row.group in {"sync", "async, 50 tasks", "memory"}
        and row.name not in {"nothing", COMMAND}
    ]
    skip_without_packages()
    with Run("valkey", wanted) as run:
        list(run.rounds(1))
    assert run.absent == {}
    assert {"django-redis-sessions", "django-user-sessions", "django-qsessions"} <= set(
        run.versions
    )
    for samples in run.samples:
        assert tuple(samples.answers) == samples.row.engines
        assert set(names) <= {*samples.answers, *SQL_ALONE} or samples.row.group == "memory"
    assert "django-redis-sessions" in report.text(run.samples)


SQL_ALONE = {engine.name for engine in OTHERS if not engine.in_redis}


def skip_without_packages() -> None:
    for engine in OTHERS:
        if engine.package:
            try:
                rivals.install(engine.package, *engine.needs)
            except rivals.Unusable as error:
                pytest.skip(f"{engine.package} cannot be installed here: {error}")


@pytest.mark.slow
def test_requests_are_measured_behind_gunicorn() -> None:
    pytest.importorskip("gunicorn", reason="the extra benchmarks is not installed")
    with Run(
        "valkey", [replace(row, request=row.request | {"count": 40}) for row in GUNICORN]
    ) as run:
        list(run.rounds(1))
    assert len(run.samples) == 3
    for samples in run.samples:
        assert list(samples.answers) == ["bare", "ours", "cache"]
        for (answer,) in samples.answers.values():
            assert answer["rate"] > 0
            assert 0 < answer["p50"] <= answer["p99"]


def test_a_server_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(serving.NEEDS, "gunicorn", ("no_such_module",))
    assert list(serving.absent(DEFAULT)) == ["gunicorn"]
    assert {row.request.get("server") for row in serving.rows(DEFAULT)} == {None, "uvicorn"}
