"""The figures of faults: what counts as what. How many there are is not tested but for ours."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import faults
from benchmarks.engines import CACHE, OURS
from benchmarks.faults import COLUMNS
from benchmarks.faulty_users import STEPS, User
from benchmarks.rounds import Samples
from benchmarks.visitor import remembered
from tests.faults.kinds import FAULTS

ROOT = Path(__file__).resolve().parent.parent
ME = str(remembered().pk)
IN = [("200 OK", "None None", "anonymous"), ("200 OK", f"{ME} 1", "key")]  # a basket, a login

Reply = tuple[str, str, str | None]


class Response(list[bytes]):
    def close(self) -> None:
        """Be closed."""


class Site:
    """A WSGI application whose answers are given. It keeps what it was asked for."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.asked: list[str] = []
        self._replies = iter(replies)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Response:
        self.asked.append(environ["PATH_INFO"] + environ.get("HTTP_COOKIE", ""))
        status, body, cookie = next(self._replies)
        age = '; Max-Age=0; expires="Thu, 01 Jan 1970 00:00:00 GMT"' if cookie == "" else ""
        start(status, [] if cookie is None else [("Set-Cookie", f'sessionid="{cookie}"{age}')])
        return Response([body.encode()])


def counted(*replies: Reply) -> tuple[dict[str, int], list[str]]:
    """Return what a user who logged in counts, and what they asked for."""
    site = Site([*IN, *replies])
    user = User(site)
    for _ in range(len(IN) + len(replies)):
        user.ask()
    return {name: count for name, count in user.counts.items() if count}, site.asked[len(IN) :]


def test_what_is_as_it_should_be_counts_as_nothing() -> None:
    held = ("200 OK", f"{ME} 1", None)
    assert counted(held, held)[0] == {"requests": 4}


def test_an_error_page_is_an_error_and_the_user_goes_on() -> None:
    counts, asked = counted(("503 Gone", "", None), ("200 OK", f"{ME} 1", None))
    assert counts == {"requests": 4, "errors": 1}
    assert asked == ["/read/sessionid=key", "/write/2/sessionid=key"]


def test_a_write_without_an_answer_may_have_happened_or_not() -> None:
    read, failed = ("200 OK", f"{ME} 1", None), ("500 Error", "", None)
    for number in (1, 2):
        assert counted(read, failed, ("200 OK", f"{ME} {number}", None))[0]["requests"] == 5
        assert "wrong" not in counted(read, failed, ("200 OK", f"{ME} {number}", None))[0]
    assert counted(read, failed, ("200 OK", f"{ME} 3", None))[0]["wrong"] == 1


def test_a_user_who_seems_logged_out_has_a_wrong_answer_and_logs_in_again() -> None:
    counts, asked = counted(("200 OK", "None None", None), IN[0])
    assert counts == {"requests": 4, "wrong": 1}
    assert asked == ["/read/sessionid=key", "/write/2/"]


def test_a_cookie_that_is_deleted_loses_what_was_saved() -> None:
    counts, _ = counted(("200 OK", "None None", ""))
    assert counts == {"requests": 3, "wrong": 1, "cookies": 1, "lost": 1}


def test_an_older_value_is_a_lost_save() -> None:
    read, written = ("200 OK", f"{ME} 1", None), ("200 OK", f"{ME} 1", None)
    assert counted(read, written, read)[0] == {"requests": 5, "wrong": 1, "lost": 1}


def test_a_login_without_an_answer_begins_anew() -> None:
    user = User(Site([IN[0], ("500 Error", "", None), IN[0]]))
    for _ in range(3):
        user.ask()
    assert user.counts == {"requests": 3, "errors": 1}


def test_a_user_begins_anew_when_all_steps_are_done() -> None:
    site = Site([*IN, *[("200 OK", f"{ME} {1 + n // 2}", None) for n in range(16)], IN[0]])
    user = User(site)
    for _ in range(len(STEPS) + 1):
        user.ask()
    assert "wrong" not in user.counts
    assert "sessionid" not in site.asked[-1]


def test_every_fault_has_a_row() -> None:
    assert [row.name for row in faults.rows()] == list(faults.LENGTHS)
    by_proxy = [name.removesuffix(" a reply") for name in faults.LENGTHS]
    others = {name for name in by_proxy if not name.startswith(("server", "connections"))}
    assert others <= set(FAULTS)


def test_the_table_adds_counts_up_and_shows_the_longest_time() -> None:
    row = faults.rows()[0]
    figures = dict.fromkeys(COLUMNS, 2)
    samples = Samples(row, {"ours": [figures, figures], "cache": [figures | {"recovery": None}]})
    head, fault, ours, cache = list(faults.table([samples]))[1:]
    assert fault == "server killed, and started again, 1 s"
    assert ours.split() == ["ours", "4", "4", "4", "4", "4", "2.00", "2.00"]
    assert cache.split()[-2:] == ["never", "2.00"]
    assert len(head) == len(ours) == len(cache)


@pytest.mark.slow
def test_the_command_measures_both_engines_and_ours_gives_no_wrong_answer(tmp_path: Path) -> None:
    words = ("--only", "faults LOADING", "--json", str(tmp_path / "samples.json"))
    command = [sys.executable, "-m", "benchmarks", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "samples.json").read_text())["rows"]
    assert list(row["samples"]) == [OURS.name, CACHE.name]
    for (answer,) in row["samples"].values():
        assert list(answer) == list(COLUMNS)
        assert answer["errors"] > 0, "the fault was not met"
    (ours,) = row["samples"]["ours"]
    assert (ours["wrong"], ours["cookies"], ours["lost"]) == (0, 0, 0)
    assert "LOADING, 1 s" in done.stdout
