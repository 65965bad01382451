"""Sockets whose session expires while they are open."""

import time
from typing import Any

import pytest
import redis

from redis_sessions.live import CloseCode
from redis_sessions.session import SessionStore
from tests.conftest import record_of
from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


async def begin(visitor: Visitor, seconds: int | None = None) -> SessionStore:
    session = SessionStore()
    await session.aset("name", "Ada")
    if seconds is not None:
        await session.aset_expiry(seconds)
    await session.asave()
    visitor.client.cookies["sessionid"] = session.session_key or ""
    return session


async def closed_after(socket: Any, since: float) -> float:
    message = await socket.receive_output()
    assert (message["code"], message["reason"]) == (CloseCode.EXPIRED, "expired")
    await socket.wait()
    return time.time() - since


@KINDS
async def test_a_socket_is_closed_in_the_second_its_session_expires(
    visitor: Visitor, consumer: Any
) -> None:
    began = time.time()
    await begin(visitor, 2)
    async with visitor.socket(consumer) as socket:
        assert 1 <= await closed_after(socket, began) < 4


async def test_the_absolute_age_closes_a_socket_that_is_in_use(
    visitor: Visitor, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 2, "ROLLING": True, "TOUCH_INTERVAL": 0}
    began = time.time()
    await begin(visitor)
    async with visitor.socket(Told) as socket:
        await socket.ask("set_and_answer", name="Grace")
        assert 1 <= await closed_after(socket, began) < 4


async def test_an_expiry_that_was_put_off_elsewhere_closes_the_socket_later(
    visitor: Visitor,
) -> None:
    began = time.time()
    session = await begin(visitor, 2)
    async with visitor.socket(Told) as socket:
        await session.aset_expiry(4)
        await session.asave()
        assert 3 <= await closed_after(socket, began) < 6


async def test_an_expiry_that_was_brought_forward_elsewhere_closes_the_socket_earlier(
    visitor: Visitor,
) -> None:
    began = time.time()
    session = await begin(visitor, 3600)
    async with visitor.socket(Told) as socket:
        await session.aset_expiry(1)
        await session.asave()
        assert await closed_after(socket, began) < 4


async def test_a_touch_elsewhere_which_nobody_tells_does_not_close_the_socket_early(
    visitor: Visitor, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 1}
    settings.SESSION_COOKIE_AGE = 3
    session = await begin(visitor)
    async with visitor.socket(Told) as socket:
        started = time.time()
        while time.time() < started + 4.5:
            await SessionStore(session.session_key).aload()
            assert await socket.receive_nothing(0.2)
        await closed_after(socket, started)


async def test_an_absolute_age_that_was_lowered_is_an_expiry_to_a_socket_too(
    visitor: Visitor, settings: Any, redis_client: redis.Redis
) -> None:
    record = record_of(await begin(visitor))
    async with visitor.socket(Told) as socket:
        redis_client.hincrby(record, "\0c", -3600)
        settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 3600}
        redis_client.publish(record, "saved elsewhere")
        await closed_after(socket, time.time())
