"""Sockets and pages that write to one session, in turn and at once."""

import asyncio
import threading
from typing import Any

import pytest
import redis
from django.contrib.sessions.serializers import JSONSerializer

from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until

PAIRS = pytest.mark.parametrize(
    ("first", "second"), [(Told, Told), (Told, ToldSync), (ToldSync, ToldSync)]
)


@PAIRS
async def test_two_sockets_and_http_in_turn_lose_nothing(
    known: Visitor, first: Any, second: Any
) -> None:
    expected: dict[str, Any] = {}
    async with known.socket(first) as one, known.socket(second) as two:
        for number in range(10):
            await one.ask("set_and_answer", one=number, **{f"one{number}": 1})
            await known.change(http=number, **{f"http{number}": 1})
            await two.ask("set_and_answer", two=number, **{f"two{number}": 1})
            expected |= dict.fromkeys(("one", "http", "two"), number)
            expected |= {f"{name}{number}": 1 for name in ("one", "http", "two")}
            assert known.stored() == {"name": "Ada", "list": [1], **expected}


@PAIRS
async def test_two_sockets_and_http_at_once_lose_nothing(
    known: Visitor, first: Any, second: Any
) -> None:
    async def ask(socket: Any, name: str) -> None:
        for number in range(50):
            await socket.ask("set_and_answer", **{f"{name}{number}": number})

    async def tell(socket: Any, name: str) -> None:
        for number in range(50):
            await socket.tell("set", **{f"{name}{number}": number})

    async def visit(name: str) -> None:
        for number in range(50):
            await known.change(**{f"{name}{number}": number})

    async with known.socket(first) as one, known.socket(second) as two:
        await asyncio.gather(ask(one, "one"), tell(two, "two"), visit("http"))
        names = ("one", "two", "http")
        expected = {f"{name}{number}": number for name in names for number in range(50)}
        await until(lambda: known.stored() == {"name": "Ada", "list": [1], **expected})


async def test_of_two_changes_of_one_key_the_later_save_wins(known: Visitor) -> None:
    async with known.socket(Told) as one, known.socket(ToldSync) as two:
        await one.ask("set_and_answer", name="one")
        await two.ask("set_and_answer", name="two")
        assert known.stored()["name"] == "two"
        await known.change(name="http")
        await one.ask("set_and_answer", other=1)
        assert known.stored()["name"] == "http"


async def test_the_tasks_of_a_consumer_at_once_lose_nothing(known: Visitor) -> None:
    class Consumer(Told):
        async def fill(self) -> None:
            await asyncio.gather(*(self.change(number) for number in range(100)))
            await self.send_json("filled")

        async def change(self, number: int) -> None:
            await asyncio.sleep(0)
            await self.set_and_answer(**{f"key{number}": number})
            self.scope["session"]["list"].append(number)

    async with known.socket(Consumer) as socket:
        await socket.tell("fill")
        while await socket.receive_json_from() != "filled":
            pass
        stored = known.stored()
    assert sorted(stored.pop("list")) == sorted([1, *range(100)])
    assert stored == {"name": "Ada", **{f"key{number}": number for number in range(100)}}


class Gated(JSONSerializer):
    """Lets a thread change the session while the event loop looks through it."""

    is_armed = False
    is_looking, has_changed = threading.Event(), threading.Event()

    def dumps(self, obj: Any) -> bytes:
        if Gated.is_armed and threading.current_thread() is threading.main_thread():
            Gated.is_armed = False
            self.is_looking.set()
            assert self.has_changed.wait(5)
        return super().dumps(obj)


async def test_a_sync_consumer_may_change_the_session_while_the_loop_saves_it(
    known: Visitor, settings: Any, redis_client: redis.Redis
) -> None:
    class Consumer(ToldSync):
        def change_meanwhile(self) -> None:
            Gated.is_armed = True
            assert Gated.is_looking.wait(5)
            self.scope["session"]["new"] = 1
            Gated.has_changed.set()
            self.send_json("done")

    settings.SESSION_SERIALIZER = "tests.live.test_concurrency.Gated"
    async with known.socket(Consumer) as socket:
        await socket.ask("get")
        redis_client.client_pause(100)  # the first save ends when the third frame is being handled
        await socket.tell("set", name="Grace")
        await socket.tell("set", more=2)
        await socket.tell("change_meanwhile")
        assert await socket.receive_json_from() == "done"
    assert known.stored() == {"name": "Grace", "list": [1], "more": 2, "new": 1}
