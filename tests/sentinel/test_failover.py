"""The master goes, by a command or for good: what is saved stays, and everything goes on."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from redis_sessions import connections
from tests.sentinel.load import Load, figures
from tests.sentinels import Group

BOUND = 3 + 2  # seconds for a call, and what a busy machine adds to that


@pytest.fixture
def own(request: pytest.FixtureRequest, settings: Any) -> Iterator[Group]:
    """A group of this test's own, where the sessions are."""
    group = Group(request.config.getoption("server"))
    try:
        settings.CACHES = group.start().caches()
        yield group
    finally:
        connections.close()
        group.stop()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
@pytest.mark.parametrize("replicas", [None, 1], ids=["unconfirmed", "confirmed"])
def test_a_master_that_goes_under_load_takes_nothing_with_it_that_a_replica_has(
    own: Group, settings: Any, replicas: int | None, end: signal.Signals, record_property: Any
) -> None:
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": replicas}
    with Load() as load:
        load.all(lambda one: len(one.acknowledged) >= 20)
        safe = {one: one.acknowledged[-1] for one in load.writers}
        master = own.master()
        with master.client() as client:
            client.set("behind all that", 1)
            assert client.wait(2, 10_000) == 2
        master.send_signal(end)
        gone = time.monotonic() + 0.1  # what was on its way has arrived
        load.all(lambda one: one.back(gone))
        goes_on = time.monotonic()
        load.all(lambda one: sum(moment > goes_on for moment in one.successes) >= 20)
    record_property("figures", figures(load, gone))
    assert [one.wrong for one in load.writers if one.wrong] == []
    assert all(seconds < BOUND for one in load.writers for seconds, _ in one.errors)
    lost = [
        number for one in load.writers for number in one.lost if replicas or number <= safe[one]
    ]
    assert lost == []


@pytest.mark.slow
def test_a_failover_on_command_behind_a_pause_of_writes_takes_nothing_with_it(
    own: Group, record_property: Any
) -> None:
    with Load() as load:
        load.all(lambda one: len(one.acknowledged) >= 20)
        begun = time.monotonic()
        own.fail_over(pause=10)
        done = time.monotonic()
        load.all(lambda one: one.back(done))
        goes_on = time.monotonic()
        load.all(lambda one: sum(moment > goes_on for moment in one.successes) >= 20)
    record_property("figures", figures(load, begun))
    assert [one.wrong for one in load.writers if one.wrong] == []
    assert all(seconds < BOUND for one in load.writers for seconds, _ in one.errors)
    assert [one.lost for one in load.writers if one.lost] == []
