"""The breaker: when a server is left alone, who asks whether it is back, what is logged."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import exceptions as errors

from redis_sessions import breakers, connections, executors, faults
from redis_sessions.breakers import Breaker
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.queries import Query
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.faults.proxy import FaultyProxy
from tests.faults.settings import hasty_caches, impatient
from tests.live.visitors import until
from tests.servers import Server, free_port

UNKNOWN = "a" * 40  # a session key that is well-formed


@pytest.fixture
def proxy(server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    impatient(monkeypatch)
    monkeypatch.setattr(breakers, "PAUSE", 3600)
    with FaultyProxy(server.port) as running:
        settings.CACHES = caches(running.url, SOCKET_TIMEOUT=20, SOCKET_CONNECT_TIMEOUT=20)
        yield running
        connections.close()


@pytest.fixture
def fails(do: Do) -> Callable[[], str]:
    """Return what a call fails of."""

    def fails() -> str:
        with pytest.raises(SessionStoreUnavailable) as caught:
            do(SessionStore(UNKNOWN).load)
        return str(caught.value)

    return fails


def is_open() -> bool:
    return "sessions" in breakers.troubled and breakers.troubled["sessions"].is_open


def test_two_calls_that_fail_one_after_the_other_open_it(
    proxy: FaultyProxy, fails: Callable[[], str]
) -> None:
    proxy.set("LOADING")
    assert "left alone" not in fails()
    assert not is_open()
    assert "left alone" not in fails()
    assert is_open()
    met = proxy.met
    for _ in range(10):
        message = fails()
        assert "CACHES['sessions']" in message
        assert "loading the dataset" in message
        assert "left alone" in message
    assert proxy.met == met


def test_a_call_that_is_served_between_two_that_fail_keeps_it_closed(
    do: Do, proxy: FaultyProxy, fails: Callable[[], str]
) -> None:
    for _ in range(3):
        proxy.set("LOADING")
        fails()
        proxy.clear()
        do(SessionStore(UNKNOWN).exists, UNKNOWN)
        assert breakers.troubled == {}


def test_of_calls_that_were_under_way_at_once_one_counts() -> None:
    breaker = Breaker(since=0.0)
    assert not any(breaker.count(started=0.1 * number, message="") for number in range(9))
    assert breaker.failures == 1
    assert breaker.count(started=breaker._counted, message="")
    assert breaker.is_open


def test_one_call_asks_and_the_others_fail_at_once(
    proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakers, "PAUSE", 0)
    monkeypatch.setattr(breakers, "LEASE", 3600)
    proxy.set("LOADING")
    for _ in range(2):
        with pytest.raises(SessionStoreUnavailable):
            SessionStore().exists(UNKNOWN)
    proxy.set("black hole")
    with ThreadPoolExecutor(1) as thread:
        asks = thread.submit(SessionStore().exists, UNKNOWN)
        while not proxy.met:
            assert not asks.done()
        for _ in range(20):
            with pytest.raises(SessionStoreUnavailable, match="left alone"):
                SessionStore().exists(UNKNOWN)
        assert not asks.done()
        proxy.clear()
        assert not asks.result()
    assert breakers.troubled == {}


async def test_who_asks_and_is_cancelled_leaves_that_to_another(
    proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakers, "PAUSE", 0)
    proxy.set("LOADING")
    for _ in range(2):
        with pytest.raises(SessionStoreUnavailable):
            await SessionStore().aexists(UNKNOWN)
    proxy.set("black hole")
    asks = asyncio.ensure_future(SessionStore().aexists(UNKNOWN))
    await until(lambda: proxy.met)
    asks.cancel()
    proxy.clear()
    breakers.troubled["sessions"]._ask_at -= breakers.LEASE
    assert not await SessionStore().aexists(UNKNOWN)
    await connections.aclose()


def test_threads_do_not_pile_up_behind_a_black_hole(proxy: FaultyProxy, settings: Any) -> None:
    settings.CACHES = hasty_caches(proxy.url)
    proxy.set("black hole")
    begins = threading.Barrier(10)

    def calls() -> int:
        begins.wait()
        failed = 0
        for _ in range(100):
            try:
                SessionStore().exists(UNKNOWN)
            except SessionStoreUnavailable:
                failed += 1
        return failed

    with ThreadPoolExecutor(10) as threads:
        assert sum(future.result() for future in [threads.submit(calls) for _ in range(10)]) == 1000
    assert proxy.met < 100  # of 1000 calls that would each have waited in it


def test_it_closes_when_the_server_answers(
    do: Do, proxy: FaultyProxy, fails: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.set("refused")
    fails(), fails()
    assert "left alone" in fails()
    proxy.clear()
    assert "left alone" in fails()  # it is not due yet
    breakers.troubled["sessions"]._ask_at -= 3600
    assert not do(SessionStore().exists, UNKNOWN)
    assert breakers.troubled == {}


def test_who_asks_in_vain_keeps_it_open(proxy: FaultyProxy, fails: Callable[[], str]) -> None:
    proxy.set("refused")
    fails(), fails()
    breakers.troubled["sessions"]._ask_at -= 3600
    assert "left alone" not in fails()
    assert "left alone" in fails()


def test_a_refusal_is_an_answer(do: Do, proxy: FaultyProxy, fails: Callable[[], str]) -> None:
    proxy.set("refused")
    fails(), fails()
    breakers.troubled["sessions"]._ask_at -= 3600
    proxy.set("OOM")
    with pytest.raises(SessionStoreUnavailable, match="maxmemory"):
        do(SessionStore().save)
    assert breakers.troubled == {}


@pytest.mark.parametrize("fault", ["OOM", "READONLY"])
def test_a_server_that_refuses_writes_is_asked_for_reads(
    do: Do, proxy: FaultyProxy, fault: str
) -> None:
    proxy.set(fault)
    for _ in range(5):
        with pytest.raises(SessionStoreUnavailable, match=r"maxmemory|replica"):
            do(SessionStore().save)
        assert not do(SessionStore().exists, UNKNOWN)


@pytest.mark.parametrize("fault", ["NOAUTH", "NOPERM", "MOVED"])
def test_a_refusal_is_not_tried_again(
    proxy: FaultyProxy, fails: Callable[[], str], fault: str
) -> None:
    proxy.set(fault)
    for number in range(1, 4):
        assert "left alone" not in fails()
        assert proxy.met <= 2 * number  # one that connects anew asks twice


def test_a_full_pool_is_not_the_servers_failure(proxy: FaultyProxy, settings: Any) -> None:
    settings.CACHES = caches(proxy.url, CONNECTION_POOL_KWARGS={"max_connections": 1, "timeout": 0})
    pool = connections.pool("sessions")
    taken = pool.take()
    for _ in range(5):
        with pytest.raises(SessionStoreUnavailable, match="raise max_connections"):
            SessionStore().exists(UNKNOWN)
    assert breakers.troubled == {}
    pool.release(taken)
    assert not SessionStore().exists(UNKNOWN)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_an_outage_is_logged_once_and_its_end(
    do: Do, proxy: FaultyProxy, fails: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    proxy.set("LOADING")
    for _ in range(20):
        fails()
    proxy.clear()
    breakers.troubled["sessions"]._ask_at -= 3600
    do(SessionStore().exists, UNKNOWN)
    (first, failed), (second, opened), (third, closed) = logged(caplog)
    assert (first, second, third) == (logging.ERROR, logging.ERROR, logging.WARNING)
    assert "LOADING" in failed or "loading the dataset" in failed
    assert "is left alone" in opened
    assert "answers again" in closed
    assert "18 calls failed at once" in closed


def test_a_refusal_is_logged_once_a_minute(
    proxy: FaultyProxy,
    fails: Callable[[], str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.set("NOPERM")
    for _ in range(10):
        fails()
    assert len(logged(caplog)) == 1
    assert "ACL SETUSER" in caplog.text
    monkeypatch.setattr(breakers, "TOLD", 0)
    fails()
    assert len(logged(caplog)) == 2


def test_other_settings_begin_anew(
    do: Do, proxy: FaultyProxy, fails: Callable[[], str], server: Server, settings: Any
) -> None:
    proxy.set("refused")
    fails(), fails()
    assert is_open()
    settings.CACHES = caches(server.url)
    assert not do(SessionStore().exists, UNKNOWN)


def test_an_error_is_told_with_the_word_that_redis_py_cuts_off(
    proxy: FaultyProxy, fails: Callable[[], str]
) -> None:
    proxy.set("MOVED")
    assert "failed: MOVED 1234 127.0.0.1:7001. " in fails()


@pytest.fixture(params=["silent", "refused"])
def no_node(request: pytest.FixtureRequest, settings: Any, monkeypatch: Any) -> Iterator[None]:
    """A cluster of which no node answers."""
    monkeypatch.setattr(breakers, "PAUSE", 3600)
    with contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        if request.param == "silent":
            nodes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ports]
            ports = [node.getsockname()[1] for node in nodes]
        urls = [f"redis://127.0.0.1:{port}" for port in ports]
        settings.CACHES = caches(urls, CLUSTER=True, SOCKET_TIMEOUT=0.2)
        yield
        connections.close()


@pytest.mark.usefixtures("no_node")
def test_a_cluster_of_which_no_node_answers_is_left_alone(
    fails: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    assert "tells its slots" in fails()
    assert not is_open()
    fails()
    assert is_open()
    assert "left alone for a moment" in fails()
    assert [level for level, _ in logged(caplog)] == [logging.ERROR, logging.ERROR]


def test_a_cluster_of_which_a_node_answers_is_not_left_alone() -> None:
    for _ in range(2):
        breakers.failed("sessions", time.monotonic(), faults.LATE, "It is late.")
    assert is_open()
    call = executors._Call("sessions", 0.0)
    call.query = Query([])
    call.query.is_mapped = True
    call.query.failed["sessions, 127.0.0.1:1"] = lost = errors.ConnectionError("lost")
    try:
        call.failures = 1
        with pytest.raises(SessionStoreUnavailable):
            call.pause_after(lost)
        assert breakers.troubled.keys() == {"sessions, 127.0.0.1:1"}
    finally:
        breakers.forget()


def test_of_a_cluster_the_node_is_named_that_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = breakers.name_of("sessions", "127.0.0.1:1")
    try:
        for _ in range(2):
            breakers.failed(name, time.monotonic(), faults.LATE, "It is late.")
        breakers.answered(name)
    finally:
        breakers.forget()
    _, (_, opened), (_, closed) = logged(caplog)
    assert opened.startswith("The node 127.0.0.1:1 of CACHES['sessions'] is left alone")
    assert closed.startswith("The node 127.0.0.1:1 of CACHES['sessions'] answers again")
