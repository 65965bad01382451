"""What is written when a consumer's changes are saved: as little as possible, and nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until
from tests.observers import recorded_batches

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])
Writes = Callable[[Visitor], int]


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
