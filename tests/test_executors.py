"""Commands on the way: scripts, retries, cancellation and errors, through both halves."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from redis_sessions import connections, executors
from redis_sessions.commands import index
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.proxy import Proxy, proxied
from tests.servers import Server

Stored = Callable[..., SessionStore]


@pytest.fixture
def own_server(server: Server, settings: Any) -> Iterator[Server]:
    """A server that a test may kill and spoil, at CACHES["sessions"]."""
    own = Server(server.name).start()
    settings.CACHES = caches(own.url)
    yield own
    connections.close()
    own.stop()


@pytest.fixture
def proxy(server: Server, settings: Any) -> Iterator[Proxy]:
    with proxied(server, settings) as running:
        yield running


def value_of(do: Do, session: SessionStore, name: str) -> Any:
    return do(SessionStore(session.session_key).get, name)


def test_scripts_that_the_server_forgot_are_sent_again(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(a=1)
    redis_client.script_flush()
    do(session.update, {"a": 2})
    do(session.save)
    assert value_of(do, session, "a") == 2
    redis_client.script_flush()
    do(session.cycle_key)
    assert value_of(do, session, "a") == 2
    redis_client.script_flush()
    do(session.delete)
    assert not do(session.exists, session.session_key)


def test_what_came_behind_a_forgotten_script_is_sent_again_behind_it(
    redis_client: redis.Redis,
) -> None:
    redis_client.script_flush()
    before, named, after = index.card("users"), index.enlist("users", "a", 10**10, 0), index.card
    assert executors.run("sessions", before, named, after("users")) == [0, 1, 1]


def test_of_several_scripts_only_the_forgotten_ones_are_sent_again(
    do: Do, stored: Stored, redis_client: redis.Redis, settings: Any
) -> None:
    session = stored(a=1, b=1)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    redis_client.script_flush()
    fresh = SessionStore(session.session_key)
    do(fresh.update, {"a": 2})
    do(fresh.save)  # the save, and the other value signed anew
    settings.SECRET_KEY_FALLBACKS = []
    assert [value_of(do, session, "a"), value_of(do, session, "b")] == [2, 1]


def test_a_server_that_was_killed_and_started_again_is_used_at_once(
    do: Do, stored: Stored, own_server: Server
) -> None:
    stored(a=1)
    own_server.kill()
    own_server.start()
    assert value_of(do, stored(a=2), "a") == 2


def test_connections_that_were_killed_while_idle_go_unnoticed(
    do: Do, stored: Stored, own_server: Server
) -> None:
    session = stored(a=1)
    with own_server.client() as client:
        for count in range(5):
            assert client.execute_command("CLIENT", "KILL", "TYPE", "normal") >= 1
            do(session.update, {"a": count})
            do(session.save)
            assert value_of(do, session, "a") == count


def test_more_connections_than_attempts_may_have_died_while_idle(
    stored: Stored, own_server: Server
) -> None:
    session = stored(a=1)
    pool = connections.pool("sessions")
    taken = [pool.take() for _ in range(6)]
    for connection in taken:
        connection.connect()
        pool.release(connection)
    with own_server.client() as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "normal") >= 6
    assert SessionStore(session.session_key)["a"] == 1


def test_a_save_whose_reply_was_lost_is_sent_again(do: Do, stored: Stored, proxy: Proxy) -> None:
    session = stored(a=1, b=1)
    do(session.update, {"a": 2})
    proxy.lose_replies = 1
    do(session.save)
    assert proxy.lose_replies == 0
    assert dict(do(SessionStore(session.session_key).items)) == {"a": 2, "b": 1}


def test_a_create_whose_reply_was_lost_makes_one_record(
    do: Do, stored: Stored, proxy: Proxy, redis_client: redis.Redis
) -> None:
    stored(warm=True)
    redis_client.flushdb()
    proxy.lose_replies = 1
    session = stored(a=1)
    assert proxy.lose_replies == 0
    assert redis_client.keys() == [record_of(session).encode()]


def test_a_rotation_whose_reply_was_lost_counts(do: Do, stored: Stored, proxy: Proxy) -> None:
    session = stored(a=1)
    proxy.lose_replies = 1
    do(session.cycle_key)
    assert proxy.lose_replies == 0
    assert value_of(do, session, "a") == 1


@pytest.mark.parametrize("empty", ["pop", "clear"])
def test_a_save_of_an_emptied_session_whose_reply_was_lost_counts(
    do: Do, stored: Stored, proxy: Proxy, redis_client: redis.Redis, empty: str
) -> None:
    session = stored(a=1)
    if empty == "pop":
        do(session.pop, "a")
    else:
        session.clear()
    proxy.lose_replies = 1
    do(session.save)
    assert proxy.lose_replies == 0
    assert not redis_client.exists(record_of(session))


def test_a_call_ends_after_some_attempts(do: Do, stored: Stored, proxy: Proxy) -> None:
    session = stored(a=1)
    proxy.lose_replies = 100
    with pytest.raises(SessionStoreUnavailable, match=r"CACHES\['sessions'\]"):
        do(SessionStore(session.session_key).load)
    assert 80 <= proxy.lose_replies < 98


def test_a_reply_that_names_another_type_is_no_session(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(a=1)
    redis_client.delete(record_of(session))
    redis_client.lpush(record_of(session), "x")
    assert do(SessionStore(session.session_key).get, "a") is None
    assert not do(session.exists, session.session_key)
    assert redis_client.lrange(record_of(session), 0, -1) == [b"x"]


def test_every_task_reads_its_own_session_whatever_is_cancelled(
    proxy: Proxy, settings: Any
) -> None:
    options = {"max_connections": 3, "timeout": 20}
    settings.CACHES = caches(proxy.url, SOCKET_TIMEOUT=20, CONNECTION_POOL_KWARGS=options)
    keys = [_stored_number(number) for number in range(10)]
    chance = random.Random(4)
    proxy.delay = 0.001

    async def read(number: int) -> bool:
        return await SessionStore(keys[number]).aget("mine") == number

    async def write(number: int) -> bool:
        session = SessionStore(keys[number])
        await session.aset("mine", number)
        await session.asave()
        return session["mine"] == number

    async def storm() -> list[asyncio.Task[bool]]:
        works = [chance.choice([read, read, write]) for _ in range(20)]
        tasks = [asyncio.ensure_future(work(chance.randrange(10))) for work in works]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(chance.random() / 500)
            chance.choice(tasks).cancel()
        return tasks

    async def main() -> list[asyncio.Task[bool]]:
        done = [task for _ in range(60) for task in await storm()]
        assert all(await asyncio.gather(*[read(number) for number in range(10)]))
        return done

    done = asyncio.run(main())
    assert sum(task.cancelled() for task in done) > 20
    assert sum(not task.cancelled() for task in done) > 20
    assert all(task.result() for task in done if not task.cancelled())


def _stored_number(number: int) -> str:
    session = SessionStore()
    session["mine"] = number
    session.save()
    return session.session_key


METHODS: dict[str, tuple[Any, ...]] = {
    "load": (),
    "save": (),
    "create": (),
    "delete": (),
    "cycle_key": (),
    "exists": ("a" * 40,),
    "get": ("a",),
    "flush": (),
}


@pytest.mark.parametrize("name", METHODS)
async def test_sync_input_and_output_in_a_running_loop_is_refused(name: str) -> None:
    session = SessionStore("a" * 40)
    if name == "save":
        session = SessionStore()
        await session.aset("a", 1)
    with pytest.raises(SynchronousOnlyOperation, match="with an 'a' in front"):
        getattr(session, name)(*METHODS[name])


async def test_a_loaded_session_can_be_read_and_changed_in_a_running_loop() -> None:
    session = SessionStore()
    await session.aset("a", 1)
    await session.asave()
    fresh = SessionStore(session.session_key)
    await fresh.aload()
    await fresh.aget("a")
    fresh["b"] = fresh["a"] + 1
    await fresh.asave()
    assert await SessionStore(session.session_key).aget("b") == 2
