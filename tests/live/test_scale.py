"""Thousands of open sockets and storms of changes: all of it is bounded."""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_sessions import connections, executors
from redis_sessions.listeners import Listener
from redis_sessions.live import CloseCode
from redis_sessions.live.hub import _PACE, _hubs, hub
from redis_sessions.session import SessionStore
from tests.live.crowds import Crowd, Load, change, in_groups, pulse, stored_sessions
from tests.live.endings import close
from tests.live.outages import Fickle
from tests.live.storms import LAST, Job, raging
from tests.live.test_hub_faults import kill_listeners, listeners
from tests.live.test_leaks import ours
from tests.live.visitors import BOUND, Socket, until

SIZES = pytest.mark.parametrize("size", [200, pytest.param(3000, marks=pytest.mark.slow)])
MEGABYTE = 1 << 20


async def end(key: str) -> None:
    await SessionStore(key).aflush()


async def ended(socket: Socket) -> Any:
    """Wait for the end of the application; return the last that it sent."""
    message = await socket.receive_output()
    await socket.wait()
    return message


async def nothing_is_left(client: redis.Redis) -> None:
    await until(lambda: not listeners(client))
    assert client.pubsub_channels("session:*}") == []
    assert asyncio.get_running_loop() not in _hubs
    assert len(asyncio.all_tasks()) == 1


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Tell how often this process has asked the server for something."""
    arun, count = executors.arun, 0

    async def counting(*arguments: Any, **options: Any) -> list[Any]:
        nonlocal count
        count += 1
        return await arun(*arguments, **options)

    monkeypatch.setattr(executors, "arun", counting)
    return lambda: count


async def go_through_a_life(keys: list[str], client: redis.Redis) -> None:
    """Open a socket of each session, change every tenth, end every twentieth, and close them."""
    tenth = [int(number % 10 == 0) for number in range(len(keys))]
    stays = [number for number in range(len(keys)) if number % 20]
    async with Crowd(keys) as crowd:
        assert len(listeners(client)) == 1
        assert len(client.pubsub_channels("session:*}")) == len(keys)
        await in_groups(change(key, "Grace") for key in keys[::10])
        assert await crowd.ask("get") == [
            {"name": ["Ada", "Grace"][is_tenth]} for is_tenth in tenth
        ]
        assert await crowd.ask("how_often") == tenth
        await in_groups(end(key) for key in keys[::20])
        closed = await in_groups(ended(socket) for socket in crowd.sockets[::20])
        assert closed == [close(CloseCode.LOGGED_OUT)] * len(keys[::20])
        stay = [crowd.sockets[number].ask("how_often") for number in stays]
        assert await in_groups(stay) == [tenth[number] for number in stays]
        assert len(client.pubsub_channels("session:*}")) == len(stays)


@SIZES
async def test_sockets_of_as_many_sessions_share_a_connection_and_leave_nothing(
    size: int, redis_client: redis.Redis
) -> None:
    gc.collect()
    objects = len(ours())
    await go_through_a_life(await stored_sessions(size), redis_client)
    await nothing_is_left(redis_client)
    gc.collect()
    assert len(ours()) == objects


@SIZES
async def test_all_sockets_of_one_session_see_its_change_and_its_end_and_no_other_does(
    size: int, redis_client: redis.Redis
) -> None:
    [key, other] = await stored_sessions(2)
    async with Crowd([key] * size) as crowd, Crowd([other]) as apart:
        assert len(listeners(redis_client)) == 1
        assert len(redis_client.pubsub_channels("session:*}")) == 2
        await change(key, "Grace")
        assert {answer["name"] for answer in await crowd.ask("get")} == {"Grace"}
        assert set(await crowd.ask("how_often")) == {1}
        await end(key)
        closed = await in_groups(ended(socket) for socket in crowd.sockets)
        assert closed == [close(CloseCode.LOGGED_OUT)] * size
        assert await apart.ask("get") == [{"name": "Ada"}]
        assert await apart.ask("how_often") == [0]
        assert len(redis_client.pubsub_channels("session:*}")) == 1
    await nothing_is_left(redis_client)


@SIZES
@pytest.mark.parametrize("spread", [False, True], ids=["one session", "all sessions"])
async def test_a_storm_of_10_000_changes_a_second_is_a_few_reads_and_all_see_the_last(
    size: int,
    spread: bool,
    redis_client: redis.Redis,
    trips: Callable[[], int],
) -> None:
    keys = await stored_sessions(size if spread else 1)
    job = Job(keys, changes=20_000 if size < 1000 else 50_000)
    async with (
        Crowd(keys if spread else keys * size) as crowd,
        Crowd(await stored_sessions(1)) as apart,
    ):
        before, asked, started = Load.now(), trips(), time.monotonic()
        async with raging(job) as storm, pulse(apart.sockets[0]) as felt:
            await storm.over.wait()
            grown = Load.now() - before
        asked, lasted = trips() - asked, time.monotonic() - started
        await crowd.see(LAST)
        assert max(await crowd.ask("how_often")) <= asked + 2
        kept = Load.now() - before
    assert 0 < asked <= lasted / _PACE + 2
    assert asked < job.changes / 5
    assert felt.answered >= 2  # the first may have been on its way before
    assert felt.stall < max(5, lasted / 2)
    assert grown.blocks < 150 * size + job.changes / 5
    assert grown.messages <= 2 * size
    assert grown.tasks <= 2 * size
    assert kept.blocks < 20 * size
    await nothing_is_left(redis_client)


@SIZES
@pytest.mark.parametrize("spread", [False, True], ids=["one session", "all sessions"])
async def test_a_flood_of_messages_that_nobody_can_follow_takes_no_memory(
    size: int,
    spread: bool,
    redis_client: redis.Redis,
    trips: Callable[[], int],
) -> None:
    keys = await stored_sessions(size if spread else 1)
    job = Job(keys, changes=500_000 if size < 1000 else 1_000_000, rate=0, bare=True)
    async with (
        Crowd(keys if spread else keys * size) as crowd,
        Crowd(await stored_sessions(1)) as apart,
    ):
        before, asked = Load.now(), trips()
        async with raging(job) as storm, pulse(apart.sockets[0]) as felt:
            await storm.over.wait()
            grown = Load.now() - before
        await crowd.see(LAST)
    assert trips() - asked < job.changes / 50
    assert felt.answered >= 2
    assert grown.blocks < 150 * size + job.changes / 5
    assert grown.resident < 64 * MEGABYTE
    assert grown.tasks <= 2 * size
    await nothing_is_left(redis_client)


async def test_handshakes_that_are_refused_while_the_server_is_away_leave_nothing_to_send(
    fickle: Fickle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "patience", lambda _: connections.Patience(0.1, 0.1, 0.1))
    [key, *others] = await stored_sessions(101)
    async with Crowd([key]):
        fickle.go()
        listener = hub()._listener
        await until(lambda: not listener.listens)
        for _ in range(3):
            async with Crowd(others) as crowd:
                closed = await in_groups(ended(socket) for socket in crowd.sockets)
            assert {message["code"] for message in closed} == {CloseCode.UNAVAILABLE}
        assert hub()._listener is listener
        assert listener._ear is None
        assert len(listener._unconfirmed) == 0


async def test_a_lost_connection_has_resumed_when_all_that_is_still_wanted_is_listened_to(
    redis_client: redis.Redis,
) -> None:
    def has_resumed() -> None:
        resumed.append(not any(listener._channels.values()))

    resumed: list[bool] = []
    listener = Listener("sessions", lambda *_: None, has_resumed)
    try:
        await asyncio.gather(*(listener.subscribe(f"channel{number}") for number in range(3000)))
        kill_listeners(redis_client)
        async with asyncio.timeout(BOUND):
            while not resumed and len(listener._unconfirmed) in {0, 3000}:  # noqa: ASYNC110
                await asyncio.sleep(0)
        listener.unsubscribe("channel0")
        listener.unsubscribe("channel2999")
        await until(lambda: resumed)
        await until(lambda: len(redis_client.pubsub_channels("channel*")) == 2998)
        assert resumed == [True]
    finally:
        await listener.stop()
