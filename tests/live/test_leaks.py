"""What sockets leave behind: nothing. Every test of this folder looks for tasks that are left."""

import asyncio
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer

from redis_sessions.live import LiveSessionMiddlewareStack
from redis_sessions.live.hub import _hubs
from redis_sessions.live.socket import LiveSession
from redis_sessions.live.turns import Turn
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.consumers import Told, ToldSync
from tests.live.outages import Fickle, waits
from tests.live.visitors import BOUND, Socket, Visitor, until
from tests.live.wires import lives, nobody_listens_afterwards

assert nobody_listens_afterwards

OURS = (LiveSession, Turn, SessionStore)


def ours() -> list[Any]:
    return [each for each in gc.get_objects() if issubclass(type(each), OURS)]


@pytest.fixture
def _no_object_left() -> Iterator[None]:
    gc.collect()
    before = len(ours())
    yield
    gc.collect()
    assert len(ours()) == before


async def come_and_go(visitor: Visitor, consumer: Any, number: int) -> None:
    async with visitor.socket(consumer) as socket:
        if number % 2:
            await socket.tell("set", **{f"key{number}": number})
        else:
            await socket.ask("set_and_answer", **{f"key{number}": number})


@pytest.mark.usefixtures("_no_object_left")
@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_200_sockets_leave_no_task_no_object_and_no_connection(
    known: Visitor, consumer: Any, redis_client: redis.Redis
) -> None:
    connections = redis_client.info("clients")["connected_clients"]
    for start in range(0, 200, 10):
        numbers = range(start, start + 10)
        await asyncio.gather(*(come_and_go(known, consumer, number) for number in numbers))
        assert len(asyncio.all_tasks()) == 1
    assert redis_client.info("clients")["connected_clients"] <= connections + 10
    assert known.stored().keys() == {"name", "list", *(f"key{number}" for number in range(200))}


@pytest.mark.usefixtures("_no_object_left")
async def test_sockets_that_were_closed_for_their_session_leave_nothing(known: Visitor) -> None:
    for do in ("set", "set_and_answer") * 5:
        await known.change(name="Ada")
        async with known.socket(Told) as socket:
            await known.visit("end")
            await socket.tell(do, late=1)
            assert (await socket.receive_output())["code"] == 4401
            await socket.wait()


async def cancelled(socket: Socket) -> None:
    """End the application as a server does that shuts down."""
    socket.future.cancel()
    await asyncio.wait([socket.future], timeout=5)
    assert socket.future.cancelled()


@pytest.mark.usefixtures("_no_object_left")
@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_an_application_that_is_cancelled_leaves_nothing(
    known: Visitor, consumer: Any
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(5):
            async with known.socket(consumer) as socket:
                await socket.ask("get")
                await cancelled(socket)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        gc.collect()
    assert caught == []


async def test_an_application_that_is_cancelled_saves_what_it_changed(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"]["name"] = "Grace"
            handling.set()
            await asyncio.get_running_loop().create_future()

    handling = asyncio.Event()
    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await handling.wait()
        await cancelled(socket)
    assert known.stored()["name"] == "Grace"


@pytest.mark.usefixtures("_no_object_left")
async def test_an_application_that_is_cancelled_during_a_save_leaves_nothing(
    known: Visitor, redis_client: redis.Redis, settings: Any, server: Any
) -> None:
    class Consumer(Told):
        async def set(self, **values: Any) -> None:
            await super().set(**values)
            handled.set()

    handled = asyncio.Event()
    async with known.socket(Consumer) as socket:
        await socket.ask("get")
        settings.CACHES = caches(server.url)  # a new pool: the save has to connect first
        redis_client.client_pause(200)
        await socket.tell("set", name="Grace")
        await handled.wait()
        for _ in range(10):  # turns of the loop, until the save waits for its connection
            await asyncio.sleep(0)
        await cancelled(socket)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
    assert known.stored()["name"] == "Grace"


@pytest.mark.parametrize("do", ["set", "set_and_answer"])
async def test_an_application_that_is_cancelled_while_the_server_is_away_ends_soon(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture, do: str
) -> None:
    async with known.socket(Told) as socket:
        fickle.go()
        await socket.tell(do, name="Grace")
        await until(lambda: waits(caplog))
        await cancelled(socket)
    assert "The last changes of session" in caplog.text


@pytest.mark.usefixtures("_no_object_left", "nobody_listens_afterwards")
async def test_a_server_that_cancels_while_a_client_does_not_read_the_close_leaves_nothing(
    known: Visitor,
) -> None:
    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            closing.set()
            await asyncio.get_running_loop().create_future()

    async def receive() -> Any:
        if not connected:
            connected.append(True)
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()

    closing, connected = asyncio.Event(), []
    scope = {"type": "websocket", "headers": known.cookie_headers()}
    application = LiveSessionMiddlewareStack(Told.as_asgi())
    running = asyncio.ensure_future(application(scope, receive, send))
    [live] = await until(lambda: connected and lives(known))
    await until(lambda: live.has_answered)
    await known.visit("end")
    await closing.wait()
    await until(lambda: live._saver._is_finished)
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)
    assert running.cancelled()


@pytest.mark.usefixtures("nobody_listens_afterwards")
async def test_a_server_that_cancels_while_the_last_socket_ends_leaves_no_listener(
    known: Visitor,
) -> None:
    loop = asyncio.get_running_loop()
    socket = known.socket(Told)
    await socket.connect()
    ours = _hubs[loop]
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    async with asyncio.timeout(BOUND):
        while loop in _hubs:  # noqa: ASYNC110 - no turn longer than until the hub begins to end
            await asyncio.sleep(0)
    assert not all(task.done() for task in ours._tasks)
    await cancelled(socket)
    async with known.socket(Told):
        await until(lambda: all(task.done() for task in ours._tasks))
        assert _hubs[loop] is not ours


async def test_a_hub_that_has_ended_ends_no_other(known: Visitor) -> None:
    loop = asyncio.get_running_loop()
    async with known.socket(Told):
        former = _hubs[loop]
        [live] = lives(known)
    async with known.socket(Told) as socket:
        await former.leave(live, "nothing")
        await known.change(name="Grace")
        assert (await socket.ask("get"))["name"] == "Grace"
        assert _hubs[loop] is not former


async def test_an_application_that_stops_listening_leaves_no_task(known: Visitor) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        waiting.append(asyncio.ensure_future(receive()))

    waiting: list[Any] = []
    socket = known.socket(application)
    await socket.connect()
    await socket.wait()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    assert waiting[0].cancelled()
