"""The sentinels name another master, while the one before takes writes as ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from redis_sessions import connections, sentinels
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.live import SessionEventsMixin
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.live.visitors import Visitor, until
from tests.sentinel.liars import Bad, bad
from tests.sentinels import eventually
from tests.servers import Server


class Watcher(SessionEventsMixin, AsyncJsonWebsocketConsumer):
    """Tells its client which keys were changed elsewhere."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        await self.send_json(event["keys"])


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A master to which the sentinel has not pointed yet."""
    running = Server(request.config.getoption("server")).start()
    yield running
    connections.close()
    running.stop()


@pytest.fixture
def sentinel(server: Server, settings: Any) -> Iterator[Bad]:
    """A sentinel that names the server of the tests, until it is told otherwise."""
    with bad(server.port) as running:
        settings.CACHES = caches("redis://main/0", SENTINELS=[running.address])
        yield running
        connections.close()


def saved_on(server: Server, do: Do) -> bool:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.save)
    with server.client() as client:
        return client.exists(record_of(session)) == 1


def test_connections_leave_a_master_that_is_one_no_more(
    do: Do, server: Server, sentinel: Bad, other: Server
) -> None:
    assert saved_on(server, do)
    sentinel.port = other.port
    eventually(lambda: saved_on(other, do))
    assert saved_on(other, do)


def test_connections_stay_while_no_sentinel_answers(
    do: Do, server: Server, sentinel: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinels, "ASK_EVERY", 0.0)
    assert saved_on(server, do)
    sentinel.port = None
    visits = sentinel.visits
    assert saved_on(server, do)
    assert sentinel.visits == visits + 1
    assert saved_on(server, do)
    assert sentinel.visits == visits + 1  # who was silent is not asked each time


@pytest.mark.usefixtures("_visitors")
async def test_sockets_hear_what_happens_on_the_new_master(
    server: Server, sentinel: Bad, other: Server, visitor: Visitor, caplog: Any
) -> None:
    await visitor.change(name="Ada")
    async with visitor.socket(Watcher) as socket:
        with server.client() as one, other.client() as another:
            another.restore(visitor.record, 60_000, one.dump(visitor.record))
        sentinel.port = other.port
        await until(lambda: "name another master" in caplog.text)
        await until(lambda: subscribed(other, visitor.record))
        await visitor.change(name="Grace")
        assert await socket.receive_json_from() == ["name"]


def subscribed(server: Server, channel: str) -> bool:
    with server.client() as client:
        return dict(client.pubsub_numsub(channel)) == {channel.encode(): 1}


@pytest.fixture
def _visitors(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.live.pages"


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


def test_a_master_that_has_lost_its_replicas_is_left_for_the_one_that_is_named(
    do: Do, server: Server, sentinel: Bad, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saved_on(server, do)
    monkeypatch.setattr(sentinels, "ASK_EVERY", 1e9)
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(SessionStoreUnavailable, match="Not enough good replicas"):
                saved_on(server, do)
            sentinel.port = other.port
            assert saved_on(other, do)
        finally:
            client.config_set("min-replicas-to-write", 0)
