"""A cluster that changes under load: slots that move, masters that die."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from redis_sessions.session import SessionStore
from redis_sessions.slots import slot_of
from tests.caches import caches
from tests.cluster.load import Load, lost
from tests.clusters import Cluster, wait_for
from tests.conftest import record_of

pytestmark = pytest.mark.slow

BOUND = 3.5  # seconds for a call, whatever happens: 3, and a busy machine


@pytest.fixture(autouse=True)
def _default_timeouts(cluster: Cluster, settings: Any) -> None:
    settings.CACHES = caches(cluster.urls[:2], CLUSTER=True)


def test_slots_that_move_under_load_lose_nothing_and_surface_no_error(cluster: Cluster) -> None:
    load = Load(40)
    started = time.monotonic()
    with load.running():
        wait_for(lambda: load.has_saved_all_since(started))
        for counter in load.counters[::4]:
            cluster.move(slot_of(record(counter.id)), lambda: time.sleep(0.05))
        moved = time.monotonic()
        wait_for(lambda: load.has_saved_all_since(moved))
    promised = load.acknowledged()
    load.tell()
    assert load.errors == []
    assert lost({one: one.found() for one in load.counters}, promised) == {}


class Fall:
    """A master under load that falls, and what was promised before."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.load = cluster, Load(40)
        self.victim = cluster.owner_of(record(self.load.counters[0].id))
        self.on_victim = {
            one for one in self.load.counters if cluster.owner_of(record(one.id)) is self.victim
        }
        self.ended = self._session_on_victim()

    def run(self, fall: Callable[[], None], rise: Callable[[], None]) -> None:
        """Have it fall under load, go on until all is well, and compare."""
        load, started = self.load, time.monotonic()
        key = self.ended.session_key
        with load.running():
            wait_for(lambda: load.has_saved_all_since(started))
            self.ended.flush()
            replicated = load.acknowledged()
            self.cluster.wait_for_replica(self.victim)
            fall()
            fallen = time.monotonic()
            wait_for(lambda: load.has_saved_all_since(fallen))
            rise()
            risen = time.monotonic()
            wait_for(lambda: load.has_saved_all_since(risen))
        load.tell(fallen)
        promised = load.acknowledged()
        found = {one: one.found() for one in load.counters}
        assert lost(found, replicated) == {}
        assert lost(found, promised) == {}
        assert not SessionStore(key).exists(key)
        assert load.errors
        assert {one for _, one in load.errors} <= self.on_victim
        assert load.slowest < BOUND

    def _session_on_victim(self) -> SessionStore:
        while True:
            session = SessionStore()
            session["n"] = 1
            session.save()
            if self.cluster.owner_of(record_of(session)) is self.victim:
                return session


def record(session_id: str | None) -> str:
    return f"session:{{{session_id}}}"


def test_a_master_that_dies_under_load_costs_bounded_errors_only(cluster: Cluster) -> None:
    fall = Fall(cluster)
    fall.run(fall.victim.kill, lambda: cluster.restart(fall.victim))


def test_a_master_that_hangs_under_load_costs_bounded_errors_only(cluster: Cluster) -> None:
    """And when it goes on, it is not taken for the master that it was."""
    fall = Fall(cluster)

    def rise() -> None:
        fall.victim.thaw()
        wait_for(cluster.is_whole)

    fall.run(fall.victim.freeze, rise)
