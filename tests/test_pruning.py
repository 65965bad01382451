"""Pruning: what goes from the indexes, and what stays while logins go on."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_sessions import executors, pruning, scanning, steps
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.pruning import Pruned
from redis_sessions.scanning import Listing
from redis_sessions.session import SessionStore
from redis_sessions.steps import Pause
from redis_sessions.tokens import make_key
from tests.caches import caches
from tests.conftest import Do
from tests.people import credentials, index_of, listed, log_in, person
from tests.servers import free_port

FUTURE = 4_000_000_000


def prune(do: Do, work: Any = None) -> Pruned:
    """Prune in one half, with no time between the looks."""
    return do(_Prune(pruning.prune(0) if work is None else work).run)


class _Prune:
    def __init__(self, work: Any) -> None:
        self.work = work

    def run(self) -> Pruned:
        return steps.run(self.work)

    async def arun(self) -> Pruned:
        return await steps.arun(self.work)


def while_it_waits(happen: Callable[[], None]) -> Pruned:
    """Prune, and have something happen between the looks."""
    work = pruning.prune(0)
    step = next(work)
    try:
        while True:
            if isinstance(step, Pause):
                happen()
            step = work.send(step.run())
    except StopIteration as end:
        return end.value


class SlowLogin:
    """A login that comes to a stop between what it writes to the index and its record."""

    def __init__(self) -> None:
        session, key = SessionStore(), make_key()
        session.update(credentials(person()))
        self.id = key.id
        self._plan = session._plan_create(key, session._begin())

    def begin(self) -> None:
        executors.run("sessions", *self._plan.before)

    def finish(self) -> None:
        executors.run("sessions", self._plan.command)


def test_what_is_there_stays(do: Do, redis_client: redis.Redis) -> None:
    sessions = {log_in(do, person(pk)).id for pk in (7, 7, 8, "a:{b}*[c]\\é")}
    assert prune(do) == Pruned(0, 0)
    assert listed(redis_client) | listed(redis_client, 8) <= sessions
    assert len(listed(redis_client)) == 2
    assert len(listed(redis_client, "a:{b}*[c]\\é")) == 1


def test_ids_without_a_record_go(do: Do, redis_client: redis.Redis) -> None:
    kept, gone = log_in(do), log_in(do)
    redis_client.delete(f"session:{{{gone.id}}}")
    redis_client.zadd(index_of(8), {"0" * 14: FUTURE})
    assert prune(do) == Pruned(ghosts=2)
    assert listed(redis_client) == {kept.id}
    assert not redis_client.exists(index_of(8))


def test_ids_of_sessions_that_are_anothers_or_nobodys_go(do: Do, redis_client: redis.Redis) -> None:
    anothers, nobodys = log_in(do, person(8)), SessionStore()
    do(nobodys.update, {"n": 1})
    do(nobodys.save)
    redis_client.zadd(index_of(), {anothers.id: FUTURE, nobodys.id: FUTURE})
    assert prune(do) == Pruned(ghosts=2)
    assert listed(redis_client) == set()
    assert listed(redis_client, 8) == {anothers.id}


def test_what_has_expired_goes_without_a_second_look(do: Do, redis_client: redis.Redis) -> None:
    kept = log_in(do)
    redis_client.zadd(index_of(), {"0" * 14: int(time.time()) - 1})
    redis_client.zadd(index_of(8), {"1" * 14: int(time.time()) - 1})
    waits: list[str] = []
    assert while_it_waits(lambda: waits.append("a look")) == Pruned(expired=2)
    assert waits == []
    assert listed(redis_client) == {kept.id}
    assert not redis_client.exists(index_of(8))


def test_a_process_with_a_wrong_secret_key_takes_nothing_out(
    do: Do, redis_client: redis.Redis, settings: Any
) -> None:
    session = log_in(do)
    settings.SECRET_KEY = "of another site"
    assert prune(do) == Pruned(0, 0)
    assert listed(redis_client) == {session.id}


def test_a_login_that_was_between_index_and_record_stays(redis_client: redis.Redis) -> None:
    login, waits = SlowLogin(), []
    login.begin()

    def go_on() -> None:
        waits.append(listed(redis_client))
        login.finish()

    assert while_it_waits(go_on) == Pruned(0, 0)
    assert waits == [{login.id}]
    assert listed(redis_client) == {login.id}


def test_other_keys_that_look_like_an_index_are_left_alone(
    do: Do, redis_client: redis.Redis
) -> None:
    redis_client.set("session:user:{1}", "text")
    redis_client.zadd("session:user:2", {"x": FUTURE})
    redis_client.zadd(b"session:user:{\xff}", {"x": FUTURE})
    redis_client.zadd("session:users:{3}", {"x": FUTURE})
    assert prune(do) == Pruned(0, 0)
    assert len(redis_client.keys()) == 4


@pytest.mark.parametrize("prefix", ["a*", "[s]", "s?", "b\\"])
def test_a_prefix_with_signs_of_patterns_means_itself(
    do: Do, redis_client: redis.Redis, settings: Any, prefix: str
) -> None:
    redis_client.zadd("ab:user:{1}", {"x": FUTURE})
    redis_client.zadd("s:user:{1}", {"x": FUTURE})
    settings.REDIS_SESSIONS = {"KEY_PREFIX": prefix}
    redis_client.zadd(f"{prefix}:user:{{1}}", {"x": FUTURE})
    assert prune(do) == Pruned(ghosts=1)
    assert len(redis_client.keys()) == 2


def test_many_indexes_and_a_long_one_are_walked_in_pages(
    do: Do, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MANY", 500)
    long = {f"{number:014}": FUTURE for number in range(3000)}
    redis_client.zadd(index_of("long"), long)
    for pk in range(150):
        redis_client.zadd(index_of(pk), {f"{pk:014}": FUTURE})
    kept = log_in(do, person("long"))
    assert prune(do) == Pruned(ghosts=3150)
    assert redis_client.keys("session:user:*") == [index_of("long").encode()]
    assert listed(redis_client, "long") == {kept.id}


def test_logins_while_it_runs_stay_listed(redis_client: redis.Redis) -> None:
    """Logins in threads, each slow. Between the looks, those end that were under way."""
    stop, under_way, done = threading.Event(), set[str](), set[str]()

    def logins() -> None:
        while not stop.is_set():
            login = SlowLogin()
            under_way.add(login.id)
            login.begin()
            time.sleep(0.01)
            login.finish()
            done.add(login.id)

    def wait() -> None:
        begun, deadline = set(under_way), time.monotonic() + 30
        while not begun <= done:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    threads = [threading.Thread(target=logins) for _ in range(4)]
    for thread in threads:
        thread.start()
    pruned = [while_it_waits(wait) for _ in range(20)]
    stop.set()
    for thread in threads:
        thread.join()
    assert pruned == [Pruned(0, 0)] * 20
    assert listed(redis_client) == done
    assert len(done) > 20


def test_clear_expired_prunes(
    do: Do, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning.prune, "__defaults__", (0,))
    redis_client.zadd(index_of(), {"0" * 14: FUTURE})
    do(SessionStore.clear_expired)
    assert not redis_client.exists(index_of())


def test_the_second_look_comes_later_than_a_call_to_the_server_can_end() -> None:
    assert next(pruning._drop_ghosts([Listing("7", "0" * 14)], pruning.PAUSE)).seconds > 3


def test_the_fraction_that_is_done_never_falls(redis_client: redis.Redis) -> None:
    redis_client.mset({f"other:{number}": "x" for number in range(20_000)})
    cursor, fractions = None, []
    while cursor != 0:
        cursor = steps.run(scanning.keys(cursor or 0)).cursor
        fractions.append(scanning.fraction(cursor))
    assert len(fractions) > 5
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert 0.3 < fractions[len(fractions) // 2] < 0.7


def test_a_server_that_is_away_is_told(do: Do, settings: Any) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(SessionStoreUnavailable):
        prune(do)
