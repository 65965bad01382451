"""The hub's one connection: how many there are, what is heard when it was lost, what bounds it."""

import asyncio
from typing import Any

import pytest
import redis

from redis_sessions.live import CloseCode
from redis_sessions.live.hub import _hubs
from tests.consumers import Told, ToldSync
from tests.live.outages import Fickle
from tests.live.test_events import watching
from tests.live.visitors import BOUND, Visitor, until


def listeners(client: redis.Redis) -> list[Any]:
    return client.client_list(_type="pubsub")


def kill_listeners(client: redis.Redis) -> None:
    client.client_kill_filter(_type="pubsub")


async def lost(client: redis.Redis) -> None:
    """Kill the listening connection."""
    assert listeners(client)
    kill_listeners(client)


async def test_200_sockets_listen_over_one_connection_that_is_gone_with_the_last(
    known: Visitor, redis_client: redis.Redis
) -> None:
    visitors = [known, *(Visitor() for _ in range(19))]
    for visitor in visitors[1:]:
        await visitor.change(name="Grace")
    sockets = [visitor.socket(Told) for visitor in visitors for _ in range(10)]
    await asyncio.gather(*(socket.__aenter__() for socket in sockets))
    assert len(listeners(redis_client)) == 1
    assert dict(redis_client.pubsub_numsub(known.record)) == {known.record.encode(): 1}
    assert len(redis_client.pubsub_channels("session:*}")) == len(visitors)
    await asyncio.gather(*(socket.leave() for socket in sockets[10:]))
    await until(lambda: len(redis_client.pubsub_channels("session:*}")) == 1)
    await asyncio.gather(*(socket.leave() for socket in sockets[:10]))
    await until(lambda: not listeners(redis_client))
    assert asyncio.get_running_loop() not in _hubs


async def test_a_socket_without_a_session_needs_no_connection(redis_client: redis.Redis) -> None:
    async with Visitor().socket(Told) as socket:
        assert await socket.ask("get") == {}
        assert listeners(redis_client) == []


async def test_a_session_that_begins_over_a_socket_is_listened_to(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    async with visitor.socket(watching(Told)) as socket:
        assert await socket.ask("set_and_answer", name="Ada") == "done"
        [channel] = await until(lambda: redis_client.pubsub_channels("session:*}"))
        redis_client.delete(channel)
        redis_client.publish(channel, "revoked elsewhere")
        assert (await socket.receive_output())["code"] == CloseCode.REVOKED
        await socket.wait()


async def test_the_loop_that_closes_leaves_nothing_to_the_next(known: Visitor) -> None:
    assert [loop for loop in _hubs if loop.is_closed()] == []
    async with known.socket(Told):
        assert list(_hubs) == [asyncio.get_running_loop()]


@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_a_connection_that_was_killed_listens_again_and_reads_anew(
    known: Visitor, consumer: Any, redis_client: redis.Redis
) -> None:
    async with known.socket(watching(consumer)) as socket:
        for name in ("Grace", "Alan", "Edsger"):
            await lost(redis_client)
            await known.change(name=name)
            assert await socket.receive_json_from() == ["name"]
            assert (await socket.ask("get"))["name"] == name
            await until(lambda: listeners(redis_client))


@pytest.mark.parametrize("page", ["end", "rotate"])
async def test_an_end_while_nobody_listened_closes_the_socket(
    known: Visitor, redis_client: redis.Redis, page: str
) -> None:
    async with known.socket(Told) as socket:
        await lost(redis_client)
        await known.visit(page)
        code = (await socket.receive_output())["code"]
        assert code in {CloseCode.ENDED, CloseCode.LOGGED_OUT, CloseCode.LOGGED_IN}
        await socket.wait()


async def test_a_server_that_was_away_is_listened_to_again(fickle: Fickle, known: Visitor) -> None:
    async with known.socket(watching(Told)) as socket:
        fickle.go()
        fickle.come_back()
        await known.change(name="Grace")
        assert await socket.receive_json_from() == ["name"]
        await known.visit("end")
        assert (await socket.receive_output())["code"] in {CloseCode.ENDED, CloseCode.LOGGED_OUT}
        await socket.wait()


async def test_a_server_that_is_away_holds_a_frame_for_a_moment_only(
    fickle: Fickle, known: Visitor
) -> None:
    async with known.socket(Told) as socket:
        fickle.go()
        async with asyncio.timeout(BOUND):
            for _ in range(10):
                assert (await socket.ask("get"))["name"] == "Ada"


async def test_a_change_of_which_nobody_was_told_is_read_within_the_time_to_revalidate(
    known: Visitor, redis_client: redis.Redis, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1}
    async with known.socket(watching(Told)) as socket:
        redis_client.hdel(known.record, "name")
        redis_client.hincrby(known.record, b"\0v", 1)
        async with asyncio.timeout(3):
            assert await socket.receive_json_from() == ["name"]
        assert await socket.ask("get") == {"list": [1]}


@pytest.mark.parametrize("damage", [b"\0x", b"name"])
async def test_a_record_that_was_tampered_with_closes_its_sockets_and_no_others(
    known: Visitor, redis_client: redis.Redis, damage: bytes
) -> None:
    other = Visitor()
    await other.change(name="Grace")
    async with known.socket(Told) as socket, other.socket(watching(Told)) as stays:
        redis_client.hset(known.record, damage, b"0123456789abcdef")
        redis_client.publish(known.record, "saved elsewhere")
        assert (await socket.receive_output())["code"] == CloseCode.ENDED
        await socket.wait()
        await other.change(name="Alan")
        assert await stays.receive_json_from() == ["name"]


async def test_a_value_that_cannot_be_stored_troubles_no_other_socket(known: Visitor) -> None:
    class Unstorable(Told):
        async def work(self) -> None:
            self.scope["session"]["list"].append(object())
            await known.change(name="Grace")
            await asyncio.sleep(0.05)  # what was changed is read by now

    async with known.socket(watching(Told)) as stays:
        socket = known.socket(Unstorable)
        await socket.connect()
        await socket.tell("work")
        with pytest.raises(TypeError, match="'list'"):
            await socket.wait()
        assert await stays.receive_json_from() == ["name"]
        await known.change(name="Alan")
        assert await stays.receive_json_from() == ["name"]


@pytest.mark.parametrize(
    "said", [b"", b"nonsense", b"\xff\xfe", b"logout", b"login x y", b"\0" * 99]
)
async def test_what_a_message_says_is_a_hint_only(
    known: Visitor, redis_client: redis.Redis, said: bytes
) -> None:
    async with known.socket(Told) as socket:
        redis_client.publish(known.record, said)
        assert (await socket.ask("get"))["name"] == "Ada"
        assert await socket.receive_nothing(0.05)
