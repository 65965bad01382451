"""One connection that listens, and listens again when it was lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.listeners import Listener
from redis_sessions.testing import wait_until
from tests.caches import caches
from tests.faults.proxy import FaultyProxy
from tests.servers import Server, free_port


class Heard(Listener):
    """Keeps what it hears."""

    def __init__(self, alias: str = "sessions") -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.resumed = 0
        super().__init__(alias, lambda *message: self.messages.append(message), self._count)

    def _count(self) -> None:
        self.resumed += 1


@pytest.fixture
async def listener() -> AsyncIterator[Heard]:
    opened = Heard()
    yield opened
    await opened.stop()


def pubsub_clients(client: redis.Redis) -> list[Any]:
    return client.client_list(_type="pubsub")


async def test_what_is_published_after_subscribe_returned_arrives_in_order(
    listener: Heard, redis_client: redis.Redis
) -> None:
    await listener.subscribe("one")
    for number in range(100):
        redis_client.publish("one", number)
    await wait_until(lambda: len(listener.messages) == 100)
    assert listener.messages == [("one", str(number).encode()) for number in range(100)]
    assert listener.listens
    assert listener.resumed == 0


async def test_a_channel_that_was_left_is_not_heard(
    listener: Heard, redis_client: redis.Redis
) -> None:
    await asyncio.gather(listener.subscribe("one"), listener.subscribe("two"))
    listener.unsubscribe("one")
    await wait_until(lambda: not redis_client.pubsub_channels("one"))
    assert redis_client.pubsub_channels("two") == [b"two"]
    redis_client.publish("one", "lost")
    redis_client.publish("two", "heard")
    await wait_until(lambda: listener.messages)
    assert listener.messages == [("two", b"heard")]


async def test_channels_share_a_connection_and_a_channel_is_asked_for_once(
    listener: Heard, redis_client: redis.Redis
) -> None:
    await asyncio.gather(*(listener.subscribe(f"channel{number % 50}") for number in range(200)))
    assert len(redis_client.pubsub_channels("channel*")) == 50
    assert [client["sub"] for client in pubsub_clients(redis_client)].count("50") == 1


async def test_who_leaves_and_comes_back_at_once_misses_nothing_afterwards(
    listener: Heard, redis_client: redis.Redis
) -> None:
    for number in range(50):
        asking = asyncio.ensure_future(listener.subscribe("one"))
        await asyncio.sleep(0)
        listener.unsubscribe("one")
        await listener.subscribe("one")
        redis_client.publish("one", number)
        await wait_until(lambda number=number: ("one", str(number).encode()) in listener.messages)
        asking.cancel()
        listener.unsubscribe("one")


async def test_a_connection_that_was_killed_listens_to_everything_again_and_says_so(
    listener: Heard, redis_client: redis.Redis
) -> None:
    await asyncio.gather(listener.subscribe("one"), listener.subscribe("two"))
    for times in (1, 2, 3):
        redis_client.client_kill_filter(_type="pubsub")
        await wait_until(lambda times=times: listener.resumed == times)
        assert {b"one", b"two"} <= set(redis_client.pubsub_channels())


async def test_a_server_that_comes_back_is_listened_to_again(
    request: pytest.FixtureRequest, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(request.config.getoption("server")).start()
    settings.CACHES = caches(server.url)
    listener = Heard()
    try:
        await listener.subscribe("one")
        server.kill()
        await wait_until(lambda: not listener.listens)
        server.start()
        await wait_until(lambda: listener.resumed == 1, within=10)
        with server.client() as client:
            client.publish("one", "back")
        await wait_until(lambda: listener.messages == [("one", b"back")])
    finally:
        await listener.stop()
        server.stop()
    assert caplog.text.count("was interrupted") == 1


async def test_a_server_that_does_not_confirm_is_unavailable(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setattr(connections, "patience", lambda _: connections.Patience(0.1, 0.1, 0.1))
    listener = Heard()
    try:
        with pytest.raises(SessionStoreUnavailable, match="sessions"):
            await listener.subscribe("one")
    finally:
        await listener.stop()


async def test_a_quiet_connection_is_asked_whether_it_lives_and_stays(
    listener: Heard, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "quiet", 0.05)
    await listener.subscribe("one")
    [before] = pubsub_clients(redis_client)
    pings: Callable[[], int] = lambda: redis_client.info("commandstats").get(  # noqa: E731
        "cmdstat_ping", {"calls": 0}
    )["calls"]
    asked = pings()
    await wait_until(lambda: pings() > asked + 2)
    [after] = pubsub_clients(redis_client)
    assert after["id"] == before["id"]
    assert listener.resumed == 0


async def test_a_server_that_hangs_counts_as_lost(
    listener: Heard, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "quiet", 0.1)
    await listener.subscribe("one")
    redis_client.client_pause(500)
    await wait_until(lambda: listener.resumed == 1, within=10)


async def test_an_error_that_nobody_foresaw_does_not_end_the_listening(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def heard(channel: str, payload: bytes) -> None:
        messages.append(payload)
        if payload == b"bad":
            raise ZeroDivisionError

    messages: list[bytes] = []
    resumed = asyncio.Event()
    listener = Listener("sessions", heard, resumed.set)
    try:
        await listener.subscribe("one")
        redis_client.publish("one", "bad")
        await asyncio.wait_for(resumed.wait(), 10)
        redis_client.publish("one", "good")
        await wait_until(lambda: messages == [b"bad", b"good"])
    finally:
        await listener.stop()
    assert "ZeroDivisionError" in caplog.text


async def test_settings_that_are_wrong_for_a_while_do_not_end_the_listening(
    listener: Heard, redis_client: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await listener.subscribe("one")
    right, settings.CACHES = settings.CACHES, {}
    redis_client.client_kill_filter(_type="pubsub")
    await wait_until(lambda: "ImproperlyConfigured" in caplog.text)
    settings.CACHES = right
    await wait_until(lambda: listener.resumed == 1)


async def test_what_cannot_be_sent_has_everything_asked_for_anew(
    listener: Heard, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await listener.subscribe("one")
    listener._ask("UNSUBSCRIBE", "\udcff")  # no text that UTF-8 knows
    await wait_until(lambda: listener.resumed == 1)
    await listener.subscribe("two")
    redis_client.publish("two", "heard")
    await wait_until(lambda: listener.messages == [("two", b"heard")])
    assert "UnicodeEncodeError" in caplog.text


async def test_stop_closes_the_connection(redis_client: redis.Redis) -> None:
    listener = Heard()
    await listener.subscribe("one")
    await listener.stop()
    await wait_until(lambda: pubsub_clients(redis_client) == [])


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_site_may_name_either_protocol(
    settings: Any, server: Server, redis_client: redis.Redis, protocol: int
) -> None:
    settings.CACHES = caches(server.url, CONNECTION_POOL_KWARGS={"protocol": protocol})
    listener = Heard()
    try:
        await listener.subscribe("one")
        redis_client.publish("one", "heard")
        await wait_until(lambda: listener.messages == [("one", b"heard")])
    finally:
        await listener.stop()


async def test_who_waits_is_told_soon_that_nobody_listens(settings: Any) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0", SOCKET_TIMEOUT=60)
    listener = Heard()
    try:
        async with asyncio.timeout(30):
            for _ in range(2):
                with pytest.raises(SessionStoreUnavailable, match="did not confirm"):
                    await listener.subscribe("one")
    finally:
        await listener.stop()


async def test_a_confirmation_that_is_late_is_not_waited_for(server: Server, settings: Any) -> None:
    with FaultyProxy(server.port) as proxy:
        patient = {"timeout": 60}  # to wait for a connection: not for a reply
        settings.CACHES = caches(
            proxy.url, SOCKET_TIMEOUT=0.5, SOCKET_CONNECT_TIMEOUT=60, CONNECTION_POOL_KWARGS=patient
        )
        listener = Heard()
        try:
            await wait_until(lambda: listener.listens)
            proxy.set("black hole")
            async with asyncio.timeout(10):
                with pytest.raises(SessionStoreUnavailable, match="did not confirm"):
                    await listener.subscribe("one")
        finally:
            await listener.stop()


class Refused(Heard):
    """Never gets a connection, and does not wait between two tries."""

    base = cap = 0.0
    tries = 0

    async def _connect(self) -> None:
        self.tries += 1
        raise redis.ConnectionError("refused")


async def test_a_listener_goes_on_trying_however_long_it_takes() -> None:
    refused = Refused()
    await wait_until(lambda: refused.tries > 2000)
    await refused.stop()
