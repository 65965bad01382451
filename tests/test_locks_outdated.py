"""Locks of a session object that others use as well: the reply to lock() may come late."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis_sessions import executors, operations
from redis_sessions.commands.locks import Grant
from redis_sessions.session import SessionStore
from tests.conftest import Do
from tests.locked import Locked
from tests.observers import again


def elsewhere(act: Callable[..., Any], *args: Any) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(act, *args).result()


class Overtaken(SessionStore):
    """A session to which something happens, once, before the reply to lock() is taken in."""

    happens: Callable[[], None] | None = None

    def _happen(self, replies: list[Any]) -> list[Any]:
        happens = self.happens
        if happens is not None and isinstance(replies[0], Grant):
            self.happens = None
            elsewhere(happens)
        return replies

    def _run(self, *batch: Any) -> list[Any]:
        return self._happen(super()._run(*batch))

    async def _arun(self, *batch: Any) -> list[Any]:
        return self._happen(await super()._arun(*batch))

    def save_on_a_loop(self) -> None:
        self["m"] = 2
        asyncio.run(self.asave())

    def hear_of_a_change(self) -> None:
        other = again(self)
        other["m"] = 2
        other.save()
        [record] = executors.run("sessions", operations.load(self.key))
        self.refresh(record)


def test_a_save_on_a_loop_that_overtakes_the_reply_is_not_taken_back(redis_client: Any) -> None:
    first = SessionStore()
    first["n"] = 1
    first.save()
    session = Overtaken(first.session_key)
    assert session["n"] == 1
    session.happens = session.save_on_a_loop
    seen = Locked(session).run(lambda: dict(session.items()))
    assert seen == dict(again(session).items()) == {"n": 1, "m": 2}


def test_news_that_overtake_the_reply_are_not_taken_back(do: Do, stored: Any) -> None:
    session = Overtaken(stored(n=1).session_key)
    do(session.get, "n")
    session.happens = session.hear_of_a_change
    assert do(Locked(session).run, lambda: dict(session.items())) == {"n": 1, "m": 2}


def test_what_a_failover_has_lost_is_lost_under_a_lock_too(do: Do, stored: Any) -> None:
    session = again(stored(n=1))
    do(session.get, "n")
    session.written = 99
    assert do(Locked(session).run, lambda: dict(session.items())) == {"n": 1}
