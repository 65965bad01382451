"""Locks in consumers: handlers and HTTP views take turns at one session."""

import asyncio
import contextlib
from types import ModuleType
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from redis_sessions.decorators import serialized_by_session
from redis_sessions.exceptions import LockLost, SessionGone
from tests.live.visitors import Visitor, until

NUMBER = 8  # increments of each


@serialized_by_session(blocking_timeout=60)
async def add(request: HttpRequest) -> HttpResponse:
    n = await request.session.aget("n")
    await asyncio.sleep(0.001)
    await request.session.aset("n", n + 1)
    return HttpResponse()


class Adder(AsyncJsonWebsocketConsumer):
    """Adds to a number of the session, under its lock."""

    @serialized_by_session(blocking_timeout=60)
    async def receive_json(self, content: Any) -> None:
        session = self.scope["session"]
        n = session["n"]
        await asyncio.sleep(0.001)
        session["n"] = n + 1
        await self.send_json(n + 1)


class SyncAdder(JsonWebsocketConsumer):
    """See Adder."""

    @serialized_by_session(blocking_timeout=60)
    def receive_json(self, content: Any) -> None:
        session = self.scope["session"]
        session["n"] += 1
        self.send_json(session["n"])


@pytest.fixture(autouse=True)
def _pages(settings: Any, _site: None) -> None:
    urls = ModuleType("urls")
    urls.urlpatterns = [path("add/", add), path("", include("tests.live.pages"))]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = urls


@pytest.mark.parametrize("consumer", [Adder, SyncAdder])
async def test_sockets_and_views_lose_no_increment(visitor: Visitor, consumer: Any) -> None:
    await visitor.change(n=0)

    async def by_socket() -> list[int]:
        async with visitor.socket(consumer) as socket:
            answers = []
            for _ in range(NUMBER):
                await socket.send_json_to({})
                answers.append(await socket.receive_json_from())
            return answers

    async def by_http() -> None:
        for _ in range(NUMBER):
            await visitor.visit("add")

    *answers, _, _ = await asyncio.gather(by_socket(), by_socket(), by_http(), by_http())
    assert (await visitor.shown())["n"] == 4 * NUMBER
    assert all(sorted(set(given)) == given for given in answers)
    assert not set(answers[0]) & set(answers[1])


async def test_a_frame_that_leaves_within_a_block_has_saved_under_the_lock(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any) -> None:
            session = self.scope["session"]
            try:
                async with session.alock():
                    session["n"] = 1
                    await self.send_json("first")
                    redis_client.delete(f"{visitor.record}:lock")
                    session["n"] = 2
                    await self.send_json("second")
            except LockLost:
                await self.send_json("lost")

    await visitor.change(n=0)
    async with visitor.socket(Consumer) as socket:
        await socket.send_json_to({})
        assert await socket.receive_json_from() == "first"
        assert await socket.receive_json_from() == "lost"
        assert visitor.stored() == {"n": 1}
    assert visitor.stored() == {"n": 1}


async def test_a_task_of_a_consumer_can_lock(visitor: Visitor, redis_client: redis.Redis) -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any) -> None:
            self.task = asyncio.ensure_future(self.add())

        async def add(self) -> None:
            async with self.scope["session"].alock() as session:
                n = session["n"]
                await asyncio.sleep(0.3)  # longer than until what a task did is saved
                session["n"] = n + 1

        async def disconnect(self, code: int) -> None:
            await self.task

    await visitor.change(n=0)
    async with visitor.socket(Consumer) as socket:
        await socket.send_json_to({})
        await until(lambda: redis_client.exists(f"{visitor.record}:lock"))
        await visitor.visit("add")
    assert visitor.stored() == {"n": 2}


async def test_a_task_that_expects_to_lose_the_lock_goes_on_and_so_does_its_socket(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    class Consumer(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any) -> None:
            self.task = asyncio.ensure_future(self.lose())

        async def lose(self) -> None:
            with contextlib.suppress(LockLost):
                async with self.scope["session"].alock() as session:
                    redis_client.delete(f"{visitor.record}:lock")
                    session["n"] = 5
                    await asyncio.sleep(0.3)  # longer than until what a task did is saved
            await self.send_json("lost")

    await visitor.change(n=0)
    async with visitor.socket(Consumer) as socket:
        for _ in range(2):
            await socket.send_json_to({})
            assert await socket.receive_json_from() == "lost"
    assert visitor.stored() == {"n": 0}


async def test_a_client_that_leaves_while_a_task_has_lost_the_lock_ends_the_socket_as_ever(
    visitor: Visitor, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    tasks: list[asyncio.Task[None]] = []
    inside = asyncio.Event()

    class Consumer(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content: Any) -> None:
            tasks.append(asyncio.ensure_future(self.lose()))

        async def lose(self) -> None:
            async with self.scope["session"].alock() as session:
                redis_client.delete(f"{visitor.record}:lock")
                session["n"] = 5
                inside.set()
                await asyncio.sleep(60)

    await visitor.change(n=0)
    async with visitor.socket(Consumer) as socket:
        await socket.send_json_to({})
        await inside.wait()
        await socket.disconnect()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert "The last changes of session" in caplog.text
    assert visitor.stored() == {"n": 0}


async def test_a_handler_that_waits_for_the_lock_learns_that_the_session_ended(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    await visitor.change(n=0)
    redis_client.set(f"{visitor.record}:lock", "another")
    async with visitor.socket(Adder) as socket:
        await socket.send_json_to({})
        await visitor.visit("end")
        with pytest.raises(SessionGone):
            await socket.wait()
