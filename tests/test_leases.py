"""Leases: how they are kept in sync code, and what they say of their holder."""

import threading
from typing import Any

import pytest
import redis

from redis_sessions import leases
from redis_sessions.exceptions import SessionLocked
from redis_sessions.session import SessionStore
from tests.conftest import Do
from tests.locked import Locked, lock_of, until
from tests.observers import again


def test_a_thread_that_could_not_start_is_started_for_the_next_lock(
    monkeypatch: pytest.MonkeyPatch, redis_client: redis.Redis
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    session = SessionStore()
    session["n"] = 1
    session.save()
    monkeypatch.setattr(leases, "_keeper", leases.Keeper())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="start new thread"):
            Locked(session).run()
    assert not redis_client.exists(lock_of(session))
    with session.lock(timeout=3) as mine:
        lease, first = mine._hold._lease, mine._hold._lease._until
        until(lambda: lease._until > first)


def test_what_a_lock_is_held_for_may_be_any_text(
    do: Do, stored: Any, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    holders: list[bytes] = []
    hold = Locked(session, what="half a character: \udc80")
    do(hold.run, lambda: holders.append(redis_client.get(lock_of(session))))
    redis_client.set(lock_of(session), holders[0])
    with pytest.raises(SessionLocked, match=r"half a character: \?, since"):
        do(Locked(again(session), blocking_timeout=0).run)
