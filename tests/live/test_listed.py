"""Open sockets in the list of a user's sessions: how many there are, over all processes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis

from redis_sessions import users
from tests.consumers import Told
from tests.live.visitors import Visitor, until


@pytest.fixture
async def somebody(visitor: Visitor, ada: Any) -> Visitor:
    """A visitor who is logged in."""
    await visitor.client.aforce_login(ada)
    return visitor


@pytest.fixture
def counted(somebody: Visitor, ada: Any) -> Callable[[], Awaitable[int]]:
    """Return how many sockets the one session has."""

    async def count() -> int:
        [info] = await users.asessions_of(ada)
        return info.sockets

    return count


@pytest.fixture
def becomes(counted: Callable[[], Awaitable[int]]) -> Callable[[int], Awaitable[None]]:
    """Wait until so many sockets are told: what they tell is not waited for."""

    async def wait(number: int) -> None:
        async with asyncio.timeout(10):
            while await counted() != number:  # noqa: ASYNC110 - another process may change it
                await asyncio.sleep(0.005)

    return wait


Becomes = Callable[[int], Awaitable[None]]


async def test_a_session_without_sockets_has_none(counted: Any) -> None:
    assert await counted() == 0


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 20])
async def test_the_open_sockets_of_a_session_are_counted(
    somebody: Visitor, becomes: Becomes, number: int
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(somebody.socket(Told))
        await becomes(number)
        async with somebody.socket(Told):
            await becomes(number + 1)
        await becomes(number)
    await becomes(0)


async def test_sockets_of_several_processes_are_added_up(
    somebody: Visitor, becomes: Becomes, redis_client: redis.Redis
) -> None:
    async with somebody.socket(Told), somebody.socket(Told), somebody.socket(Told):
        await becomes(3)
        with redis_client.pubsub() as other:  # as a process with six sockets listens
            other.subscribe(*(f"{somebody.record}{more}" for more in ("", ":sockets:1")))
            other.subscribe(f"{somebody.record}:sockets:4")
            await becomes(9)
        await becomes(3)


async def test_what_is_published_on_such_a_channel_is_nothing_to_a_socket(
    somebody: Visitor, becomes: Becomes, redis_client: redis.Redis
) -> None:
    async with somebody.socket(Told) as one, somebody.socket(Told) as two:
        await becomes(2)
        channel = f"{somebody.record}:sockets:1"
        assert await until(lambda: redis_client.publish(channel, "logout x"))
        assert await one.receive_nothing(0.2)
        assert await two.receive_nothing(0.2)


async def test_the_end_of_a_session_leaves_no_subscription(
    somebody: Visitor, becomes: Becomes, ada: Any, redis_client: redis.Redis
) -> None:
    async with somebody.socket(Told), somebody.socket(Told):
        await becomes(2)
        await users.aend_sessions(ada)
    gone: Any = lambda: redis_client.pubsub_channels() == []  # noqa: E731
    assert await until(gone)
