"""Connections made from a django-redis entry of CACHES, used through both halves."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.servers import Server

StartServer = Callable[..., Server]


@pytest.fixture
def start_server(server: Server) -> Iterator[StartServer]:
    """Start servers of the test's own with the given options."""
    started: list[Server] = []

    def start(*options: str) -> Server:
        started.append(Server(server.name, None, *options).start())
        return started[-1]

    yield start
    connections.close()
    for running in started:
        running.stop()


def clients_of(client: redis.Redis, **properties: Any) -> list[dict[str, str]]:
    """Return the clients that the server lists with the given properties."""
    wanted = {name: str(value) for name, value in properties.items()}
    return [found for found in client.client_list() if wanted.items() <= found.items()]


def works(do: Do) -> str:
    """Store a session, read it through another object, and return the key of its record."""
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert do(SessionStore(session.session_key).get, "name") == "Ada"
    return record_of(session)


def test_a_url_with_a_database_number_gives_a_connection(do: Do, server, settings) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{server.port}/7")
    record = works(do)
    with redis.Redis(port=server.port, db=7) as other, server.client() as default:
        assert other.exists(record)
        assert not default.exists(record)
        other.flushdb()


def test_a_database_number_in_the_query_counts(do: Do, server, settings) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{server.port}?db=7")
    record = works(do)
    with redis.Redis(port=server.port, db=7) as other:
        assert other.delete(record)


def test_a_unix_socket_gives_a_connection(do: Do, start_server: StartServer, settings) -> None:
    own = start_server("--unixsocket", "sessions.sock")
    settings.CACHES = caches(f"unix://{own.folder}/sessions.sock?db=3")
    works(do)
    with own.client() as client:
        assert clients_of(client, db=3, flags="U")


@pytest.mark.parametrize("place", ["url", "options"])
def test_a_password_is_used(do: Do, start_server: StartServer, settings, place: str) -> None:
    own = start_server("--requirepass", "p@ss/word")
    if place == "url":
        settings.CACHES = caches(f"redis://:p%40ss%2Fword@127.0.0.1:{own.port}/0")
    else:
        settings.CACHES = caches(own.url, PASSWORD="p@ss/word")
    works(do)


@pytest.mark.parametrize("place", ["url", "options"])
def test_an_acl_user_needs_these_commands_and_the_sessions_keys_only(
    do: Do, start_server: StartServer, settings, place: str
) -> None:
    may = [
        "+evalsha",
        "+eval",
        "+exists",
        "+hget",
        "+hmget",
        "+hgetall",
        "+hkeys",
        "+hset",
        "+hdel",
    ]
    may += ["+hincrby", "+expireat", "+unlink", "+publish", "+ping"]
    own = start_server(
        "--user", "web", "on", ">secret", "resetkeys", "~session:*", "&session:*", "-@all", *may
    )
    often = {"health_check_interval": 1e-9}
    if place == "url":
        url = f"redis://web:secret@127.0.0.1:{own.port}/0"
        settings.CACHES = caches(url, CONNECTION_POOL_KWARGS=often)
    else:
        user = {"USERNAME": "web", "PASSWORD": "secret"}
        settings.CACHES = caches(own.url, CONNECTION_POOL_KWARGS=often, **user)
    works(do)
    session = SessionStore()
    do(session.create)
    do(session.cycle_key)
    assert do(session.exists, session.session_key)
    do(session.delete)
    assert not do(session.exists, session.session_key)


