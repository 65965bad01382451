"""Sending to the nodes of a cluster: in turn or at once, and within the time of a call."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from redis_sessions import breakers
from redis_sessions.clusters import AsyncCluster, SyncCluster
from redis_sessions.faults import LATE, LeftAlone, Unasked
from redis_sessions.queries import Query
from tests.test_routing import ASKED, READS, REPLY

PORTS = [7000, 7001, 7002]


def port_of(node: Any) -> int:
    return int(node.connection_kwargs["port"])


def test_sync_code_begins_with_no_other_node_when_the_time_is_over() -> None:
    asked: list[int] = []

    def slow(pool: Any, commands: Any) -> list[Any]:
        if commands[0].words[0] == "CLUSTER":
            return [REPLY]
        asked.append(port_of(pool))
        time.sleep(0.06)
        return [port_of(pool) for _ in commands]

    cluster, query = SyncCluster("sessions", [ASKED]), Query(READS, time.monotonic() + 0.05)
    with pytest.raises(Unasked):
        cluster.send(query, slow)
    assert asked == [7000]
    assert query.failed == {}


async def test_async_code_asks_all_nodes_at_once() -> None:
    waiting: set[int] = set()
    all_wait = asyncio.Event()

    async def meet(node: Any, commands: Any) -> list[Any]:
        if commands[0].words[0] == "CLUSTER":
            return [REPLY]
        waiting.add(port_of(node))
        if len(waiting) == len(PORTS):
            all_wait.set()
        await asyncio.wait_for(all_wait.wait(), 10)
        return [port_of(node) for _ in commands]

    assert await AsyncCluster("sessions", [ASKED]).send(Query(READS), meet) == PORTS


def test_each_node_has_one_pool() -> None:
    pools: dict[int, set[int]] = {port: set() for port in PORTS}

    def note(pool: Any, commands: Any) -> list[Any]:
        pools[port_of(pool)].add(id(pool))
        return [REPLY] if commands[0].words[0] == "CLUSTER" else [None for _ in commands]

    cluster = SyncCluster("sessions", [ASKED])
    for _ in range(3):
        cluster.send(Query(READS), note)
    assert {port: len(found) for port, found in pools.items()} == dict.fromkeys(PORTS, 1)


@pytest.fixture
def left_alone() -> Iterator[None]:
    """The second node has failed twice."""
    breakers.forget()
    for _ in range(breakers.LIMIT):
        breakers.failed("sessions, 127.0.0.1:7001", time.monotonic(), LATE, "It is late.")
    yield
    breakers.forget()


@pytest.mark.usefixtures("left_alone")
def test_a_node_that_fails_is_left_alone_and_the_others_are_asked() -> None:
    asked: list[int] = []

    def answer(pool: Any, commands: Any) -> list[Any]:
        if commands[0].words[0] == "CLUSTER":
            return [REPLY]
        asked.append(port_of(pool))
        return [port_of(pool) for _ in commands]

    cluster, query = SyncCluster("sessions", [ASKED]), Query(READS)
    with pytest.raises(LeftAlone):
        cluster.send(query, answer)
    assert asked == [7000, 7002]
    assert query.failed == {}
    assert cluster.send(Query(READS[:1]), answer) == [7000]


@pytest.mark.usefixtures("left_alone")
def test_a_node_that_answers_again_is_not_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers.Breaker, "is_due", True)

    def answer(pool: Any, commands: Any) -> list[Any]:
        return [REPLY] if commands[0].words[0] == "CLUSTER" else [None for _ in commands]

    SyncCluster("sessions", [ASKED]).send(Query(READS), answer)
    assert breakers.troubled == {}


SHRUNK = [[0, 16383, [b"127.0.0.1", 7000, b"id"]]]


@pytest.mark.usefixtures("left_alone")
def test_a_node_that_has_left_is_closed_and_forgotten() -> None:
    told, closed = [REPLY], []

    def answer(pool: Any, commands: Any) -> list[Any]:
        if commands[0].words[0] == "CLUSTER":
            return told
        pool.disconnect = lambda: closed.append(port_of(pool))
        return [port_of(pool) for _ in commands]

    cluster = SyncCluster("sessions", [ASKED])
    for read in (READS[0], READS[2]):
        cluster.send(Query([read]), answer)
    told[0] = SHRUNK
    cluster._router.doubt()
    cluster._router._learnt = 0.0
    for _ in range(2):
        assert cluster.send(Query(READS), answer) == [7000] * 3
    assert closed == [7002]
    assert [*cluster._pools] == [ASKED]
    assert breakers.troubled == {}


@pytest.mark.usefixtures("left_alone")
async def test_the_shared_connection_to_a_node_that_has_left_is_closed_and_forgotten() -> None:
    told, closed = [REPLY], []

    async def answer(node: Any, commands: Any) -> list[Any]:
        if commands[0].words[0] == "CLUSTER":
            return told
        node.retire = lambda: closed.append(port_of(node))
        return [port_of(node) for _ in commands]

    cluster = AsyncCluster("sessions", [ASKED])
    for read in (READS[0], READS[2]):
        await cluster.send(Query([read]), answer)
    told[0] = SHRUNK
    cluster._router.doubt()
    cluster._router._learnt = 0.0
    for _ in range(2):
        assert await cluster.send(Query(READS), answer) == [7000] * 3
    assert closed == [7002]
    assert [*cluster._nodes] == [ASKED]
    assert breakers.troubled == {}
