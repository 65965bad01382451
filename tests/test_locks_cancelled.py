"""Tasks that are cancelled while they give a lock back, as when a client goes away."""

import asyncio

import pytest
import redis

from redis_sessions.exceptions import LockLost
from redis_sessions.session import SessionStore
from tests.locked import lock_of
from tests.observers import again

TURNS = range(30)  # of the loop: saving and giving back take fewer


async def _session() -> SessionStore:
    session = SessionStore()
    await session.aset("n", 1)
    await session.asave()
    return session


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("raises", [False, True])
async def test_who_is_cancelled_at_any_moment_of_the_end_of_a_block_leaves_no_lock(
    redis_client: redis.Redis, times: int, raises: bool
) -> None:
    async def hold(session: SessionStore, at_the_end: asyncio.Event) -> None:
        async with session.alock():
            session["n"] = 2
            at_the_end.set()
            if raises:
                raise ZeroDivisionError

    for turns in TURNS:
        session, at_the_end = await _session(), asyncio.Event()
        task = asyncio.ensure_future(hold(again(session), at_the_end))
        await at_the_end.wait()
        await _cancel_after(turns, task, times)
        assert not redis_client.exists(lock_of(session)), turns


async def _cancel_after(turns: int, task: asyncio.Task[None], times: int) -> None:
    for _ in range(times):
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])


async def test_who_is_cancelled_and_has_lost_the_lock_finds_both_in_the_error(
    redis_client: redis.Redis,
) -> None:
    errors: list[BaseException] = []

    async def hold(session: SessionStore, at_the_end: asyncio.Event) -> None:
        try:
            async with session.alock():
                redis_client.set(lock_of(session), "another")
                at_the_end.set()
        except asyncio.CancelledError as error:
            errors.append(error)
            raise

    for turns in TURNS:
        at_the_end = asyncio.Event()
        task = asyncio.ensure_future(hold(again(await _session()), at_the_end))
        await at_the_end.wait()
        await _cancel_after(turns, task, 1)
    assert any(isinstance(error.__cause__, LockLost) for error in errors)
