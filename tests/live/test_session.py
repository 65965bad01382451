"""What a consumer finds in ``scope["session"]``: the browser's session, loaded, with its API."""

import asyncio
import json
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.core.exceptions import SynchronousOnlyOperation
from django.test import Client

from redis_sessions.session import SessionStore
from tests.consumers import Told, ToldSync
from tests.live.visitors import Visitor, until

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


async def test_the_session_is_loaded_before_connect(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept(self.scope["session"]["name"])

    socket = known.socket(Consumer)
    assert await socket.connect() == (True, "Ada")
    await socket.leave()


@KINDS
async def test_a_consumer_reads_what_http_wrote(known: Visitor, consumer: Any) -> None:
    async with known.socket(consumer) as socket:
        assert await socket.ask("get") == {"name": "Ada", "list": [1]}


@KINDS
async def test_http_reads_what_a_consumer_wrote(known: Visitor, consumer: Any) -> None:
    async with known.socket(consumer) as socket:
        await socket.ask("set_and_answer", name="Grace", more=[{"a": None}])
        assert await known.shown() == {"name": "Grace", "list": [1], "more": [{"a": None}]}


@KINDS
def test_a_consumer_and_djangos_sync_test_client_share_the_session(consumer: Any) -> None:
    client, visitor = Client(), Visitor()
    client.post("/change-in-a-thread/", {"name": "Ada"}, "application/json")
    visitor.client.cookies = client.cookies

    async def rename() -> None:
        async with visitor.socket(consumer) as socket:
            assert await socket.ask("get") == {"name": "Ada"}
            await socket.tell("set", name="Grace")

    asyncio.run(rename())
    assert client.get("/show/").json() == {"name": "Grace"}


async def test_the_sync_api_works_in_the_event_loop_on_loaded_data(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            session = self.scope["session"]
            assert (session["name"], session.get("no", 2), "list" in session) == ("Ada", 2, True)
            assert (session.has_key("name"), session.is_empty()) == (True, False)
            assert sorted(session.keys()) == ["list", "name"]
            assert ("name", "Ada") in session.items()
            assert "Ada" in session.values()
            assert session.pop("name") == "Ada"
            assert session.setdefault("new", 1) == 1
            session.update({"more": 2})
            del session["list"]
            session.set_expiry(1000)
            assert (session.get_expiry_age(), session.get_expire_at_browser_close()) == (
                1000,
                False,
            )
            await self.send(session.id)

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        assert await socket.receive_from() == known.session_key[:14]
    assert await known.shown() == {"new": 1, "more": 2, "_session_expiry": 1000}


async def test_the_async_api_works_in_an_async_consumer(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            session = self.scope["session"]
            assert (await session.aget("name"), await session.ahas_key("list")) == ("Ada", True)
            assert sorted(await session.akeys()) == ["list", "name"]
            assert ("name", "Ada") in await session.aitems()
            assert "Ada" in await session.avalues()
            assert await session.apop("name") == "Ada"
            assert await session.asetdefault("new", 1) == 1
            await session.aset("set", 3)
            await session.aupdate({"more": 2})
            await session.aset_expiry(1000)
            assert await session.aget_expiry_age() == 1000
            assert await session.aexists(session.session_key)
            await self.send("done")

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await socket.receive_from()
    expected = {"list": [1], "new": 1, "set": 3, "more": 2, "_session_expiry": 1000}
    assert await known.shown() == expected


async def test_a_sync_save_in_the_event_loop_is_refused_and_asave_works(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            session = self.scope["session"]
            session["name"] = "Grace"
            for method in (session.save, session.cycle_key, session.load):
                with pytest.raises(SynchronousOnlyOperation):
                    method()
            await session.asave()
            at_asave.append(known.stored())
            await self.send("done")

    at_asave: list[Any] = []
    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await socket.receive_from()
    assert at_asave == [{"name": "Grace", "list": [1]}]


async def test_a_sync_consumer_reads_and_saves_in_its_thread(known: Visitor) -> None:
    class Consumer(WebsocketConsumer):
        def receive(self, text_data: str) -> None:
            session = self.scope["session"]
            session["name"] = "Grace"
            session.save()
            at_save.append(dict(SessionStore(session.session_key).items()))
            self.send(json.dumps(dict(session.load())))

    at_save: list[Any] = []
    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        assert await socket.receive_json_from() == {"name": "Grace", "list": [1]}
    assert at_save == [{"name": "Grace", "list": [1]}]


@KINDS
async def test_nobody_gets_a_record_for_an_open_socket(
    visitor: Visitor, consumer: Any, redis_client: Any
) -> None:
    async with visitor.socket(consumer) as socket:
        assert await socket.ask("get") == {}
        assert await socket.ask("set_and_answer", nothing=None, empty=[]) == "done"
    assert redis_client.dbsize() == 0
    assert socket.set_cookies == []


@KINDS
async def test_data_of_somebody_unknown_is_stored_once_there_is_some(
    visitor: Visitor, consumer: Any, redis_client: Any
) -> None:
    async with visitor.socket(consumer) as socket:
        await socket.tell("set", name="Ada")
        [record] = await until(lambda: redis_client.keys("session:*"))
        await socket.tell("set", more=1)
        await until(lambda: redis_client.hexists(record, "more"))
    assert redis_client.keys("*") == [record]


async def test_a_socket_that_was_emptied_keeps_its_record_for_a_while(
    known: Visitor, redis_client: Any, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"EMPTY_AGE": 60}
    async with known.socket(Told) as socket:
        await socket.tell("remove", key="list")
        await socket.tell("remove", key="name")
        await until(lambda: not redis_client.hexists(known.record, "name"))
        assert 0 < redis_client.ttl(known.record) <= 60
        await socket.ask("set_and_answer", name="Grace")
        assert redis_client.ttl(known.record) > 60
        assert await known.shown() == {"name": "Grace"}


async def test_a_socket_that_cleared_its_session_can_begin_again(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            self.scope["session"].clear()
            await self.send("cleared")
            self.scope["session"]["name"] = text_data
            await self.send("named")

    async with known.socket(Consumer) as socket:
        await socket.send_to("Grace")
        await socket.receive_from()
        await socket.receive_from()
        assert await known.shown() == {"name": "Grace"}
