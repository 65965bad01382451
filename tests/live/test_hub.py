"""What happens to a session elsewhere reaches its sockets, and what they change is saved."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.test import Client

from redis_sessions.session import SessionStore
from tests.consumers import Told, ToldSync
from tests.live.visitors import BOUND, Visitor, until
from tests.observers import contents

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])

PROCESS = """
import sys
import django
django.setup()
from redis_sessions.session import SessionStore
session = SessionStore(sys.argv[1])
session["name"] = "Grace"
session.save()
"""


async def by_async_http(visitor: Visitor) -> None:
    await visitor.change(name="Grace")


async def by_sync_http(visitor: Visitor) -> None:
    client = Client()
    client.cookies = visitor.client.cookies
    body = b'{"name": "Grace"}'
    post = sync_to_async(client.post, thread_sensitive=False)
    await post("/change-in-a-thread/", body, "application/json")


async def by_another_socket(visitor: Visitor) -> None:
    async with visitor.socket(ToldSync) as socket:
        await socket.ask("set_and_answer", name="Grace")


async def by_another_process(visitor: Visitor) -> None:
    command = [sys.executable, "-c", PROCESS, visitor.session_key or ""]
    await asyncio.to_thread(subprocess.run, command, check=True)


WAYS = [by_async_http, by_sync_http, by_another_socket, by_another_process]


@KINDS
@pytest.mark.parametrize("way", WAYS)
async def test_the_next_frame_finds_what_was_changed_elsewhere(
    known: Visitor, consumer: Any, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    async with known.socket(consumer) as socket:
        assert (await socket.ask("get"))["name"] == "Ada"
        await way(known)
        assert (await socket.ask("get"))["name"] == "Grace"


@KINDS
async def test_each_of_many_frames_finds_the_change_right_before_it(
    known: Visitor, consumer: Any
) -> None:
    async with known.socket(consumer) as socket:
        for number in range(100):
            await known.change(name=number)
            assert (await socket.ask("get"))["name"] == number


async def test_frames_that_only_read_ask_the_server_nothing(
    known: Visitor, redis_client: redis.Redis
) -> None:
    async with known.socket(Told) as socket:
        await known.change(name="Grace")
        await socket.ask("get")
        before = redis_client.info("commandstats")
        for _ in range(50):
            await socket.ask("get")
        after = redis_client.info("commandstats")
    calls = {name: stat["calls"] for name, stat in after.items() if name != "cmdstat_info"}
    assert calls == {name: before[name]["calls"] for name in calls}


async def test_unsaved_changes_stay_on_top_nested_ones_too_and_are_saved_later(
    known: Visitor,
) -> None:
    class Consumer(Told):
        async def change(self) -> None:
            self.scope["session"]["list"].append(2)
            self.scope["session"]["mine"] = 1
            await known.change(list=[7], mine=7, name="Grace")

    expected = {"name": "Grace", "list": [1, 2], "mine": 1}
    async with known.socket(Consumer) as socket:
        await socket.tell("change")
        await until(lambda: known.stored() == expected)
        assert await socket.ask("get") == expected


@pytest.mark.parametrize("nested", [True, False])
async def test_a_state_that_is_taken_in_leaves_what_is_unsaved_to_be_saved(
    known: Visitor, *, nested: bool
) -> None:
    mine, theirs = SessionStore(known.session_key), SessionStore(known.session_key)
    if nested:
        (await mine.aget("list")).append(2)
    else:
        await mine.aset("list", [1, 2])
    await theirs.aset("list", [9])
    await theirs.aset("name", "Grace")
    await theirs.asave()
    record = await read(mine)
    assert mine.refresh(record) == {"list", "name"}
    assert mine.modified
    assert dict(await mine.aitems()) == {"name": "Grace", "list": [1, 2]}
    await mine.asave()
    assert known.stored() == {"name": "Grace", "list": [1, 2]}


async def test_a_state_that_is_taken_in_makes_nothing_modified_by_itself(known: Visitor) -> None:
    session = SessionStore(known.session_key)
    assert dict(await session.aitems()) == {"name": "Ada", "list": [1]}
    await known.change(list=[9])
    assert session.refresh(await read(session)) == {"list"}
    assert not session.modified


async def read(session: SessionStore) -> Any:
    from redis_sessions import executors, operations

    return (await executors.arun("sessions", operations.peek(session.id or "")))[0]


@pytest.mark.django_db(transaction=True)
async def test_the_user_follows_the_session(known: Visitor, ada: Any) -> None:
    class Consumer(Told):
        async def who(self) -> None:
            await self.send_json(str(self.scope["user"]))

    async with known.socket(Consumer) as socket:
        assert await socket.ask("who") == "AnonymousUser"
        session = SessionStore(known.session_key)
        values = {"_auth_user_backend": "django.contrib.auth.backends.ModelBackend"}
        values |= {"_auth_user_id": str(ada.pk), "_auth_user_hash": ada.get_session_auth_hash()}
        await session.aupdate(values)
        await session.asave()
        async with asyncio.timeout(BOUND):
            while await socket.ask("who") != "ada":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await session.apop("_auth_user_id")
        await session.asave()
        async with asyncio.timeout(BOUND):
            while await socket.ask("who") != "AnonymousUser":  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("in_a_thread", [True, False])
async def test_what_a_task_or_a_thread_changes_is_saved_without_a_frame(
    known: Visitor, *, in_a_thread: bool
) -> None:
    class Consumer(Told):
        async def work(self) -> None:
            self.task = asyncio.create_task(self.later())

        async def later(self) -> None:
            await asyncio.sleep(0.02)  # the handler is done by then
            if in_a_thread:
                await asyncio.to_thread(self.scope["session"].__setitem__, "name", "Grace")
            else:
                self.scope["session"]["list"].append(2)
            await asyncio.get_running_loop().create_future()

        async def disconnect(self, code: int) -> None:
            self.task.cancel()

    async with known.socket(Consumer) as socket:
        await socket.tell("work")
        await until(lambda: known.stored() != {"name": "Ada", "list": [1]})
        assert socket.output_queue.empty()


async def test_frames_of_the_client_renew_a_rolling_session_and_pushes_do_not(
    known: Visitor, redis_client: redis.Redis, settings: Any
) -> None:
    class Consumer(Told):
        async def connect(self) -> None:
            await self.accept()
            self.task = asyncio.create_task(self.push())

        async def push(self) -> None:
            for number in range(50):
                await self.send_json(number)
            done.set()

        async def ignore(self) -> None:
            pass

    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 1}
    done = asyncio.Event()
    async with known.socket(Consumer) as socket:
        await asyncio.sleep(1.2)
        before = contents(redis_client)
        await asyncio.wait_for(done.wait(), BOUND)
        assert contents(redis_client) == before
        await socket.tell("ignore")
        await until(lambda: contents(redis_client) != before)
        [(_, renewed)], [(_, former)] = contents(redis_client).values(), before.values()
        assert renewed > former


async def test_frames_within_the_touch_interval_renew_nothing(
    known: Visitor, redis_client: redis.Redis, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 3600}
    async with known.socket(Told) as socket:
        await socket.ask("get")
        before = contents(redis_client)
        for _ in range(20):
            await socket.ask("get")
        assert contents(redis_client) == before


@KINDS
async def test_a_reply_waits_for_a_save_that_is_under_way(
    known: Visitor, consumer: Any, redis_client: redis.Redis
) -> None:
    async with known.socket(consumer) as socket:
        await socket.ask("get")
        redis_client.client_pause(100, all=False)  # saves wait, reads do not
        await socket.tell("set", name="Grace")
        assert (await socket.ask("get"))["name"] == "Grace"
        assert known.stored()["name"] == "Grace"
