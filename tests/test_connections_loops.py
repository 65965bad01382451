"""Connections of event loops: each loop has its own, and takes them with it when it ends."""

import asyncio
import gc
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hiredis
import pytest
import redis
from asgiref.sync import async_to_sync

from redis_sessions import connections
from redis_sessions.session import SessionStore


def _clients(client: redis.Redis) -> set[str]:
    gc.collect()
    return {found["id"] for found in client.client_list()}


def _held() -> tuple[list[Any], list[Any]]:
    return list(connections._pools.loops), list(connections._pools.guards)


@pytest.fixture
def leaves_nothing(redis_client: redis.Redis) -> Iterator[None]:
    """Fail where the test leaves a connection, a warning or an entry in connections._pools."""
    SessionStore().save()  # the connection of sync code stays
    clients, held, unraisable = _clients(redis_client), _held(), []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
        gc.collect()
    sys.unraisablehook = hook
    assert [str(warning.message) for warning in warned] == []
    assert unraisable == []
    assert _held() == held
    deadline = time.monotonic() + 5  # the server sees a closed socket a moment later
    while _clients(redis_client) != clients and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _clients(redis_client) == clients


async def _use(number: int) -> int:
    session = SessionStore()
    await session.aset("number", number)
    await session.asave()
    return await SessionStore(session.session_key).aget("number")


async def _use_at_once(number: int) -> list[int]:
    return await asyncio.gather(*[_use(number) for _ in range(5)])


@pytest.mark.usefixtures("leaves_nothing")
def test_a_thousand_calls_by_async_to_sync_leave_nothing() -> None:
    assert [async_to_sync(_use)(number) for number in range(1000)] == list(range(1000))


@pytest.mark.usefixtures("leaves_nothing")
def test_fifty_loops_one_after_the_other_leave_nothing() -> None:
    for number in range(50):
        assert asyncio.run(_use_at_once(number)) == [number] * 5


@pytest.mark.usefixtures("leaves_nothing")
def test_loops_that_are_closed_by_hand_leave_nothing() -> None:
    for number in range(50):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(_use_at_once(number)) == [number] * 5
        assert loop.run_until_complete(_use(number)) == number  # the same connections again
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.usefixtures("leaves_nothing")
def test_uvloops_leave_nothing() -> None:
    uvloop = pytest.importorskip("uvloop", reason="needs uvloop: pip install uvloop")
    for number in range(20):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(_use_at_once(number)) == [number] * 5


@pytest.mark.usefixtures("leaves_nothing")
def test_loops_in_several_threads_at_once_leave_nothing() -> None:
    def use_a_loop(number: int) -> list[int]:
        return asyncio.run(_use_at_once(number))

    with ThreadPoolExecutor(6) as executor:
        assert list(executor.map(use_a_loop, range(30))) == [[number] * 5 for number in range(30)]


@pytest.mark.usefixtures("leaves_nothing")
def test_a_loop_that_ends_by_an_error_leaves_nothing() -> None:
    async def fail() -> None:
        await _use(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())


@pytest.mark.usefixtures("leaves_nothing")
def test_tasks_that_are_cancelled_at_the_end_of_a_loop_leave_nothing() -> None:
    async def abandon(ticks: int) -> list[asyncio.Task[int]]:
        tasks = [asyncio.ensure_future(_use(number)) for number in range(8)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        return tasks

    abandoned = [task for ticks in range(40) for task in asyncio.run(abandon(ticks))]
    assert all(task.cancelled() or task.result() in range(8) for task in abandoned)
    assert sum(task.cancelled() for task in abandoned) > 50


@pytest.mark.usefixtures("leaves_nothing")
def test_a_connection_that_was_replaced_while_somebody_waited_on_it_leaves_nothing() -> None:
    async def replace() -> None:
        await _use(1)
        shared = await connections.shared("sessions")
        blocked = hiredis.pack_command(("BLPOP", "nothing", "0"))
        abandoned = asyncio.ensure_future(shared.exchange(blocked, 1))
        await asyncio.sleep(0)
        shared.retire()
        await _use(2)
        assert not abandoned.done()

    asyncio.run(replace())


@pytest.mark.usefixtures("leaves_nothing")
def test_a_loop_is_usable_after_its_connections_were_closed() -> None:
    async def close_between() -> list[int]:
        first = await _use(1)
        await connections.aclose()
        return [first, await _use(2)]

    assert asyncio.run(close_between()) == [1, 2]


def test_a_loop_that_was_closed_bare_is_forgotten_when_the_next_one_begins(
    redis_client: redis.Redis,
) -> None:
    clients = _clients(redis_client)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_use(1))
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # by redis-py: nobody closed its socket
        asyncio.run(_use(2))
        gc.collect()
    assert loop not in connections._pools.loops
    assert loop not in connections._pools.guards
    assert _clients(redis_client) == clients


def test_sync_connections_open_again_after_they_were_closed() -> None:
    session = SessionStore()
    session["name"] = "Ada"
    session.save()
    connections.close()
    assert SessionStore(session.session_key)["name"] == "Ada"


def test_many_threads_never_mix_up_their_sessions() -> None:
    def use_sessions(number: int) -> bool:
        own = [SessionStore() for _ in range(10)]
        for position, session in enumerate(own):
            session["mine"] = [number, position]
            session.save()
        for round_number in range(10):
            for position, session in enumerate(own):
                fresh = SessionStore(session.session_key)
                assert fresh["mine"][:2] == [number, position]
                fresh["mine"] = [number, position, round_number]
                fresh.save()
        return True

    with ThreadPoolExecutor(12) as executor:
        assert list(executor.map(use_sessions, range(24))) == [True] * 24
