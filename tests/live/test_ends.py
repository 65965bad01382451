"""A session that ends, or is rotated, while sockets are open on it."""

import asyncio
import logging
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from redis_sessions.exceptions import SessionGone
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack
from tests.consumers import Told, ToldSync
from tests.live.visitors import BOUND, Visitor, until
from tests.observers import contents, recorded_batches

CLOSED = {"type": "websocket.close", "code": 4401, "reason": "The session ended."}
ACCEPT = {"type": "websocket.accept"}


def recording(consumer: type, codes: list[int]) -> type:
    """Return a consumer that notes the codes with which it is disconnected."""

    class Recording(consumer):  # type: ignore[misc, valid-type]
        groups = ("all",)

        def websocket_disconnect(self, message: Any) -> Any:
            codes.append(message["code"])
            return super().websocket_disconnect(message)

    return Recording


@pytest.fixture(params=["end", "rotate"])
def elsewhere(request: pytest.FixtureRequest) -> str:
    """The page that takes the session away."""
    return request.param


@pytest.mark.parametrize("consumer", [Told, ToldSync])
@pytest.mark.parametrize("by", ["a frame with a reply", "a frame without one", "an event"])
async def test_the_next_save_closes_the_socket_and_disconnects_the_consumer(
    known: Visitor, consumer: Any, by: str, elsewhere: str, redis_client: redis.Redis
) -> None:
    codes: list[int] = []
    async with known.socket(recording(consumer, codes)) as socket:
        await socket.ask("get")
        await known.visit(elsewhere)
        before = contents(redis_client)
        if by == "an event":
            event = {"type": "event", "values": {"late": 1}}
            await get_channel_layer().group_send("all", event)
        else:
            do = "set_and_answer" if by == "a frame with a reply" else "set"
            await socket.tell(do, late=1)
        assert await socket.receive_output() == CLOSED
        await socket.wait()
        assert socket.output_queue.empty()
    assert codes == [CloseCode.SESSION_ENDED]
    assert contents(redis_client) == before


@pytest.mark.django_db(transaction=True)
async def test_a_login_over_http_closes_the_socket_that_writes_next(
    known: Visitor, ada: Any
) -> None:
    async with known.socket(Told) as socket:
        await known.visit("log-in")
        await socket.tell("set", late=1)
        assert await socket.receive_output() == CLOSED
        await socket.wait()
    async with known.socket(Told) as socket:
        session = await socket.ask("get")
        assert (session["_auth_user_id"], "late" in session) == (str(ada.pk), False)


async def test_a_socket_opened_with_a_key_right_after_its_rotation_cannot_write(
    known: Visitor, redis_client: redis.Redis
) -> None:
    headers = known.cookie_headers()
    await known.visit("rotate")
    before = contents(redis_client)
    known.client.cookies.clear()
    async with known.socket(Told, headers=headers) as socket:
        assert socket.set_cookies == []
        assert await socket.ask("get") == {}
        await socket.tell("set", late=1)
        assert await socket.receive_output() == CLOSED
        await socket.wait()
    assert contents(redis_client) == before


async def test_what_is_sent_after_the_end_is_dropped(
    known: Visitor, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"]["late"] = 1
            for number in range(5):
                await self.send(str(number))
            await self.close(4000)
            handled.set()

    handled = asyncio.Event()
    async with known.socket(Consumer) as socket:
        await known.visit(elsewhere)
        batches = recorded_batches(monkeypatch)
        await socket.send_to("go")
        await socket.wait()
        assert handled.is_set()
        assert len(batches) == 1
        assert socket.output_queue.get_nowait() == CLOSED
        assert socket.output_queue.empty()


async def test_tasks_that_save_at_once_close_the_socket_once(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await asyncio.gather(*(self.change(number) for number in range(5)))

        async def change(self, number: int) -> None:
            self.scope["session"][f"late{number}"] = 1
            await self.send(str(number))

    async with known.socket(Consumer) as socket:
        await known.visit("end")
        await socket.send_to("go")
        await socket.wait()
        assert socket.output_queue.get_nowait() == CLOSED
        assert socket.output_queue.empty()


async def test_a_socket_that_never_writes_stays_open(known: Visitor, elsewhere: str) -> None:
    async with known.socket(Told) as socket:
        await known.visit(elsewhere)
        assert (await socket.ask("get"))["name"] == "Ada"


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
    assert await socket.receive_output() == CLOSED
    await socket.wait()
    assert codes == [CloseCode.SESSION_ENDED]


async def test_changes_at_disconnect_do_not_revive_the_session(
    known: Visitor, elsewhere: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    class Consumer(Told):
        async def disconnect(self, code: int) -> None:
            self.scope["session"]["late"] = 1

    async with known.socket(Consumer):
        await known.visit(elsewhere)
        before = contents(redis_client)
    assert contents(redis_client) == before
    [record] = [each for each in caplog.records if each.name == "redis_sessions"]
    assert "are lost" in record.getMessage()


async def test_a_consumer_that_saves_itself_is_told_and_then_the_socket_closes(
    known: Visitor, elsewhere: str
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"]["late"] = 1
            with pytest.raises(SessionGone):
                await self.scope["session"].asave()

    async with known.socket(Consumer) as socket:
        await known.visit(elsewhere)
        await socket.send_to("go")
        assert await socket.receive_output() == CLOSED
        await socket.wait()


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
    assert seen == [{**CLOSED, "type": "websocket.disconnect"}]
    assert "BrokenPipeError" in caplog.text


async def test_an_application_is_disconnected_once_and_then_hears_the_server(
    known: Visitor,
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await known.visit("end")
        scope["session"]["late"] = 1
        while len(seen) < 2:
            seen.append(await receive())

    seen: list[Any] = []
    async with known.socket(application) as socket:
        assert await socket.receive_output() == CLOSED
        await socket.leave()
    server_said = {"type": "websocket.disconnect", "code": 1000}
    assert seen == [{**CLOSED, "type": "websocket.disconnect"}, server_said]


async def test_no_frame_is_lost_to_a_consumer_whose_session_ends_while_it_handles_another(
    known: Visitor,
) -> None:
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
        await until(lambda: 4401 in seen)
        await socket.wait()
    assert seen == [*"abc"[: len(seen) - 1], 4401]


def test_codes_of_applications_are_in_the_range_that_is_theirs() -> None:
    assert all(code in range(4000, 5000) for code in CloseCode)
