"""The pool of connections: what threads may do to one another, and what they may not."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import hiredis
import pytest
import redis.connection
from redis import exceptions as errors

from redis_sessions import connections, executors, pools
from redis_sessions.commands import records
from redis_sessions.commands.server import ttl
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.faults import Unanswered
from redis_sessions.lanes import Lanes
from redis_sessions.pools import SyncPool, SyncWire
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.faults.proxy import FaultyProxy
from tests.servers import Server

UNKNOWN = "0123456789" * 4  # a session key that is well-formed


class Watched(redis.connection.Connection):
    """Tells when it is about to be closed."""

    on_close: Callable[[Any], None]

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.on_close(self)
        super().disconnect(*args, **kwargs)


def test_a_thread_that_closes_free_connections_leaves_alone_what_another_takes_meanwhile(
    server: Server,
) -> None:
    pool = SyncPool(connection_class=Watched, max_connections=2, timeout=1, port=server.port)
    both = [pool.take(), pool.take()]
    closed, taken = [], []

    def another_thread_takes_one(connection: Watched) -> None:
        closed.append(connection)
        if not taken:
            taken.append(pool.take())

    for wire in both:
        wire.connect()
        wire._connection.on_close = another_thread_takes_one
        pool.release(wire)
    pool.disconnect()
    assert taken[0]._connection.is_connected
    assert closed == [wire._connection for wire in both if wire is not taken[0]]
    assert pool.take()._connection is closed[0]
    for wire in both:
        wire.disconnect()


def full(server: Server, timeout: float | None) -> tuple[SyncPool, SyncWire]:
    """Return a pool and the only connection it may have."""
    pool = SyncPool(max_connections=1, timeout=timeout, port=server.port)
    return pool, pool.take()


def test_who_waits_for_a_connection_as_long_as_it_takes_gets_one(server: Server) -> None:
    pool, taken = full(server, timeout=None)
    releasing = threading.Timer(0.1, pool.release, [taken])
    releasing.start()
    assert pool.take() is taken
    releasing.join()


@pytest.mark.parametrize("timeout", [None, 60])
def test_nobody_waits_for_a_connection_longer_than_a_call_may_take(
    server: Server, timeout: float | None
) -> None:
    pool, _ = full(server, timeout)
    started = time.monotonic()
    with pytest.raises(errors.MaxConnectionsError):
        pool.take(started + 0.05)
    assert time.monotonic() - started < 30


async def test_no_task_waits_for_a_lane_longer_than_a_call_may_take(server: Server) -> None:
    for timeout in (None, 60):
        lanes = Lanes(max_connections=1, timeout=timeout, port=server.port)
        async with lanes.lane(), asyncio.timeout(30):
            with pytest.raises(errors.MaxConnectionsError):
                await lanes.lane(time.monotonic() + 0.05).__aenter__()


def test_a_pool_without_a_bound_serves_calls(do: Do, server: Server, settings: Any) -> None:
    settings.CACHES = caches(server.url, CONNECTION_POOL_KWARGS={"timeout": None})
    do(SessionStore().save)
    assert connections.patience("sessions").call == math.inf


def test_a_pool_that_waits_for_nothing_has_a_bound(server: Server, settings: Any) -> None:
    settings.CACHES = caches(server.url, CONNECTION_POOL_KWARGS={"timeout": 0})
    assert connections.patience("sessions").call == 2


async def test_a_lane_that_is_free_is_had_without_waiting(server: Server) -> None:
    lanes = Lanes(max_connections=1, timeout=0, port=server.port)
    for _ in range(2):
        async with lanes.lane():
            pass


@pytest.fixture
def late(server: Server, settings: Any) -> executors._Call:
    """A call that ends in a moment, whereas its pool would wait a minute for a connection."""
    settings.CACHES = caches(
        server.url, CONNECTION_POOL_KWARGS={"max_connections": 1, "timeout": 60}
    )
    return executors._Call("sessions", time.monotonic() - 61.95)


def test_what_is_tried_again_waits_for_a_connection_within_the_bound(late: executors._Call) -> None:
    pool = connections.pool("sessions")
    taken = pool.take()
    with pytest.raises(errors.MaxConnectionsError):
        late.send(pool, [ttl("key")])
    pool.release(taken)
    assert time.monotonic() - late.started < 91


async def test_what_is_tried_again_waits_for_a_lane_within_the_bound(late: executors._Call) -> None:
    writes = [records.create("key", b"digest", 0, 0, None, {})]
    async with (await connections.lanes("sessions")).lane(), asyncio.timeout(30):
        shared = await connections.shared("sessions")
        with pytest.raises(errors.MaxConnectionsError):
            await executors._ado("sessions", shared, writes, 1, late.started, late)


def test_connections_that_cannot_be_made_take_up_no_place(do: Do, settings: Any) -> None:
    options = {"max_connections": 1, "timeout": 0.05, "ssl_cert_reqs": "nonsense"}
    settings.CACHES = caches("rediss://127.0.0.1:1/0", CONNECTION_POOL_KWARGS=options)
    for _ in range(3):
        with pytest.raises(SessionStoreUnavailable, match="SSL Certificate Requirements"):
            do(SessionStore().save)


Make = Callable[..., SyncWire]


@pytest.fixture
def make(server: Server) -> Iterator[Make]:
    """Make connections that are closed at the end."""
    made: list[SyncWire] = []

    def new(**options: Any) -> SyncWire:
        given = {"port": server.port, "socket_timeout": 5, "protocol": 2}
        made.append(SyncPool(max_connections=1, timeout=1, **given | options).take())
        return made[-1]

    yield new
    for wire in made:
        wire.disconnect()


def ask(wire: SyncWire, *commands: tuple[Any, ...]) -> list[Any]:
    return wire.exchange(b"".join(map(hiredis.pack_command, commands)), len(commands))


class Slow:
    """A socket by a clock of its own: sending takes time, and each piece of a reply does."""

    def __init__(self, sending: float, receiving: float) -> None:
        self.time = 0.0
        self._sending = sending
        self._receiving = receiving
        self._timeout = 1.0
        self._pieces = [b"$6\r\n", b"ab", b"cd", b"ef\r\n"]

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds

    def sendall(self, _: bytes) -> None:
        self.time += self._sending

    def recv_into(self, inbox: bytearray) -> int:
        if self._receiving > self._timeout:
            raise TimeoutError
        self.time += self._receiving
        piece = self._pieces.pop(0)
        inbox[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def slow(make: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SyncWire]:
    """Make a connection that has a second for its reply, by the clock of its socket."""

    def slow(**seconds: float) -> SyncWire:
        wire = make(socket_timeout=1)
        wire.connect()
        wire._socket = socket = Slow(**seconds)
        monkeypatch.setattr(pools, "monotonic", lambda: socket.time)
        return wire

    return slow


def test_a_thread_that_gets_no_turn_takes_no_reply_for_late(slow: Callable[..., SyncWire]) -> None:
    assert ask(slow(sending=60, receiving=0), ("PING",)) == [b"abcdef"]


def test_a_reply_that_keeps_coming_has_twice_the_timeout(slow: Callable[..., SyncWire]) -> None:
    assert ask(slow(sending=0, receiving=0.45), ("PING",)) == [b"abcdef"]
    with pytest.raises(errors.TimeoutError):
        ask(slow(sending=0, receiving=0.55), ("PING",))


@pytest.mark.parametrize(("interval", "replaced"), [(0.02, True), (3600, False), (0, False)])
def test_a_connection_that_was_idle_for_longer_than_the_interval_is_replaced(
    make: Make, interval: float, *, replaced: bool
) -> None:
    wire = make(health_check_interval=interval)
    before = ask(wire, ("CLIENT", "ID"))
    time.sleep(0.03)
    assert (ask(wire, ("CLIENT", "ID")) != before) == replaced


def test_what_the_server_pushes_is_no_reply(make: Make, server: Server) -> None:
    wire = make(protocol=3)
    ask(wire, ("CLIENT", "TRACKING", "ON", "BCAST"))
    for text in (b"a", b"b", b"c"):
        with server.client() as client:
            client.set("pushed", text)
        assert ask(wire, ("ECHO", text)) == [text]


def test_what_the_server_pushes_behind_a_reply_breaks_nothing(make: Make) -> None:
    wire = make(protocol=3)
    ask(wire, ("CLIENT", "TRACKING", "ON", "BCAST"))
    assert ask(wire, ("SET", "pushed", "a")) == [b"OK"]
    assert ask(wire, ("ECHO", "b")) == [b"b"]


def test_a_reply_that_nobody_asked_for_is_an_error(make: Make) -> None:
    wire = make()
    two = b"".join(hiredis.pack_command(("ECHO", text)) for text in ("a", "b"))
    with pytest.raises(errors.ConnectionError, match="nobody asked for"):
        wire.exchange(two, 1)


@pytest.mark.parametrize("fault", ["black hole", "latency 2 s"])
def test_an_exchange_ends_when_nobody_waits_for_it_any_more(server: Server, fault: str) -> None:
    with FaultyProxy(server.port) as proxy:
        pool = SyncPool(host="127.0.0.1", port=proxy.port, socket_timeout=60, protocol=2)
        wire = pool.take()
        assert ask(wire, ("PING",)) == [b"PONG"]
        proxy.set(fault)
        for connects in (False, True):
            wire.until = time.monotonic() + 0.2
            with pytest.raises(errors.TimeoutError) as caught:
                ask(wire, ("PING",))
            assert isinstance(caught.value, Unanswered) != connects
            wire.disconnect()
        proxy.clear()
        wire.until = time.monotonic() + 50
        assert ask(wire, ("PING",)) == [b"PONG"]
        assert wire._socket.gettimeout() == 60
        wire.disconnect()


def test_a_connection_that_greets_a_byte_at_a_time_is_given_up(server: Server) -> None:
    with FaultyProxy(server.port) as proxy:
        pool = SyncPool(host="127.0.0.1", port=proxy.port, socket_timeout=60, protocol=2)
        wire = pool.take()
        proxy.set("drip")
        with pytest.raises(errors.TimeoutError):
            wire.connect(time.monotonic() + 0.2)
        wire.disconnect()
