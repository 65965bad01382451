"""docs/failure.rst says of each fault what the tests expect and what the code does."""

import hiredis
import pytest
from redis._parsers.hiredis import _HiredisParser

from redis_sessions import breakers, connections, faults
from redis_sessions.faults import Fault, fault_of
from tests.caches import caches
from tests.documents import DOCS, literals, table
from tests.faults.kinds import FAULTS
from tests.faults.rows import OTHERS, ROWS, Row

FAILURE = DOCS / "failure.rst"
UNSEEN = {"latency 50 ms", "byte by byte", "NOSCRIPT"}
BY_NAME = {
    **dict.fromkeys(("restart", "refused", "idle connections closed"), faults.LOST),
    **dict.fromkeys(("black hole", "latency 2 s", "drip"), faults.LATE),
    "full pool": faults.NONE_FREE,
}


def words(row: Row) -> list[str]:
    """Return what the table says of a row."""
    read = "as usual" if row.read else "503"
    write = "as usual" if row.write else "503"
    connects = "as usual" if row.read or row.only_threads else "4503"
    stays = "as usual" if row.write or row.only_threads else "waits"
    lasts = "and passes" if row.times else "and stays"
    return [lasts, read, write, write, connects, stays]


def test_what_users_see_is_listed_for_each_fault() -> None:
    rows = table(FAILURE, "Fault", "It comes")
    listed = [(name, cells) for first, *cells in rows for name in literals(first)]
    expected = [(row.fault, words(row)) for row in (*ROWS, *OTHERS)]
    assert sorted(listed) == sorted(expected)


def test_every_fault_of_the_proxy_is_tested() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS)


def meaning(name: str) -> Fault:
    """Return what the error means that a fault leads to."""
    if name.startswith("reset"):
        return faults.LOST
    if name in BY_NAME:
        return BY_NAME[name]
    reader = hiredis.Reader(replyError=_HiredisParser.parse_error)
    reader.feed(FAULTS[name].reply)
    return fault_of(reader.gets())


def test_what_is_tried_again_is_listed_for_each_fault() -> None:
    rows = {literals(first)[0]: rest for first, *rest in table(FAILURE, "Fault", "What it is")}
    assert set(rows) == set(FAULTS) | {row.fault for row in OTHERS}
    for name in set(rows) - UNSEEN:
        _, again, _, opens, _ = rows[name]
        fault = meaning(name)
        assert (name, again) == (name, f"{fault.seconds} s" if fault.seconds else "no")
        assert (name, opens) == (name, "yes" if fault.stops else "no")


@pytest.mark.parametrize("number", [2.8])
def test_a_call_ends_within_three_seconds_by_default(settings, number: float) -> None:
    settings.CACHES = caches("redis://127.0.0.1/0")
    assert connections.patience("sessions").call == pytest.approx(number)
    assert number < 3
    assert f"{number} seconds by default" in FAILURE.read_text("utf-8")


def test_the_breaker_is_as_described() -> None:
    text = " ".join(FAILURE.read_text("utf-8").split())
    assert (breakers.LIMIT, breakers.PAUSE, breakers.LEASE, breakers.TOLD) == (2, 0.5, 1, 60)
    for words in ("After two calls", "Every half of a second", "within a second", "once a minute"):
        assert words in text
