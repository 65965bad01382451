"""The entry of CACHES for a cluster: what it may say, and what a user of the servers may do."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis.connection
from django.core import management
from django.core.exceptions import ImproperlyConfigured

from redis_sessions import checks, connections, executors, users
from redis_sessions.commands import server
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from redis_sessions.shards import ShardedListener
from redis_sessions.slots import Address, slot_of
from tests.caches import caches
from tests.clusters import Cluster
from tests.conftest import Do, record_of
from tests.people import log_in, person
from tests.test_docs import STORAGE

parse_url = redis.connection.parse_url


def parameters(location: Any, settings: Any, **options: Any) -> dict[str, Any]:
    settings.CACHES = caches(location, CLUSTER=True, **options)
    return connections.parameters("sessions", parse_url)


@pytest.mark.parametrize("form", [list, tuple, ",".join])
def test_several_locations_are_nodes_to_begin_with(settings: Any, form: Any) -> None:
    made = parameters(form(["redis://one:1/0", "redis://two"]), settings, SOCKET_TIMEOUT=3)
    assert made["starts"] == [Address("one", 1), Address("two", 6379)]
    assert made["socket_timeout"] == 3
    assert not {"host", "port", "db"} & made.keys()


def test_credentials_and_tls_of_the_first_location_are_those_of_all_nodes(settings: Any) -> None:
    made = parameters("rediss://web:p%40ss@one:1", settings)
    assert (made["username"], made["password"]) == ("web", "p@ss")
    assert made["connection_class"] is redis.connection.SSLConnection


@pytest.mark.parametrize(
    ("location", "options", "says"),
    [
        ("redis://one/1", {}, "names a database"),
        (["redis://one", "redis://two/3"], {}, "names a database"),
        ("redis://one", {"CONNECTION_POOL_KWARGS": {"db": 1}}, "names a database"),
        ("unix:///run/redis.sock", {}, "Unix socket"),
        ("redis://one", {"SENTINELS": [("one", 26379)]}, "SENTINELS"),
        (["redis://one", "http://two"], {}, "no URL of a server"),
    ],
)
def test_what_a_cluster_cannot_have_is_an_error(
    settings: Any, location: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        parameters(location, settings, **options)
    assert [found.id for found in checks.check_settings()] == ["redis_sessions.E001"]


def test_the_system_checks_find_nothing_wrong_with_a_cluster() -> None:
    assert checks.check_settings() == []
    assert checks.check_server() == []


def test_replicas_are_not_waited_for_in_a_cluster(settings: Any) -> None:
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": 1}
    assert [found.id for found in checks.check_settings()] == ["redis_sessions.E003"]


def test_a_server_that_is_no_cluster_is_told(
    do: Do, server: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = caches(server.url, CLUSTER=True)
    for _ in range(3):
        with pytest.raises(SessionStoreUnavailable, match="cluster support disabled") as caught:
            do(SessionStore("a" * 40).load)
        assert "leave OPTIONS['CLUSTER'] out" in str(caught.value)
    assert caplog.messages == [str(caught.value)]
    [found] = checks.check_server()
    assert found.id == "redis_sessions.W008"


@pytest.fixture
def least(cluster: Cluster, settings: Any) -> Iterator[None]:
    """Go on as a user with the rights that the documentation names."""
    text = STORAGE.read_text("utf-8")
    [user] = re.findall(r"ACL SETUSER .*", text)
    [staff] = re.findall(r"also send ``(\+[^`]*)``", text)
    [more] = re.findall(r"also needs ``(\+[^`]*)``", text)
    words = f"{user} {staff} {more}".split()
    without = [word for word in words if word not in {"+publish", "+subscribe", "+unsubscribe"}]
    for node in cluster.nodes:
        cluster.ask(node, *without)
    urls = [url.replace("//", "//web:secret@") for url in cluster.urls]
    settings.CACHES = caches(urls, CLUSTER=True)
    yield
    for node in cluster.nodes:
        cluster.ask(node, "ACL", "DELUSER", "web")


@pytest.mark.usefixtures("least")
def test_the_user_of_the_acl_can_do_all_that_a_session_does(do: Do, cluster: Cluster) -> None:
    session = log_in(do)
    other = log_in(do)
    do(session.update, {"n": 1})
    cluster.move(slot_of(record_of(session)), lambda: do(session.save))
    assert {one.id for one in users.sessions_of(person())} == {session.id, other.id}
    assert len(users.end_sessions(person(), keep=session)) == 1
    management.call_command("clearsessions")
    do(session.flush)


@pytest.mark.usefixtures("least")
async def test_the_user_of_the_acl_can_listen(cluster: Cluster) -> None:
    messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    listener = ShardedListener("sessions", lambda *told: messages.put_nowait(told))
    session = SessionStore()
    await session.aset("n", 1)
    await session.asave()
    record = record_of(session)
    try:
        await listener.subscribe(record)
        await session.aflush()
        async with asyncio.timeout(10):
            channel, payload = await messages.get()
        assert (channel, payload.partition(b" ")[0]) == (record, b"logout")
    finally:
        await listener.stop()


def test_a_policy_is_not_told_by_a_user_who_may_not_ask(least: None, caplog: Any) -> None:
    for _ in range(2):
        with pytest.raises(SessionStoreUnavailable):
            executors.run("sessions", server.eviction_policy())
    [told] = caplog.messages
    assert "ACL SETUSER" in told
