"""The lock of a session among processes, threads and tasks: none is lost, no crash holds it up."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from redis_sessions import leases
from redis_sessions.session import SessionStore
from tests import acts, holders
from tests.caches import patient_caches
from tests.conftest import Do
from tests.locked import Locked, lock_of, until
from tests.processes import Processes

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def patience(settings: Any) -> None:
    settings.CACHES = patient_caches()


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(4) as running:
        yield running


def _session() -> SessionStore:
    session = SessionStore()
    session["n"] = 0
    session.save()
    return session


def _counted(session: SessionStore) -> int:
    return SessionStore(session.session_key)["n"]


@pytest.mark.slow
@pytest.mark.parametrize("half", ["sync", "async"])
def test_of_160_increments_by_four_processes_none_is_lost(processes: Processes, half: str) -> None:
    session = _session()
    processes.at_once(half, [session.session_key], *[acts.counts_up] * 4)
    assert _counted(session) == 4 * acts.COUNTS


def test_of_80_increments_by_eight_threads_none_is_lost() -> None:
    session = _session()

    def add(_: int) -> None:
        mine = SessionStore(session.session_key)
        with mine.lock(blocking_timeout=60):
            mine["n"] += 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(80)))
    assert _counted(session) == 80


def test_of_100_increments_by_as_many_tasks_none_is_lost() -> None:
    session = _session()

    async def add() -> None:
        mine = SessionStore(session.session_key)
        async with mine.alock(blocking_timeout=60):
            n = mine["n"]
            await asyncio.sleep(0)
            mine["n"] = n + 1

    async def everybody() -> None:
        await asyncio.gather(*(add() for _ in range(100)))

    asyncio.run(everybody())
    assert _counted(session) == 100


@pytest.mark.slow
@pytest.mark.parametrize("half", ["sync", "async"])
def test_the_lock_of_a_process_that_was_killed_runs_out(half: str, redis_client: Any) -> None:
    session, inside = _session(), SPAWN.Event()
    holder = SPAWN.Process(target=holders.hold_for_ever, args=[half, session.session_key, inside])
    holder.start()
    assert inside.wait(60)
    seen = [3000]

    def is_extended() -> bool:
        seen.append(redis_client.pttl(lock_of(session)))
        return seen[-1] > seen[-2]

    until(is_extended)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert redis_client.exists(lock_of(session))
    Locked(session, blocking_timeout=20).run(lambda: session.update({"n": session["n"] + 1}))
    assert _counted(session) == 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this platform lacks")
def test_a_process_that_was_forked_extends_its_locks() -> None:
    parent = SPAWN.Process(target=holders.have_a_fork_hold, args=[_session().session_key])
    parent.start()
    parent.join(60)
    assert parent.exitcode == 0


def test_one_thread_extends_the_locks_of_all_threads() -> None:
    others = _extenders()  # which belong to other tests

    def hold(session: SessionStore) -> set[threading.Thread]:
        with session.lock(timeout=3) as mine:
            lease, first = mine._hold._lease, mine._hold._lease._until
            until(lambda: lease._until > first)
            return _extenders() - others

    with ThreadPoolExecutor(8) as threads:
        found = set().union(*threads.map(hold, [_session() for _ in range(8)]))
    assert found | {leases._keeper._thread} == {leases._keeper._thread}


def _extenders() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "redis_sessions locks"}


def test_a_lock_for_a_short_time_is_extended_beside_one_for_a_long_time(do: Do) -> None:
    def hold() -> None:
        lease, first = short._hold._lease, short._hold._lease._until
        until(lambda: lease._until > first)

    long, short = _session(), _session()
    with long.lock(timeout=600), ThreadPoolExecutor(1) as threads:
        assert threads.submit(Locked(short, timeout=3).run, hold).result() is None
