"""When a consumer's changes are saved, which it never asks for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from tests.caches import caches
from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until
from tests.observers import recorded_batches

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])
Writes = Callable[[Visitor], int]


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


async def test_several_changes_of_one_handler_are_one_write(
    known: Visitor, monkeypatch: pytest.MonkeyPatch, writes: Writes
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            for number in range(10):
                self.scope["session"][f"key{number}"] = number
                self.scope["session"]["list"].append(number)
                await asyncio.sleep(0)

    async with known.socket(Consumer) as socket:
        before, batches = writes(known), recorded_batches(monkeypatch)
        await socket.send_to("go")
        await until(lambda: writes(known) > before)
    assert [len(batch) for batch in batches] == [1]
    assert writes(known) == before + 1


@KINDS
async def test_nothing_is_sent_to_the_server_where_nothing_changed(
    known: Visitor, consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Consumer(consumer):
        groups = ("all",)

    async with known.socket(Consumer) as socket:
        batches = recorded_batches(monkeypatch)
        await get_channel_layer().group_send("all", {"type": "event", "values": {}})
        await socket.tell("append", value=1)  # twice the same is a change
        await socket.ask("get")
        assert len(batches) == 1
        for _ in range(3):
            await socket.ask("get")
    assert len(batches) == 1


async def test_changes_that_are_made_during_a_save_are_saved_too(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            for number in range(200):
                self.scope["session"]["name"] = number
                self.scope["session"]["list"].append(number)
                if number % 20 == 0:
                    saves.append(asyncio.create_task(self.scope["session"].asave()))
                await asyncio.sleep(0)

    saves: list[Any] = []
    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await until(lambda: known.stored()["name"] == 199)
        await asyncio.gather(*saves)
    assert known.stored() == {"name": 199, "list": [1, *range(200)]}


async def test_events_that_are_handled_during_a_save_are_saved_after_it(
    known: Visitor, redis_client: redis.Redis
) -> None:
    async with known.socket(Told) as socket:
        await socket.ask("get")
        redis_client.client_pause(50)
        for number in range(20):
            await socket.tell("set", **{f"key{number}": number})
        await until(lambda: "key19" in known.stored())
        assert len(known.stored()) == 22


async def test_a_task_that_never_stops_changing_the_session_holds_no_frame(known: Visitor) -> None:
    class Consumer(Told):
        async def work(self) -> None:
            self.task = asyncio.create_task(self.count())

        async def count(self) -> None:
            while True:
                self.scope["session"]["list"].append(1)
                await asyncio.sleep(0)

        async def disconnect(self, code: int) -> None:
            self.task.cancel()

    async with known.socket(Consumer) as socket:
        await socket.tell("work")
        for number in range(5):
            assert await socket.ask("set_and_answer", name=number) == "done"
            assert known.stored()["name"] == number


@KINDS
async def test_what_http_changed_meanwhile_is_not_overwritten(
    known: Visitor, consumer: Any
) -> None:
    async with known.socket(consumer) as socket:
        await socket.ask("get")
        await known.change(name="Grace", new=1)
        await socket.ask("set_and_answer", mine=2)
        assert await known.shown() == {"name": "Grace", "list": [1], "new": 1, "mine": 2}


class Unstorable:
    pass


@pytest.mark.parametrize("do", ["assign", "nest"])
@pytest.mark.parametrize("answers", [True, False])
async def test_a_value_that_cannot_be_serialised_raises_in_the_application(
    known: Visitor, do: str, *, answers: bool
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            if do == "assign":
                self.scope["session"]["culprit"] = Unstorable()
            else:
                self.scope["session"]["list"].append(Unstorable())
            self.scope["session"]["other"] = 1
            if answers:
                await self.send("done")

    socket = known.socket(Consumer)
    await socket.connect()
    await socket.send_to("go")
    with pytest.raises(TypeError, match="'culprit'" if do == "assign" else "'list'"):
        await socket.wait()
    assert known.stored() == {"name": "Ada", "list": [1]}


async def test_a_consumer_can_catch_the_value_that_cannot_be_serialised(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"]["culprit"] = Unstorable()
            try:
                await self.send("done")
            except TypeError:
                del self.scope["session"]["culprit"]
                await self.send("caught")

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        assert await socket.receive_from() == "caught"
    assert known.stored() == {"name": "Ada", "list": [1]}
