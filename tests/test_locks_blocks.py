"""Blocks under a lock that save themselves, begin or end the session: what is stored after them."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_sessions.session import SessionStore
from tests.conftest import Do
from tests.locked import Locked, lock_of
from tests.observers import again, nothing_stored

Stored = Callable[..., SessionStore]


class Acts(Locked):
    """Does one thing after another under the lock: the name of a method, or values to set."""

    def run(self, acts: Any = ()) -> None:
        with self.session.lock():
            for act in acts:
                self.session.update(act) if isinstance(act, dict) else getattr(self.session, act)()

    async def arun(self, acts: Any = ()) -> None:
        async with self.session.alock():
            for act in acts:
                if isinstance(act, dict):
                    await self.session.aupdate(act)
                elif act == "clear":
                    self.session.clear()
                else:
                    await getattr(self.session, f"a{act}")()


class _Failing(SessionStore):
    def fail(self) -> None:
        raise ZeroDivisionError

    async def afail(self) -> None:
        raise ZeroDivisionError


def held(do: Do, session: SessionStore) -> dict[str, Any]:
    """Return what the server holds of a session."""
    return dict(do(again(session).items))


def fails(do: Do, session: SessionStore, *acts: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        do(Acts(session).run, [*acts, "fail"])


def test_a_block_that_raises_leaves_a_session_without_a_key_as_it_was(
    do: Do, redis_client: redis.Redis
) -> None:
    session = _Failing()
    do(session.update, {"before": [1]})
    with nothing_stored(redis_client):
        fails(do, session, {"n": 1}, {"before": []})
    assert dict(session.items()) == {"before": [1]}
    do(session.save)
    assert held(do, session) == {"before": [1]}


def test_a_value_that_the_block_changes_in_place_is_as_it_was_too(do: Do) -> None:
    session = _Failing()
    do(session.update, {"before": [1]})

    def block() -> None:
        session["before"].append(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        do(Locked(session).run, block)
    assert dict(session.items()) == {"before": [1]}


@pytest.mark.parametrize("then", [[], [{"n": 2, "other": 1}], ["clear"], ["clear", {"n": 3}]])
def test_what_a_block_stored_anew_stays_where_it_raises_and_nothing_else(
    do: Do, then: list[Any]
) -> None:
    session = _Failing()
    fails(do, session, {"n": 1}, "save", *then)
    do(session.end_obsolete)
    do(session.save)
    assert held(do, session) == dict(do(session.items)) == {"n": 1}


@pytest.mark.parametrize("acts", [["flush"], ["clear", "save"]])
def test_a_block_that_ended_the_session_and_raises_leaves_a_new_one_empty(
    do: Do, stored: Stored, redis_client: redis.Redis, acts: list[Any]
) -> None:
    session = _Failing(stored(n=1).session_key)
    fails(do, session, *acts, {"n": 2})
    assert dict(session.items()) == {}
    assert redis_client.keys() == []


def test_what_a_block_stored_after_a_flush_stays_where_it_raises(do: Do, stored: Stored) -> None:
    session = _Failing(stored(n=1).session_key)
    fails(do, session, "flush", {"n": 2}, "save", {"n": 3, "other": 1})
    do(session.save)
    assert held(do, session) == dict(session.items()) == {"n": 2}


def test_what_is_changed_after_a_block_without_a_key_has_saved_is_stored_at_its_end(
    do: Do, redis_client: redis.Redis
) -> None:
    session = SessionStore()
    do(Acts(session).run, [{"a": 1}, "save", {"b": 2}])
    assert held(do, session) == {"a": 1, "b": 2}
    assert not redis_client.exists(lock_of(session))


def test_a_block_that_begins_another_session_saves_that_without_the_lock_of_the_first(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    lock = lock_of(session)
    do(Acts(session).run, ["flush", {"a": 1}, "save", {"b": 2}, "save", {"c": 3}])
    assert held(do, session) == {"a": 1, "b": 2, "c": 3}
    assert not redis_client.exists(lock, lock_of(session))


def test_a_session_that_a_block_emptied_is_not_begun_anew_by_its_end(
    do: Do, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(n=1)
    do(Acts(session).run, ["clear", "save", {"n": 2}])
    assert redis_client.keys() == []
    do(session.save)
    assert held(do, session) == {"n": 2}
