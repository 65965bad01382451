"""WAIT_REPLICAS: a write returns when replicas have it, or says that it may be lost."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from redis_sessions import breakers, connections, executors, users
from redis_sessions.exceptions import NotReplicated, SessionStoreUnavailable
from redis_sessions.faults import LATE
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.live.visitors import until
from tests.locked import Locked, lock_of
from tests.observers import again
from tests.people import log_in, person
from tests.proxy import proxied
from tests.sentinels import AT_ONCE, eventually
from tests.servers import Server


class Pair:
    """A master and its replica, which can be made to fall behind."""

    def __init__(self, name: str) -> None:
        self.master = Server(name, None, *AT_ONCE).start()
        follow = ("--replicaof", "127.0.0.1", str(self.master.port))
        self.replica = Server(name, None, *follow).start()
        eventually(self.is_whole)

    def is_whole(self) -> bool:
        with self.master.client() as client:
            client.set("known to both", 1)
            return client.wait(1, 1000) == 1

    def fall_behind(self) -> None:
        self.replica.send_signal(signal.SIGSTOP)

    def catch_up(self) -> None:
        self.replica.send_signal(signal.SIGCONT)
        eventually(self.is_whole)

    def stop(self) -> None:
        self.replica.stop()
        self.master.stop()


@pytest.fixture(scope="module")
def _pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(request.config.getoption("server"))
    yield pair
    connections.close()
    pair.stop()


@pytest.fixture
def pair(_pair: Pair, settings: Any) -> Iterator[Pair]:
    """A master and a replica, where the sessions are; the replica is to confirm writes."""
    settings.CACHES = caches(_pair.master.url)
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": 1}
    yield _pair
    _pair.catch_up()


@pytest.fixture
def patient(pair: Pair, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """The same, where a write is given so long that much can happen meanwhile."""
    settings.CACHES = caches(pair.master.url, SOCKET_TIMEOUT=20, SOCKET_CONNECT_TIMEOUT=20)
    monkeypatch.setattr(executors, "_CONFIRMED_WITHIN", 10)
    return pair


WRITES: dict[str, Callable[[Do, SessionStore], object]] = {
    "create": lambda do, session: do(SessionStore().create),
    "save": lambda do, session: do(session.save),
    "save under a lock": lambda do, session: do(Locked(session).run),
    "save at the end of a lock": lambda do, session: do(
        Locked(session).run, lambda: session.update({"name": "Eve"})
    ),
    "rotate": lambda do, session: do(session.cycle_key),
    "end": lambda do, session: do(session.delete),
}


def on_replica(pair: Pair, session: SessionStore, field: str) -> bytes | None:
    with pair.replica.client() as client:
        return client.hget(record_of(session), field)


def test_what_was_saved_is_on_the_replica(do: Do, pair: Pair) -> None:
    for number in range(50):
        session = SessionStore()
        do(session.update, {"n": number})
        do(session.save)
        assert on_replica(pair, session, "n") is not None


def test_what_was_ended_is_gone_on_the_replica(do: Do, pair: Pair) -> None:
    for _ in range(20):
        session = log_in(do)
        assert on_replica(pair, session, "\0k") is not None
        assert users.end_session(person(), session.id)
        assert on_replica(pair, session, "\0k") is None


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_no_replica_confirms_is_an_error_in_time(
    do: Do, stored: Any, pair: Pair, name: str
) -> None:
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Grace"})
    pair.fall_behind()
    started = time.monotonic()
    with pytest.raises(NotReplicated, match="0 of 1 replicas confirmed it within 500 ms"):
        WRITES[name](do, session)
    assert time.monotonic() - started < 3


def test_a_lock_is_given_back_where_no_replica_confirms_what_it_saved(
    do: Do, stored: Any, pair: Pair
) -> None:
    session = again(stored(name="Ada"))
    pair.fall_behind()
    with pytest.raises(NotReplicated):
        do(Locked(session).run, lambda: session.update({"name": "Grace"}))
    with pair.master.client() as client:
        assert not client.exists(lock_of(session))


def test_that_no_replica_confirms_is_logged_once_a_minute(
    do: Do, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.fall_behind()
    breakers.forget()
    for _ in range(2):
        with pytest.raises(NotReplicated):
            do(SessionStore().create)
    [told] = caplog.messages
    assert "CACHES['sessions']" in told
    assert "0 of 1 replicas" in told
    assert "WAIT_REPLICAS" in told


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_reply_was_lost_is_confirmed_as_well(
    do: Do, stored: Any, pair: Pair, settings: Any, name: str
) -> None:
    """It was done the first time, and the second connection has nothing left to write."""
    with proxied(pair.master, settings) as proxy:
        session = again(stored(name="Ada"))
        do(session.update, {"name": "Grace"})
        pair.fall_behind()
        proxy.lose_replies = 1
        with pytest.raises(NotReplicated):
            WRITES[name](do, session)
        assert proxy.lose_replies == 0
        pair.catch_up()
        assert do(SessionStore().create) is None
        with pair.master.client() as client:
            assert not list(client.scan_iter("*:again"))


def test_a_server_that_writes_what_no_replica_confirms_is_not_left_alone(
    do: Do, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(breakers.LIMIT):
        breakers.failed("sessions", time.monotonic(), LATE, "It is late.")
    monkeypatch.setattr(breakers.Breaker, "is_due", True)
    pair.fall_behind()
    with pytest.raises(NotReplicated):
        do(SessionStore().create)
    assert breakers.troubled == {}


def test_an_end_by_others_is_confirmed_too(do: Do, pair: Pair) -> None:
    session = log_in(do)
    pair.fall_behind()
    with pytest.raises(NotReplicated):
        users.end_session(person(), session.id)


def test_what_was_not_confirmed_may_be_saved_again(do: Do, stored: Any, pair: Pair) -> None:
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Grace"})
    pair.fall_behind()
    with pytest.raises(SessionStoreUnavailable):
        do(session.save)
    assert do(again(session).get, "name") == "Grace"  # the master has it
    pair.catch_up()
    do(session.save)
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert do(again(session).get, "name") == "Eve"


def test_a_script_that_the_server_has_forgotten_is_confirmed_too(do: Do, pair: Pair) -> None:
    with pair.master.client() as client:
        client.script_flush()
    pair.fall_behind()
    with pytest.raises(NotReplicated):
        do(SessionStore().create)


def test_the_wait_ends_before_the_timeout_of_the_socket(do: Do, pair: Pair, settings: Any) -> None:
    settings.CACHES = caches(pair.master.url, SOCKET_TIMEOUT=0.25)
    pair.fall_behind()
    with pytest.raises(NotReplicated, match="within 125 ms"):
        do(SessionStore().create)


def test_reading_does_not_wait(do: Do, stored: Any, patient: Pair) -> None:
    session = stored(name="Ada")
    patient.fall_behind()
    assert do(again(session).get, "name") == "Ada"


def test_a_confirmed_save_takes_one_round_trip(
    do: Do, stored: Any, pair: Pair, settings: Any
) -> None:
    with proxied(pair.master, settings) as proxy:
        session = stored(name="Ada")
        do(session.update, {"name": "Grace"})
        do(session.save)
        before = proxy.trips
        do(session.update, {"name": "Eve"})
        do(session.save)
        assert proxy.trips == before + 1


def test_a_page_that_cannot_be_confirmed_is_a_503(pair: Pair, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.live.pages"
    client = Client()
    pair.fall_behind()
    response = client.post("/change-in-a-thread/", {"name": "Ada"}, "application/json")
    assert (response.status_code, response.cookies) == (503, {})


@pytest.fixture
async def slow(patient: Pair) -> Any:
    """A save that waits for the replica, and the session."""
    session = SessionStore()
    await session.aset("name", "Ada")
    await session.asave()
    await session.aset("name", "Grace")
    patient.fall_behind()
    task = asyncio.create_task(session.asave())
    while await again(session).aget("name") != "Grace":  # noqa: ASYNC110 - the server has it then
        await asyncio.sleep(0.01)
    yield task, session
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, SessionStoreUnavailable):
        await task
    await connections.aclose()


async def test_a_task_that_waits_holds_up_nobody_who_reads(slow: Any) -> None:
    task, session = slow
    assert await again(session).aget("name") == "Grace"
    assert not task.done()


async def test_tasks_wait_side_by_side(slow: Any, patient: Pair) -> None:
    first, _ = slow
    second = asyncio.create_task(SessionStore().acreate())
    await until(lambda: waiting(patient.master) == 2)
    assert not first.done()
    patient.catch_up()
    await first
    await second


def waiting(server: Server) -> int:
    """Return how many clients the server holds up."""
    with server.client() as client:
        return client.info("clients")["blocked_clients"]


async def test_nobody_waits_behind_who_was_cancelled(slow: Any, patient: Pair) -> None:
    task, session = slow
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    second = asyncio.create_task(session.asave())
    await until(lambda: waiting(patient.master) == 2)
    patient.catch_up()
    await second
    assert await again(session).aget("name") == "Grace"


async def test_no_more_than_max_connections_wait_at_once(patient: Pair, settings: Any) -> None:
    few = {"max_connections": 1, "timeout": 0.05}
    settings.CACHES = caches(patient.master.url, SOCKET_TIMEOUT=20, CONNECTION_POOL_KWARGS=few)
    patient.fall_behind()
    first = asyncio.create_task(SessionStore().acreate())
    await until(lambda: waiting(patient.master) == 1)
    for _ in range(breakers.LIMIT):
        with pytest.raises(SessionStoreUnavailable, match=r"No connection.*raise max_connections"):
            await SessionStore().acreate()
    assert breakers.troubled == {}
    patient.catch_up()
    await first
    await connections.aclose()
