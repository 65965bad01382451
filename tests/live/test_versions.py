"""Which of two states of a record is the newer one."""

import asyncio
from typing import Any

import redis

from redis_sessions import executors, operations
from redis_sessions.session import SessionStore
from tests.consumers import Told
from tests.live.visitors import Visitor, until


def reads(client: redis.Redis) -> int:
    """Return how many records the server was asked for."""
    stats: dict[str, Any] = client.info("commandstats")
    return stats.get("cmdstat_hgetall", {"calls": 0})["calls"]


async def test_what_was_read_before_the_last_save_is_older_though_others_wrote_too() -> None:
    mine = SessionStore()
    await mine.aset("a", 1)
    await mine.asave()
    theirs = SessionStore(mine.session_key)
    await theirs.aset("b", 2)
    await theirs.asave()
    [read] = await executors.arun("sessions", operations.peek(mine.id))
    await mine.aset("a", 3)
    await mine.asave()
    assert mine.is_older(read)


async def test_what_a_server_lost_is_lost_and_not_asked_for_again_and_again(
    known: Visitor, redis_client: redis.Redis
) -> None:
    async with known.socket(Told) as socket:
        await socket.ask("set_and_answer", late=1)
        redis_client.hdel(known.record, "late")
        redis_client.hset(known.record, b"\0v", 1)  # as after a restart with an old snapshot
        before = reads(redis_client)
        redis_client.publish(known.record, "saved elsewhere")
        await until(lambda: reads(redis_client) > before + 1)
        assert await socket.ask("get") == {"name": "Ada", "list": [1]}
        settled = reads(redis_client)
        await asyncio.sleep(0.1)  # time for a read that must not come
        assert reads(redis_client) == settled
