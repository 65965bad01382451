"""Faults of real servers: killed and started again, full, busy, connections closed by them."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from redis_sessions import breakers, connections, faults
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.faults.proxy import FaultyProxy
from tests.faults.settings import impatient
from tests.live.two import until
from tests.observers import again
from tests.servers import Server

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
FOR_EVER = "while true do end"


@pytest.fixture
def own(server: Server, request: pytest.FixtureRequest, settings: Any) -> Iterator[Server]:
    """A server of the test's own, which keeps what it has acknowledged."""
    running = Server(server.name, None, *DURABLE).start()
    settings.CACHES = caches(running.url, SOCKET_TIMEOUT=20, SOCKET_CONNECT_TIMEOUT=20)
    yield running
    connections.close()
    running.stop()


def test_a_server_that_was_killed_and_started_again_has_what_it_acknowledged(
    do: Do, own: Server, stored: Any
) -> None:
    session = stored(name="Ada")
    for name in ("Grace", "Alan"):
        own.kill()
        own.start()
        do(session.update, {"name": name})
        do(session.save)
        own.kill()
        own.start()
        assert do(again(session).get, "name") == name


def test_a_call_outlasts_a_restart(
    do: Do, own: Server, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults.LOST, "seconds", 20)
    monkeypatch.setattr(faults.LOADING, "seconds", 20)
    session = stored(name="Ada")
    own.kill()
    with ThreadPoolExecutor(1) as thread:
        timer = threading.Timer(0.05, own.start)
        timer.start()
        loaded = thread.submit(do, again(session).get, "name")
        assert loaded.result() == "Ada"
        timer.join()


def test_a_session_is_kept_while_its_server_is_down(
    do: Do, own: Server, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    session = stored(name="Ada")
    own.kill()
    for _ in range(5):
        fresh = again(session)
        with pytest.raises(SessionStoreUnavailable):
            do(fresh.get, "name")
        assert fresh.session_key == session.session_key
    own.start()
    until(lambda: not breakers.would_refuse("sessions"))
    assert do(again(session).get, "name") == "Ada"


def hold_connections(number: int) -> None:
    """Have the pool open so many connections, and leave them idle."""
    pool = connections.pool("sessions")
    taken = [pool.take() for _ in range(number)]
    for wire in taken:
        wire.exchange(b"PING\r\n", 1)
    for wire in taken:
        pool.release(wire)


def at_once(session: SessionStore, number: int) -> set[str]:
    with ThreadPoolExecutor(number) as threads:
        reads = [threads.submit(again(session).get, "name") for _ in range(number)]
        return {read.result() for read in reads}


def test_idle_connections_that_were_killed_are_not_noticed(
    do: Do, own: Server, stored: Any
) -> None:
    session = stored(name="Ada")
    for _ in range(5):
        hold_connections(10)
        with own.client() as client:
            assert client.client_kill_filter(_type="normal", skipme=True) >= 10
        assert at_once(session, 10) == {"Ada"}
        assert do(again(session).get, "name") == "Ada"
    assert breakers.troubled == {}


def test_idle_connections_that_the_server_has_closed_are_not_noticed(
    do: Do, own: Server, stored: Any
) -> None:
    session = stored(name="Ada")
    hold_connections(5)
    with own.client() as client:
        client.config_set("timeout", 1)
        until(lambda: len(client.client_list()) == 1)
        client.config_set("timeout", 0)
    assert at_once(session, 5) == {"Ada"}
    assert do(again(session).get, "name") == "Ada"
    assert breakers.troubled == {}


def test_connections_that_are_reset_all_at_once_are_not_noticed(
    do: Do, proxy: FaultyProxy, stored: Any
) -> None:
    session = stored(name="Ada")
    hold_connections(10)
    proxy.kill_idle()
    assert at_once(session, 10) == {"Ada"}
    assert do(again(session).get, "name") == "Ada"


@contextlib.contextmanager
def all_taken(own: Server) -> Iterator[None]:
    """Have somebody else hold all the connections that the server allows."""
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(own.client())
        holder.config_set("maxclients", 5)
        pool = redis.ConnectionPool(port=own.port)
        stack.callback(pool.disconnect)
        with contextlib.suppress(redis.ConnectionError):
            for _ in range(20):
                pool.get_connection().connect()
        yield
        holder.config_set("maxclients", 1000)


def test_a_server_that_takes_no_more_clients_is_told(
    do: Do, own: Server, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    session = stored(name="Ada")
    with all_taken(own):
        assert do(again(session).get, "name") == "Ada"  # who has a connection keeps it
    connections.close()
    breakers.forget()
    with all_taken(own), pytest.raises(SessionStoreUnavailable):
        SessionStore(session.session_key).load()
    breakers.forget()
    assert do(again(session).get, "name") == "Ada"


def is_busy(client: redis.Redis) -> bool:
    try:
        return not client.ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)


def test_a_server_that_a_script_keeps_busy_is_told_and_served_again(
    do: Do, own: Server, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    session = stored(name="Ada")
    with own.client() as client, own.client() as other, ThreadPoolExecutor(1) as thread:
        client.config_set("busy-reply-threshold", 50)
        looping = thread.submit(other.eval, FOR_EVER, 0)
        until(lambda: is_busy(client))
        with pytest.raises(SessionStoreUnavailable, match="SCRIPT KILL"):
            do(again(session).load)
        client.script_kill()
        with pytest.raises(redis.ResponseError):
            looping.result()
    breakers.forget()
    assert do(again(session).get, "name") == "Ada"


def test_a_connection_that_fell_silent_is_not_noticed(
    do: Do, proxy: FaultyProxy, settings: Any, stored: Any
) -> None:
    settings.CACHES = caches(proxy.url)
    session = stored(name="Ada")
    proxy.set("black hole", times=1)  # that connection never answers again, others do
    assert do(again(session).get, "name") == "Ada"
    assert proxy.met == 1
    assert breakers.troubled == {}
