"""Sockets on a cluster: they hear of their sessions from every master, and after it has changed."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from redis_sessions import users
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.live import CloseCode
from redis_sessions.session import SessionStore
from redis_sessions.slots import slot_of
from tests.clusters import Cluster
from tests.consumers import Told
from tests.live.conftest import (  # noqa: F401
    _database,
    _no_error_unseen,
    _no_task_left,
    _site,
    ada,
    known,
    visitor,
)
from tests.live.endings import close
from tests.live.visitors import Socket, Visitor

PROCESS = """
import sys
import django
from django.conf import settings
django.setup()
from tests.caches import caches
settings.CACHES = caches(sys.argv[1], CLUSTER=True)
from redis_sessions.session import SessionStore
for key in sys.argv[2:]:
    SessionStore(key).flush()
"""
SOON = 20  # seconds


async def comes_about(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(SOON):
        while not await condition():  # noqa: ASYNC110 - another process may change it
            await asyncio.sleep(0.02)


async def becomes(socket: Socket, **values: Any) -> None:
    """Wait until the consumer sees these values."""

    async def does() -> bool:
        return (await socket.ask("get")).items() >= values.items()

    await comes_about(does)


def slot(visitor: Visitor) -> int:  # noqa: F811
    return slot_of(visitor.record)


def pubsub_clients(cluster: Cluster) -> int:
    told = (cluster.ask(node, "CLIENT", "LIST", "TYPE", "PUBSUB") for node in cluster.masters)
    return sum(len(lines.splitlines()) for lines in told)


async def test_sessions_that_another_process_ends_close_their_sockets(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    visitors = [Visitor() for _ in range(12)]
    for number, one in enumerate(visitors):
        await one.change(name=number)
    assert {cluster.owner(slot(one)) for one in visitors} == set(cluster.masters)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(one.socket(Told)) for one in visitors]
        assert pubsub_clients(cluster) == 3
        *ended, stays = visitors
        words = [cluster.urls[0], *(one.session_key or "" for one in ended)]
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", PROCESS, *words], check=True)
        for socket in sockets[:-1]:
            assert await socket.receive_output() == close(CloseCode.LOGGED_OUT)
        await stays.change(name="still there")
        await becomes(sockets[-1], name="still there")


async def test_open_sockets_are_counted(visitor: Visitor, ada: Any) -> None:  # noqa: F811
    await visitor.client.aforce_login(ada)
    async with visitor.socket(Told), visitor.socket(Told), visitor.socket(Told):

        async def are_counted() -> bool:
            return [one.sockets for one in await users.asessions_of(ada)] == [3]

        await comes_about(are_counted)


async def test_a_socket_hears_of_its_session_after_the_slot_has_moved(
    known: Visitor,  # noqa: F811
    cluster: Cluster,
    settings: Any,
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1000}
    other = SessionStore(known.session_key)
    async with known.socket(Told) as socket:
        for number in range(3):
            await asyncio.to_thread(cluster.move, slot(known), lambda: None)
            await other.aset("name", f"moved {number}")
            await other.asave()
            await becomes(socket, name=f"moved {number}")


async def test_what_changes_while_the_slot_moves_is_seen_when_it_has_moved(
    known: Visitor,  # noqa: F811
    cluster: Cluster,
    settings: Any,
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1000}

    def change() -> None:
        session = SessionStore(known.session_key)
        session["changes"] = session.get("changes", 0) + 1
        session.save()

    async with known.socket(Told) as socket:
        await asyncio.to_thread(cluster.move, slot(known), change)
        await becomes(socket, changes=2)


@pytest.mark.slow
async def test_sockets_outlive_the_master_of_their_session(
    known: Visitor,  # noqa: F811
    cluster: Cluster,
    settings: Any,
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1000}
    victim = cluster.owner(slot(known))
    async with known.socket(Told) as socket:
        await socket.ask("get")
        cluster.wait_for_replica(victim)
        victim.kill()
        try:
            await socket.tell("set", kept="unsaved")
            session = SessionStore(known.session_key)
            await comes_about(lambda: saved(session, name="Grace"))
            await becomes(socket, name="Grace", kept="unsaved")
            await comes_about(lambda: kept(session))
        finally:
            await asyncio.to_thread(cluster.restart, victim)
        await session.aflush()
        assert await socket.receive_output() == close(CloseCode.LOGGED_OUT)


@pytest.mark.slow
async def test_a_master_that_is_away_leaves_the_sockets_of_the_others_alone(
    cluster: Cluster, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1}
    visitors = [Visitor() for _ in range(12)]
    for one in visitors:
        await one.change(name="Ada")
    victim = cluster.owner(slot(visitors[0]))
    well = next(one for one in visitors if cluster.owner(slot(one)) is not victim)
    async with visitors[0].socket(Told), well.socket(Told) as socket:
        cluster.replica_of(victim).kill()
        victim.kill()
        await asyncio.sleep(2)  # all live sessions were to be read anew
        session = SessionStore(well.session_key)
        await comes_about(lambda: saved(session, name="Grace"))
        await becomes(socket, name="Grace")
        await session.aflush()
        assert await socket.receive_output() == close(CloseCode.LOGGED_OUT)


async def saved(session: SessionStore, **values: Any) -> bool:
    try:
        await session.aupdate(values)
        await session.asave()
    except SessionStoreUnavailable:
        return False
    return True


async def kept(session: SessionStore) -> bool:
    return "kept" in dict(await SessionStore(session.session_key).aitems())
