"""When a consumer's changes are saved, which it never asks for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from tests.caches import caches
from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


@pytest.fixture(params=["in memory", "in the server"])
async def layer(request: pytest.FixtureRequest, settings: Any, server: Any) -> AsyncIterator[Any]:
    """Every kind of channel layer."""
    if request.param == "in the server":
        hosts = [{"address": server.url, "socket_timeout": None}]
        backend = "channels_redis.core.RedisChannelLayer"
        config = {"hosts": hosts, "prefix": "layer"}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    opened = get_channel_layer()
    yield opened
    await opened.flush()
    if request.param == "in the server":
        await opened.close_pools()


@KINDS
async def test_a_client_that_has_the_reply_may_rely_on_the_save(
    known: Visitor, consumer: Any
) -> None:
    async with known.socket(consumer) as socket:
        for number in range(20):
            await socket.ask("set_and_answer", name=number)
            assert known.stored()["name"] == number


async def test_the_session_is_saved_before_the_socket_is_accepted(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            self.scope["session"]["name"] = "Grace"
            await self.accept()

    async with known.socket(Consumer):
        assert known.stored()["name"] == "Grace"


async def test_the_session_is_saved_before_the_consumer_closes_the_socket(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"]["name"] = "Grace"
            await self.close(4000)

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        assert (await socket.receive_output())["code"] == 4000
        assert known.stored()["name"] == "Grace"


async def test_a_denied_handshake_is_saved_too(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            self.scope["session"]["denied"] = 1
            await self.close()

    socket = known.socket(Consumer)
    assert await socket.connect() == (False, 1000)
    assert known.stored()["denied"] == 1
    await socket.leave()


@KINDS
async def test_a_frame_without_a_reply_is_saved_once_it_is_handled(
    known: Visitor, consumer: Any
) -> None:
    async with known.socket(consumer) as socket:
        await socket.tell("set", name="Grace")
        await until(lambda: known.stored()["name"] == "Grace")


@KINDS
async def test_a_nested_change_is_found(known: Visitor, consumer: Any) -> None:
    async with known.socket(consumer) as socket:
        await socket.tell("append", value={"a": []})
        await until(lambda: known.stored()["list"] == [1, {"a": []}])
        await socket.tell("append", value=3)
        await until(lambda: known.stored()["list"] == [1, {"a": []}, 3])


@KINDS
async def test_an_event_of_the_channel_layer_is_saved_once_it_is_handled(
    known: Visitor, consumer: Any, layer: Any
) -> None:
    class Consumer(consumer):
        groups = ("all",)

    async with known.socket(Consumer):
        for name in ("Grace", "Alan"):
            await layer.group_send("all", {"type": "event", "values": {"name": name}})
            await until(lambda name=name: known.stored()["name"] == name)


@KINDS
async def test_what_disconnect_changes_is_saved(known: Visitor, consumer: Any) -> None:
    class Consumer(consumer):
        def websocket_disconnect(self, message: Any) -> Any:
            self.scope["session"]["code"] = message["code"]
            return super().websocket_disconnect(message)

    async with known.socket(Consumer):
        pass
    assert known.stored()["code"] == 1000


@KINDS
async def test_a_change_right_before_the_client_leaves_is_saved(
    known: Visitor, consumer: Any
) -> None:
    for number in range(20):
        async with known.socket(consumer) as socket:
            await socket.tell("set", name=number)
        assert known.stored()["name"] == number


async def test_a_save_that_is_under_way_when_the_client_leaves_is_completed(
    known: Visitor, redis_client: redis.Redis, settings: Any, server: Any
) -> None:
    async with known.socket(Told) as socket:
        await socket.ask("get")
        settings.CACHES = caches(server.url)  # a new pool: the save has to connect first
        redis_client.client_pause(200)
        await socket.tell("set", name="Grace")
        await asyncio.sleep(0)
    assert known.stored()["name"] == "Grace"


async def test_a_task_of_the_consumer_is_saved_with_its_next_frame(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            self.task = asyncio.create_task(self.work())

        async def work(self) -> None:
            await told.wait()
            self.scope["session"]["name"] = "Grace"
            await self.send("done")

    told = asyncio.Event()
    async with known.socket(Consumer) as socket:
        told.set()
        await socket.receive_from()
        assert known.stored()["name"] == "Grace"


async def test_a_task_of_the_consumer_that_sends_nothing_is_saved_with_the_next_event(
    known: Visitor,
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            self.task = asyncio.create_task(self.work())

        async def work(self) -> None:
            await told.wait()
            self.scope["session"]["name"] = "Grace"

        async def receive(self, text_data: str) -> None:
            await self.task

    told = asyncio.Event()
    async with known.socket(Consumer) as socket:
        told.set()
        await socket.send_to("go")
        await until(lambda: known.stored()["name"] == "Grace")


@KINDS
async def test_what_was_changed_before_an_error_is_saved(known: Visitor, consumer: Any) -> None:
    class Consumer(consumer):
        def websocket_receive(self, message: Any) -> Any:
            self.scope["session"]["name"] = "Grace"
            raise ZeroDivisionError

    socket = known.socket(Consumer)
    await socket.connect()
    await socket.send_to("go")
    with pytest.raises(ZeroDivisionError):
        await socket.wait()
    assert known.stored()["name"] == "Grace"
