"""The end of a session at odd moments, as applications and servers of every kind meet it."""

import asyncio
import logging
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer

from redis_sessions.exceptions import SessionGone
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack
from tests.consumers import Told
from tests.live.endings import ACCEPT, ENDS, close, disconnect, recording
from tests.live.visitors import BOUND, Visitor, until
from tests.observers import contents

LOGGED_OUT = CloseCode.LOGGED_OUT


async def test_a_client_that_left_before_the_close_is_no_error(
    known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await known.visit("end")
        scope["session"]["late"] = 1
        seen.append(await receive())

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            raise BrokenPipeError

    async def receive() -> Any:
        if not connected:
            connected.append(True)
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()

    caplog.set_level(logging.INFO, "redis_sessions")
    seen, connected = [], []
    scope = {"type": "websocket", "headers": known.cookie_headers()}
    async with asyncio.timeout(BOUND):
        await LiveSessionMiddlewareStack(application)(scope, receive, send)
    assert seen == [disconnect(LOGGED_OUT)]
    assert "BrokenPipeError" in caplog.text


async def test_an_application_is_disconnected_once_and_then_hears_the_server(
    known: Visitor,
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await known.visit("end")
        while len(seen) < 2:
            seen.append(await receive())

    seen: list[Any] = []
    async with known.socket(application) as socket:
        assert await socket.receive_output() == close(LOGGED_OUT)
        await socket.leave()
    assert seen == [disconnect(LOGGED_OUT), {"type": "websocket.disconnect", "code": 1000}]


async def test_frames_come_before_the_disconnect_or_not_at_all(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            seen.append(text_data)
            self.scope["session"]["late"] = 1
            await asyncio.sleep(0)

        async def disconnect(self, code: int) -> None:
            seen.append(code)

    seen: list[Any] = []
    async with known.socket(Consumer) as socket:
        await known.visit("end")
        for frame in "abc":
            await socket.send_to(frame)
        await until(lambda: LOGGED_OUT in seen)
        await socket.wait()
    assert seen == [*"abc"[: len(seen) - 1], LOGGED_OUT]


async def test_a_session_that_ends_during_the_handshake_closes_the_accepted_socket(
    known: Visitor, elsewhere: str
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await known.visit(elsewhere)
            self.scope["session"]["late"] = 1
            await self.accept()

    codes: list[int] = []
    socket = known.socket(recording(Consumer, codes))
    assert await socket.connect() == (True, None)
    assert await socket.receive_output() == close(ENDS[elsewhere])
    await socket.wait()
    assert codes == [ENDS[elsewhere]]


async def test_changes_at_disconnect_do_not_revive_the_session(
    known: Visitor, elsewhere: str, redis_client: redis.Redis
) -> None:
    class Consumer(Told):
        async def disconnect(self, code: int) -> None:
            self.scope["session"]["late"] = 1

    async with known.socket(Consumer) as socket:
        await known.visit(elsewhere)
        before = contents(redis_client)
        await socket.wait()
    assert contents(redis_client) == before


async def test_changes_of_a_client_that_left_at_the_end_are_lost_and_logged(
    known: Visitor, elsewhere: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    class Consumer(Told):
        async def disconnect(self, code: int) -> None:
            await known.visit(elsewhere)
            contents_then.append(contents(redis_client))
            self.scope["session"]["late"] = 1

    contents_then: list[Any] = []
    async with known.socket(Consumer):
        pass
    assert [contents(redis_client)] == contents_then
    if elsewhere == "rotate":
        [record] = [each for each in caplog.records if each.name == "redis_sessions"]
        assert "are lost" in record.getMessage()


async def test_a_consumer_that_saves_itself_is_told_and_then_the_socket_closes(
    known: Visitor, elsewhere: str
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await known.visit(elsewhere)
            self.scope["session"]["late"] = 1
            with pytest.raises(SessionGone):
                await self.scope["session"].asave()

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        assert await socket.receive_output() == close(ENDS[elsewhere])
        await socket.wait()


def test_codes_of_applications_are_in_the_range_that_is_theirs() -> None:
    assert all(code in range(4000, 5000) for code in CloseCode)
