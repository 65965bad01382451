"""Consumers that are told what happens to their session, and those that are not."""

import asyncio
import time
from typing import Any

import pytest

from redis_sessions.live import CloseCode, SessionEventsMixin, watch
from redis_sessions.session import SessionStore
from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


def watching(consumer: Any) -> Any:
    """Return a consumer that passes on what it is told, and notes the end."""
    is_async = issubclass(consumer, Told)

    class Watching(SessionEventsMixin, consumer):
        ended: list[Any] = []

        def session_changed(self, event: Any) -> Any:
            return self.send_json(event["keys"])

        def session_ended(self, event: Any) -> Any:
            self.ended.append((event["code"], event["reason"]))
            return asyncio.sleep(0) if is_async else None

        def disconnect(self, code: int) -> Any:
            self.ended.append(code)
            return asyncio.sleep(0) if is_async else None

    return Watching


@KINDS
async def test_who_watches_is_told_which_keys_were_changed(known: Visitor, consumer: Any) -> None:
    async with known.socket(watching(consumer)) as socket:
        await known.change(name="Grace", new=1)
        assert await socket.receive_json_from() == ["name", "new"]
        session = SessionStore(known.session_key)
        await session.apop("new")
        await session.asave()
        assert await socket.receive_json_from() == ["new"]


@KINDS
async def test_who_watches_is_told_of_the_end_and_then_disconnected(
    known: Visitor, consumer: Any
) -> None:
    watcher = watching(consumer)
    async with known.socket(watcher) as socket:
        await known.visit("end")
        assert (await socket.receive_output())["code"] == CloseCode.LOGGED_OUT
        await socket.wait()
    assert watcher.ended == [(CloseCode.LOGGED_OUT, "logged out"), CloseCode.LOGGED_OUT]


async def test_a_consumer_can_begin_to_watch_at_any_time(known: Visitor) -> None:
    class Consumer(Told):
        async def begin(self) -> None:
            watch(self.scope)
            await self.send_json("watching")

        async def session_changed(self, event: Any) -> None:
            await self.send_json(event["keys"])

    async with known.socket(Consumer) as socket:
        await known.change(name="Grace")
        await socket.ask("get")
        assert await socket.ask("begin") == "watching"
        await known.change(name="Alan")
        assert await socket.receive_json_from() == ["name"]


@KINDS
async def test_who_does_not_watch_gets_nothing(known: Visitor, consumer: Any) -> None:
    events: list[str] = []

    class Consumer(consumer):
        def __getattr__(self, name: str) -> Any:
            events.append(name)
            raise AttributeError(name)

    async with known.socket(Consumer) as socket:
        await known.change(name="Grace")
        assert (await socket.ask("get"))["name"] == "Grace"
        await known.visit("end")
        await socket.receive_output()
        await socket.wait()
    assert [name for name in events if name.startswith("session")] == []


@KINDS
async def test_ones_own_writes_do_not_come_back(known: Visitor, consumer: Any) -> None:
    async with known.socket(watching(consumer)) as socket:
        for number in range(20):
            assert await socket.ask("set_and_answer", name=number) == "done"
        await known.change(other=1)
        assert await socket.receive_json_from() == ["other"]
        assert await socket.receive_nothing(0.05)


async def test_what_another_socket_of_the_same_process_writes_is_told(known: Visitor) -> None:
    async with known.socket(watching(Told)) as one, known.socket(watching(Told)) as other:
        await one.ask("set_and_answer", name="Grace")
        assert await other.receive_json_from() == ["name"]
        assert await one.receive_nothing(0.05)


async def test_many_changes_are_told_together(known: Visitor) -> None:
    class Consumer(watching(Told)):  # type: ignore[misc]
        async def block(self) -> None:
            for number in range(50):
                await known.change(**{f"key{number:02}": number})

    async with known.socket(Consumer) as socket:
        await socket.tell("block")
        told = await socket.receive_json_from()
        if len(told) < 50:  # the last ones were not read yet
            told += await socket.receive_json_from()
        assert told == [f"key{number:02}" for number in range(50)]
        assert await socket.receive_nothing(0.05)


async def test_a_storm_of_changes_is_told_a_few_times_and_the_last_state_arrives(
    known: Visitor, redis_client: Any
) -> None:
    told: list[Any] = []

    class Consumer(watching(Told)):  # type: ignore[misc]
        async def session_changed(self, event: Any) -> None:
            told.append(event["keys"])

    def storm() -> None:
        session = SessionStore(known.session_key)
        for number in range(2000):
            session["name"] = number
            session.save()

    async with known.socket(Consumer) as socket:
        slept, started = 0.0, time.monotonic()
        running = asyncio.ensure_future(asyncio.to_thread(storm))
        while not running.done():
            before = time.monotonic()
            await asyncio.sleep(0.001)
            slept = max(slept, time.monotonic() - before)
        await running
        assert (await socket.ask("get"))["name"] == 1999
        lasted = time.monotonic() - started
    assert slept < 1
    assert 0 < len(told) <= lasted / 0.005 + 2


async def test_a_storm_of_messages_about_nothing_is_a_few_reads(
    known: Visitor, redis_client: Any
) -> None:
    def calls() -> int:
        return redis_client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]

    def storm() -> None:
        with redis_client.pipeline(transaction=False) as pipeline:
            for _ in range(5000):
                pipeline.publish(known.record, "saved elsewhere")
            pipeline.execute()

    async with known.socket(watching(Told)) as socket:
        before = calls()
        await asyncio.to_thread(storm)
        await socket.ask("get")
        await until(lambda: calls() > before)
        assert calls() - before < 500
        assert socket.output_queue.empty()