def _threads(tasks: int, task: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(tasks) as executor:
        return list(executor.map(task, range(tasks)))


def test_many_threads_share_no_more_connections_than_the_pools_size(
    server, redis_client: redis.Redis, settings
) -> None:
    settings.CACHES = caches(
        f"redis://127.0.0.1:{server.port}/7",
        CONNECTION_POOL_KWARGS={"max_connections": 3, "timeout": 20},
    )
    together = threading.Barrier(12)

    def task(number: int) -> bool:
        session = SessionStore()
        session["number"] = number
        together.wait()
        session.save()
        keys = itertools.repeat(session.session_key, 20)
        return all(SessionStore(key)["number"] == number for key in keys)

    assert _threads(12, task) == [True] * 12
    assert 1 <= len(clients_of(redis_client, db=7)) <= 3


def test_many_tasks_share_no_more_connections_than_the_pools_size(
    server, redis_client: redis.Redis, settings
) -> None:
    settings.CACHES = caches(
        f"redis://127.0.0.1:{server.port}/7",
        CONNECTION_POOL_KWARGS={"max_connections": 3, "timeout": 20},
    )

    async def task(number: int) -> bool:
        session = SessionStore()
        session["number"] = number
        await session.asave()
        keys = itertools.repeat(session.session_key, 20)
        return all([await SessionStore(key).aget("number") == number for key in keys])

    async def main() -> int:
        assert await asyncio.gather(*map(task, range(12))) == [True] * 12
        return len(clients_of(redis_client, db=7))

    assert 1 <= asyncio.run(main()) <= 3


def test_a_short_socket_timeout_is_kept(do: Do, start_server: StartServer, settings) -> None:
    own = start_server()
    settings.CACHES = caches(own.url, SOCKET_TIMEOUT=0.05)
    works(do)
    with own.client() as client:
        client.execute_command("CLIENT", "PAUSE", 900)  # the default, 1 s, would outlast it
        with pytest.raises(SessionStoreUnavailable):
            do(SessionStore().save)


def test_a_long_socket_timeout_is_kept(do: Do, start_server: StartServer, settings) -> None:
    own = start_server()
    settings.CACHES = caches(own.url, SOCKET_TIMEOUT=10)
    works(do)
    with own.client() as client:
        client.execute_command("CLIENT", "PAUSE", 1300)  # the default, 1 s, would not outlast it
        works(do)


def test_timeouts_to_connect_come_from_the_entry(settings, server: Server) -> None:
    settings.CACHES = caches(server.url, SOCKET_CONNECT_TIMEOUT=4)
    assert connections.pool("sessions").connection_kwargs["socket_connect_timeout"] == 4

    async def seen_by_a_loop() -> float:
        return (await connections.shared("sessions")).connection_kwargs["socket_connect_timeout"]

    assert asyncio.run(seen_by_a_loop()) == 4


def test_what_belongs_to_the_cache_does_not_reach_sessions(
    do: Do, server: Server, redis_client: redis.Redis, settings
) -> None:
    settings.CACHES = caches(
        f"{server.url}?decode_responses=true",
        SERIALIZER="django_redis.serializers.json.JSONSerializer",
        COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor",
        IGNORE_EXCEPTIONS=True,
        PARSER_CLASS="redis._parsers.resp2._RESP2Parser",
        CONNECTION_POOL_CLASS="redis.connection.ConnectionPool",
        CONNECTION_POOL_KWARGS={"decode_responses": True, "retry_on_timeout": True},
    )
    settings.CACHES["sessions"] |= {"KEY_PREFIX": "cache", "VERSION": 4, "TIMEOUT": 1}
    record = works(do)
    assert record.startswith("session:{")
    assert redis_client.hget(record, "name").endswith(b"Ada")
    assert redis_client.ttl(record) > 1000


def test_ignored_exceptions_of_the_cache_are_raised_for_sessions(do: Do, settings) -> None:
    settings.CACHES = caches("redis://127.0.0.1:1/0", IGNORE_EXCEPTIONS=True)
    with pytest.raises(SessionStoreUnavailable):
        do(SessionStore().save)


@pytest.mark.parametrize("form", [list, tuple, ",".join], ids=["list", "tuple", "commas"])
def test_of_several_locations_the_first_takes_the_sessions(
    do: Do, server: Server, settings, form: Callable[[list[str]], Any]
) -> None:
    settings.CACHES = caches(form([server.url, "redis://127.0.0.1:1/0"]))
    works(do)


def test_sessions_use_the_default_entry_where_no_other_is_named(do: Do, server, settings) -> None:
    settings.CACHES = {"default": caches(server.url)["sessions"]}
    works(do)


def test_the_alias_setting_names_another_entry(do: Do, server: Server, settings) -> None:
    settings.CACHES |= {"mine": caches(f"redis://127.0.0.1:{server.port}/7")["sessions"]}
    settings.REDIS_SESSIONS = {"ALIAS": "mine"}
    record = works(do)
    with redis.Redis(port=server.port, db=7) as other:
        assert other.delete(record)


def test_changed_caches_count_at_once(do: Do, start_server: StartServer, settings) -> None:
    works(do)
    own = start_server()
    settings.CACHES = caches(own.url)
    record = works(do)
    with own.client() as client:
        assert client.exists(record)


WRONG = {
    "a missing alias": ({}, ["no entry 'sessions'", "ALIAS"]),
    "another backend": (
        {"sessions": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        ["CACHES['sessions'] is not a django-redis cache", "django_redis.cache.RedisCache"],
    ),
    "a backend of Django's own": (
        {
            "sessions": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
            }
        },
        ["CACHES['sessions'] is not a django-redis cache"],
    ),
    "an unknown backend": ({"sessions": {"BACKEND": "no.such.Cache"}}, ["CACHES['sessions']"]),
    "no backend": ({"sessions": {"LOCATION": "redis://h"}}, ["CACHES['sessions']"]),
    "no location": (caches(""), ["CACHES['sessions'] has no LOCATION"]),
    "an empty list of locations": (caches([]), ["CACHES['sessions'] has no LOCATION"]),
    "an unknown scheme": (caches("http://127.0.0.1/0"), ["CACHES['sessions']", "rediss://"]),
    "a port that is no number": (caches("redis://:pa/ss@h:1/0"), ["CACHES['sessions']"]),
    "sentinels, but no service": (
        caches("redis:///0", SENTINELS=[("127.0.0.1", 26379)]),
        ["CACHES['sessions']", "SENTINELS", "redis://mymaster/0"],
    ),
    "sentinels that are no pairs": (
        caches("redis://main/0", SENTINELS=["127.0.0.1:26379"]),
        ["CACHES['sessions']", "SENTINELS", "(host, port)"],
    ),
    "an option that no sentinel's connection has": (
        caches("redis://main/0", SENTINELS=[("127.0.0.1", 1)], SENTINEL_KWARGS={"no_such": 1}),
        ["CACHES['sessions']", "SENTINEL_KWARGS", "no_such"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_entry_is_improperly_configured(do: Do, settings, case: str) -> None:
    settings.REDIS_SESSIONS = {"ALIAS": "sessions"}
    settings.CACHES, telling = WRONG[case]
    with pytest.raises(ImproperlyConfigured) as caught:
        do(SessionStore().save)
    for words in telling:
        assert words in str(caught.value)


def test_what_urllib_says_of_a_password_is_not_repeated(do: Do, settings) -> None:
    settings.CACHES = caches("redis://:hunter2/x@127.0.0.1:6379/0")  # the slash is not quoted
    with pytest.raises(ImproperlyConfigured) as caught:
        do(SessionStore().save)
    assert "hunter2" not in str(caught.value)
