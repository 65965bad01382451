"""The lock of a session, in both halves: taken, held, lost, given back."""

import asyncio
import logging
import os
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from redis_sessions import executors, operations
from redis_sessions.commands import locks, records
from redis_sessions.exceptions import (
    LockLost,
    SessionGone,
    SessionLocked,
    SessionRotated,
)
from redis_sessions.leases import Lease
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.locked import Locked, lock_of, until
from tests.observers import again, nothing_stored
from tests.proxy import proxied
from tests.servers import Server

Stored = Callable[..., SessionStore]


def elsewhere(act: Callable[[], Any]) -> Any:
    """Do something in a thread, where no event loop runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


def held(session: SessionStore) -> dict[str, Any]:
    """Return what the server holds of a session."""
    return elsewhere(lambda: dict(again(session).items()))


def change(session: SessionStore, **values: Any) -> None:
    """Change a session as another request does, without a lock."""

    def act() -> None:
        other = again(session)
        other.update(values)
        other.save()

    elsewhere(act)


def test_a_block_sees_what_is_stored_when_it_begins_and_stores_what_it_did_when_it_ends(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    do(session.get, "n")
    change(session, n=5)

    def block() -> None:
        assert redis_client.exists(lock_of(session))
        session["n"] += 1

    do(Locked(session).run, block)
    assert held(session) == {"n": 6}
    assert not redis_client.exists(lock_of(session))


def test_changes_from_before_the_block_stay_on_top_and_are_stored_when_it_begins(
    do: Do, stored: Stored
) -> None:
    session = again(stored(n=1, list=[1]))
    do(session.update, {"n": 2})
    session["list"].append(2)
    change(session, n=5, other=1)
    stored_then = do(Locked(session).run, lambda: held(session))
    assert stored_then == held(session) == dict(session.items())
    assert stored_then == {"n": 2, "list": [1, 2], "other": 1}


@pytest.mark.parametrize("clears", [False, True])
def test_a_block_that_raises_stores_nothing_then_or_later(
    do: Do, stored: Stored, redis_client: redis.Redis, clears: bool
) -> None:
    session = again(stored(n=1, list=[1]))
    do(session.update, {"before": 1})

    def block() -> None:
        session["list"].append(2)
        if clears:
            session.clear()
        session["n"] = 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        do(Locked(session).run, block)
    assert not redis_client.exists(lock_of(session))
    do(session.save)
    do(session.end_obsolete)
    assert held(session) == dict(session.items()) == {"n": 1, "list": [1], "before": 1}


def test_a_session_without_a_key_needs_no_lock_and_is_stored(
    do: Do, redis_client: redis.Redis
) -> None:
    session = SessionStore()
    do(Locked(session).run, lambda: session.update({"n": 1}))
    assert held(session) == {"n": 1}
    assert redis_client.keys("*:lock") == []


def test_a_session_without_a_key_that_holds_nothing_is_not_stored(
    do: Do, redis_client: redis.Redis
) -> None:
    with nothing_stored(redis_client):
        do(Locked(SessionStore()).run)


def test_a_key_that_nobody_knows_is_as_good_as_none(do: Do, redis_client: redis.Redis) -> None:
    with nothing_stored(redis_client):
        do(Locked(SessionStore("0123456789" * 4)).run)


def test_a_session_that_ended_cannot_be_locked(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    do(session.get, "n")
    elsewhere(again(session).delete)
    with pytest.raises(SessionGone):
        do(Locked(session).run)
    assert redis_client.keys() == []


def test_a_session_that_is_over_its_absolute_age_cannot_be_locked(
    do: Do, stored: Stored, redis_client: redis.Redis, settings: Any
) -> None:
    session = again(stored(n=1))
    do(session.get, "n")
    redis_client.hset(record_of(session), "\0c", 1)
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 60}
    with pytest.raises(SessionGone):
        do(Locked(session).run)
    assert not redis_client.exists(lock_of(session))


def test_a_record_that_was_forged_cannot_be_locked(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    do(session.get, "n")
    redis_client.hset(record_of(session), "n", "forged forged forged")
    with pytest.raises(SessionGone, match=r"cannot be read: .*n"):
        do(Locked(session).run)
    assert not redis_client.exists(lock_of(session))


@pytest.mark.parametrize("is_loaded", [False, True])
def test_who_holds_the_secret_from_before_a_rotation_cannot_lock(
    do: Do, stored: Stored, redis_client: redis.Redis, is_loaded: bool
) -> None:
    session = stored(n=1)
    stranger = again(session)
    if is_loaded:
        do(stranger.get, "n")
    do(session.cycle_key)
    with nothing_stored(redis_client), pytest.raises(SessionRotated):
        do(Locked(stranger).run)


def test_a_secret_that_is_outdated_for_long_or_made_up_opens_a_new_session_and_locks_none(
    do: Do, stored: Stored, redis_client: redis.Redis, time_machine: Any
) -> None:
    session = stored(n=1)
    strangers = [again(session), SessionStore(session.id + "0" * 26)]
    do(session.cycle_key)
    time_machine.move_to(time.time() + 60)
    for stranger in strangers:
        with nothing_stored(redis_client):
            do(Locked(stranger).run)
        assert stranger.id is None


def test_nobody_but_the_holder_extends_or_gives_back(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    redis_client.set(lock_of(session), "another")
    record = operations.channel(session.id)
    with nothing_stored(redis_client):
        commands = [locks.unlock(record, "mine"), locks.extend(record, "mine", 1000)]
        assert executors.run("sessions", *commands) == [-1, False]


def test_waiting_ends_with_an_error_that_says_who_holds_it(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    waiting = Locked(again(session), blocking_timeout=0.05)

    def wait() -> str:
        with pytest.raises(SessionLocked) as caught:
            elsewhere(waiting.run)
        return str(caught.value)

    message = do(Locked(session, what="shop.views.buy").run, wait)
    assert re.fullmatch(
        rf"Session {session.id} is locked by process {os.getpid()} on {platform.node()},"
        r" shop\.views\.buy, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; waited 0\.05 s\.",
        message,
    )
    assert session.session_key[14:] not in message
    do(waiting.run)


def test_a_lock_is_not_taken_for_a_session(stored: Any, redis_client: redis.Redis) -> None:
    session = stored(n=1)
    with session.lock():
        found = {records.id_of("session", key.decode()) for key in redis_client.scan_iter()}
    assert found == {session.id, None}


def test_who_does_not_want_to_wait_tries_once(do: Do, stored: Stored, redis_client: Any) -> None:
    session = stored(n=1)
    redis_client.set(lock_of(session), "another")
    with pytest.raises(SessionLocked):
        do(Locked(session, blocking_timeout=0).run)
    redis_client.delete(lock_of(session))
    do(Locked(session, blocking_timeout=0).run)


@pytest.mark.parametrize("value", ["", "x", "\0 9999999999999 \n", "a ٣ b c d", b"\xff" * 900])
def test_a_lock_of_somebody_unknown_is_a_lock(
    do: Do, stored: Stored, redis_client: redis.Redis, value: Any
) -> None:
    session = stored(n=1)
    redis_client.set(lock_of(session), value)
    with pytest.raises(SessionLocked, match=r"locked by somebody unknown; waited 0 s\.$"):
        do(Locked(session, blocking_timeout=0).run)


def test_what_a_lock_says_of_its_holder_cannot_break_a_line(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    redis_client.set(lock_of(session), "token 1795304400 1\n2 host a\nb\x1b")
    with pytest.raises(SessionLocked) as caught:
        do(Locked(session, blocking_timeout=0).run)
    assert "process 1?2 on host, a?b?, since 2026-11-" in str(caught.value)


def test_a_key_of_another_type_in_the_place_of_the_lock_is_a_lock(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    redis_client.lpush(lock_of(session), "x")
    with nothing_stored(redis_client), pytest.raises(SessionLocked, match="somebody unknown"):
        do(Locked(session, blocking_timeout=0).run)


def test_who_waits_gets_the_lock_once_it_is_free(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    redis_client.set(lock_of(session), "another", px=200)
    do(Locked(session, blocking_timeout=20).run, lambda: session.update({"n": 2}))
    assert held(session) == {"n": 2}


def test_a_block_within_a_block_leaves_everything_to_that(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    class Nested(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock():
                super().run(block)
                assert redis_client.exists(lock_of(self.session))

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock():
                await super().arun(block)
                assert redis_client.exists(lock_of(self.session))

    session = again(stored(n=1))
    do(Nested(session, blocking_timeout=0).run, lambda: session.update({"n": 2}))
    assert held(session) == {"n": 2}
    assert not redis_client.exists(lock_of(session))


async def test_another_task_with_the_same_session_object_waits_as_anybody_does() -> None:
    session = SessionStore()
    await session.aset("n", 0)
    await session.asave()

    async def add() -> None:
        async with session.alock(blocking_timeout=0):
            session["n"] += 1

    async with session.alock():
        with pytest.raises(SessionLocked):
            await asyncio.create_task(add())
        await add()  # in this task: a block within a block
    await asyncio.create_task(add())
    assert await SessionStore(session.session_key).aget("n") == 2


def _loses(client: redis.Redis, session: SessionStore, new: str | None) -> None:
    """Have the lock run out, and perhaps another take it."""
    client.delete(lock_of(session))
    if new is not None:
        client.set(lock_of(session), new)


@pytest.mark.parametrize("new", [None, "another"])
@pytest.mark.parametrize("clears", [False, True])
def test_a_holder_that_lost_the_lock_stores_nothing_and_learns_it(
    do: Do, stored: Stored, redis_client: redis.Redis, new: str | None, clears: bool
) -> None:
    session = again(stored(n=1))

    def block() -> None:
        _loses(redis_client, session, new)
        change(session, n=7)
        if clears:
            session.clear()
        else:
            session["n"] = 2

    with pytest.raises(LockLost):
        do(Locked(session).run, block)
    do(session.save)
    do(session.end_obsolete)
    assert held(session) == {"n": 7}
    assert redis_client.get(lock_of(session)) == (new and new.encode())


def test_a_holder_that_lost_the_lock_and_wrote_nothing_learns_it_too(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = again(stored(n=1))
    with pytest.raises(LockLost):
        do(Locked(session).run, lambda: _loses(redis_client, session, "another"))


def test_a_lock_that_is_lost_behind_the_save_takes_nothing_back(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    class Losing(SessionStore):
        def save(self, must_create: bool = False) -> None:
            super().save(must_create)
            _loses(redis_client, self, "another")

        async def asave(self, must_create: bool = False) -> None:
            await super().asave(must_create)
            _loses(redis_client, self, "another")

    session = Losing(stored(n=1).session_key)
    do(Locked(session).run, lambda: session.update({"n": 2}))
    assert held(session) == {"n": 2}
    assert redis_client.get(lock_of(session)) == b"another"


def test_what_a_block_saves_itself_is_checked_as_well(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    class Saves(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock():
                block()
                with pytest.raises(LockLost):
                    self.session.save()

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock():
                block()
                with pytest.raises(LockLost):
                    await self.session.asave()

    session = again(stored(n=1))

    def block() -> None:
        session["n"] = 2
        _loses(redis_client, session, None)

    with pytest.raises(LockLost):
        do(Saves(session).run, block)
    assert held(session) == {"n": 1}


def test_a_lock_is_extended_while_it_is_held(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    class Holds(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock(timeout=3):
                until(block)

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock(timeout=3):
                while not block():  # noqa: ASYNC110 - the server does it
                    await asyncio.sleep(0.01)

    session = stored(n=1)
    seen = [3000]

    def is_extended() -> bool:
        seen.append(redis_client.pttl(lock_of(session)))
        return seen[-1] > seen[-2]

    do(Holds(session).run, is_extended)
    assert min(seen) > 0
    assert not redis_client.exists(lock_of(session))


def test_a_lock_is_not_extended_beyond_the_end_of_its_session(
    stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    lease = Lease(session.id, 60, "")
    redis_client.set(lock_of(session), lease.holder, px=1000)
    assert executors.run("sessions", lease.extension()) == [True]
    assert redis_client.pttl(lock_of(session)) > 50_000
    session.delete()
    assert executors.run("sessions", lease.extension()) == [False]
    assert redis_client.keys() == []


def test_an_extension_that_fails_is_logged_and_tried_again(
    do: Do,
    stored: Stored,
    server: Server,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    redis_client: redis.Redis,
) -> None:
    class Holds(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock(timeout=12):
                proxy.lose_requests = True
                until(lambda: "could not be extended" in caplog.text)
                proxy.lose_requests = False
                self.session["n"] = 2

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock(timeout=12):
                proxy.lose_requests = True
                while "could not be extended" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                proxy.lose_requests = False
                self.session["n"] = 2

    session = stored(n=1)
    with proxied(server, settings) as proxy, caplog.at_level(logging.WARNING):
        do(Holds(session).run)
        assert held(session) == {"n": 2}


@pytest.mark.parametrize("number", range(4))
def test_a_reply_that_is_lost_at_any_point_loses_neither_lock_nor_change(
    do: Do,
    stored: Stored,
    server: Server,
    settings: Any,
    redis_client: redis.Redis,
    number: int,
) -> None:
    session = stored(n=1)
    with proxied(server, settings) as proxy:
        do(
            Locked(session).run, lambda: session.update({"n": 2})
        )  # connects, and brings the scripts

        def block() -> None:
            proxy.lose_replies = number in {1, 3}
            session["n"] = 3

        proxy.lose_replies = number in {0, 3}
        do(Locked(session, blocking_timeout=0).run, block)
        if number == 2:
            do(Locked(session).run, lambda: setattr(proxy, "lose_replies", 1))
        assert held(session) == {"n": 3}
    assert not redis_client.exists(lock_of(session))


def test_a_lock_that_could_not_be_given_back_runs_out(
    do: Do, stored: Stored, server: Server, settings: Any, redis_client: redis.Redis, caplog: Any
) -> None:
    session = stored(n=1)
    with proxied(server, settings) as proxy:
        do(Locked(session).run, lambda: setattr(proxy, "lose_requests", True))
    assert f"The lock of session {session.id} has to run out" in caplog.text
    assert 0 < redis_client.pttl(lock_of(session)) <= 10_000


def test_a_rotation_within_a_block_keeps_the_lock(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    class Rotates(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock():
                self.session.cycle_key()
                self.session["n"] = 2

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock():
                await self.session.acycle_key()
                self.session["n"] = 2

    session = stored(n=1)
    key = session.session_key
    do(Rotates(session).run)
    assert session.session_key != key
    assert held(session) == {"n": 2}
    assert not redis_client.exists(lock_of(session))


@pytest.mark.parametrize("values", [{}, {"n": 2}])
def test_a_flush_within_a_block_ends_the_session_and_needs_no_lock_any_more(
    do: Do, stored: Stored, redis_client: redis.Redis, values: dict[str, int]
) -> None:
    class Flushes(Locked):
        def run(self, block: Any = None) -> None:
            with self.session.lock():
                self.session.flush()
                redis_client.set(lock, "another")
                self.session.update(values)

        async def arun(self, block: Any = None) -> None:
            async with self.session.alock():
                await self.session.aflush()
                redis_client.set(lock, "another")
                await self.session.aupdate(values)

    session = stored(n=1)
    lock = lock_of(session)
    do(Flushes(session).run)
    assert redis_client.keys() == [lock.encode()]
    do(session.save)
    assert held(session) == values


def test_a_block_that_empties_the_session_ends_it(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    do(Locked(session).run, lambda: session.pop("n"))
    assert redis_client.keys() == []
    do(Locked(session).run, lambda: session.update({"n": 2}))
    assert held(session) == {"n": 2}


def test_a_value_that_cannot_be_stored_is_an_error_and_the_lock_is_free(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    with pytest.raises(TypeError, match="cannot be serialised"):
        do(Locked(session).run, lambda: session.update({"n": object()}))
    assert not redis_client.exists(lock_of(session))
    assert dict(session.items()) == {"n": 1}


async def test_who_is_cancelled_leaves_no_lock(redis_client: redis.Redis) -> None:
    session = SessionStore()
    await session.aset("n", 1)
    await session.asave()
    inside = asyncio.Event()

    async def hold() -> None:
        async with session.alock():
            session["n"] = 2
            inside.set()
            await asyncio.sleep(60)

    async def wait() -> None:
        async with SessionStore(session.session_key).alock(blocking_timeout=60):
            raise AssertionError

    tasks = [asyncio.ensure_future(hold()), asyncio.ensure_future(wait())]
    await inside.wait()
    await asyncio.sleep(0.02)
    for task in (tasks[1], tasks[0]):
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert not redis_client.exists(lock_of(session))
    assert await SessionStore(session.session_key).aget("n") == 1


async def test_who_is_cancelled_while_the_server_grants_the_lock_leaves_none(
    redis_client: redis.Redis,
) -> None:
    session = SessionStore()
    await session.aset("n", 1)
    await session.asave()

    async def hold() -> None:
        async with session.alock():
            raise AssertionError

    task = asyncio.ensure_future(hold())
    for _ in range(3):  # it has sent, and has no answer yet
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not redis_client.exists(lock_of(session))


async def test_sync_locks_are_refused_where_an_event_loop_runs(redis_client: redis.Redis) -> None:
    session = SessionStore()
    await session.aset("n", 1)
    await session.asave()
    with nothing_stored(redis_client), pytest.raises(SynchronousOnlyOperation), session.lock():
        raise AssertionError


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": -1}, {"blocking_timeout": -1}])
def test_times_that_cannot_be_are_refused(do: Do, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="timeout"):
        do(Locked(SessionStore(), **wrong).run)
