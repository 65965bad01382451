"""What each operation costs: sequential round trips, counted on the wire. Both halves."""

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
import redis

from redis_sessions import scripts, users
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.locked import Locked
from tests.people import credentials, log_in, person
from tests.proxy import Proxy, proxied
from tests.servers import Server

UNKNOWN = "0123456789" * 4  # well-formed

Stored = Callable[..., SessionStore]


def load_scripts(client: redis.Redis) -> None:
    """Have the server know the scripts, as it does after their first use."""
    for script in files(scripts).iterdir():
        if script.name.endswith(".lua"):
            client.script_load(script.read_text("utf-8"))


@pytest.fixture
def proxy(do: Do, server: Server, redis_client: redis.Redis, settings: Any) -> Iterator[Proxy]:
    """A proxy before the server, and a connection that is open already."""
    load_scripts(redis_client)
    with proxied(server, settings) as running:
        do(SessionStore().exists, UNKNOWN)
        yield running


@pytest.fixture
def trips(proxy: Proxy) -> Callable[..., int]:
    """Call something and return the round trips that it took."""

    def count(call: Callable[..., Any], *args: Any, **kwargs: Any) -> int:
        before = proxy.trips
        call(*args, **kwargs)
        return proxy.trips - before

    return count


Trips = Callable[..., int]


@pytest.fixture
def rolling(settings: Any) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}


def _is_due(client: redis.Redis, session: SessionStore) -> None:
    """Have the record expire an hour earlier, so that a touch is due."""
    expiry = int(client.hget(record_of(session), b"\0x"))
    client.hset(record_of(session), b"\0x", expiry - 3600)


MALFORMED = ["", "x", "a" * 39, "a" * 41, "A" * 40, "é" * 40, "a" * 39 + "\n", "*" * 40]


def test_the_counter_counts_what_is_sent_after_a_receipt(trips: Trips, proxy: Proxy) -> None:
    with redis.Redis(port=proxy.port) as client:
        client.ping()
        assert trips(client.ping) == 1
        assert trips(lambda: [client.ping(), client.ping()]) == 2
        pipeline = client.pipeline(transaction=False).ping().ping().ping()
        assert trips(pipeline.execute) == 1


def test_no_cookie_costs_nothing(do: Do, trips: Trips) -> None:
    session = SessionStore()
    assert trips(do, session.get, "a") == 0
    assert trips(do, session.update, {"a": 1}) == 0
    assert trips(do, session.keys) == 0


@pytest.mark.parametrize("key", MALFORMED)
def test_a_malformed_cookie_costs_nothing(do: Do, trips: Trips, key: str) -> None:
    assert trips(do, SessionStore(key).get, "a") == 0
    assert trips(do, SessionStore(key).load) == 0
    assert trips(do, SessionStore().exists, key) == 0
    assert trips(do, SessionStore().delete, key) == 0


def test_a_read_costs_one(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1, b=[2]).session_key)
    assert trips(do, session.get, "a") == 1
    assert trips(do, session.get, "b") == 0


def test_an_unknown_session_costs_one(do: Do, trips: Trips) -> None:
    session = SessionStore(UNKNOWN)
    assert trips(do, session.get, "a") == 1
    assert trips(do, session.get, "a") == 0


def test_a_superseded_session_costs_one(do: Do, trips: Trips, stored: Stored) -> None:
    session = stored(a=1)
    before = session.session_key
    do(session.cycle_key)
    superseded = SessionStore(before)
    assert trips(do, superseded.get, "a") == 1
    assert superseded.superseded


@pytest.mark.usefixtures("rolling")
def test_a_due_touch_rides_on_the_read(
    do: Do, trips: Trips, stored: Stored, redis_client: redis.Redis
) -> None:
    session = stored(a=1)
    _is_due(redis_client, session)
    fresh = SessionStore(session.session_key)
    assert trips(do, fresh.get, "a") == 1
    assert fresh.touched
    assert trips(do, fresh.save) == 0


def test_a_save_after_a_read_costs_one(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1, gone=1).session_key)
    do(session.update, {"a": 2, "new": [1]})
    do(session.pop, "gone")
    assert trips(do, session.save) == 1


def test_a_save_with_values_to_sign_anew_costs_one(
    do: Do, trips: Trips, stored: Stored, settings
) -> None:
    session = SessionStore(stored(a=1, b=1).session_key)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    do(session.update, {"a": 2})
    assert trips(do, session.save) == 1
    assert trips(do, session.save) == 0


def test_a_save_with_nothing_changed_costs_nothing(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1, b=[]).session_key)
    assert trips(do, session.save) == 0  # not even read
    do(session.get, "b")
    assert trips(do, session.save) == 0
    do(session.update, {"a": 2})
    do(session.save)
    assert trips(do, session.save) == 0


@pytest.mark.usefixtures("rolling")
def test_a_save_with_nothing_changed_costs_one_where_a_touch_is_due(
    do: Do, trips: Trips, stored: Stored, time_machine
) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(session.get, "a")
    time_machine.move_to(time.time() + 3600)
    assert trips(do, session.save) == 1
    assert trips(do, session.save) == 0


def test_a_create_costs_one(do: Do, trips: Trips) -> None:
    assert trips(do, SessionStore().create) == 1
    session = SessionStore()
    do(session.update, {"a": 1})
    assert trips(do, session.save) == 1


def test_a_rotation_costs_one_after_the_read(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(session.get, "a")
    assert trips(do, session.cycle_key) == 1


@pytest.mark.parametrize("name", ["delete", "flush"])
def test_an_end_costs_one_after_the_read(do: Do, trips: Trips, stored: Stored, name: str) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(session.get, "a")
    assert trips(do, getattr(session, name)) == 1


def test_an_end_of_an_emptied_session_costs_one(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(session.pop, "a")
    assert trips(do, session.save) == 1
    session = SessionStore(stored(a=1).session_key)
    do(session.pop, "a")
    assert trips(do, session.end_obsolete) == 1


def test_a_block_under_the_lock_costs_three_after_the_read(
    do: Do, trips: Trips, stored: Stored
) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(Locked(session).run, lambda: session.update({"a": 2}))  # brings the script
    assert trips(do, Locked(session).run, lambda: session.update({"a": 3})) == 3
    assert trips(do, Locked(session).run) == 2
    fresh = SessionStore(session.session_key)
    assert trips(do, Locked(fresh).run, lambda: fresh.update({"a": 4})) == 4
    assert trips(do, Locked(SessionStore()).run) == 0


def test_a_question_whether_a_session_exists_costs_one(
    do: Do, trips: Trips, stored: Stored
) -> None:
    assert trips(do, SessionStore().exists, stored(a=1).session_key) == 1


def test_a_login_costs_two_after_the_read(do: Do, trips: Trips, stored: Stored) -> None:
    session = SessionStore(stored(a=1).session_key)
    do(session.get, "a")
    assert trips(do, session.cycle_key) == 1
    do(session.update, credentials(person()))
    assert trips(do, session.save) == 1


@pytest.mark.parametrize("name", ["delete", "flush"])
def test_a_logout_costs_one_after_the_read(do: Do, trips: Trips, name: str) -> None:
    session = SessionStore(log_in(do).session_key)
    do(session.get, "a")
    assert trips(do, getattr(session, name)) == 1


@pytest.mark.usefixtures("rolling")
def test_a_touch_that_the_index_has_to_know_costs_one_more(
    do: Do, trips: Trips, redis_client: redis.Redis
) -> None:
    session = log_in(do)
    _is_due(redis_client, session)
    fresh = SessionStore(session.session_key)
    assert trips(do, fresh.get, "a") == 2
    assert fresh.touched
    assert trips(do, fresh.save) == 0


def test_a_list_of_a_users_sessions_costs_two(do: Do, trips: Trips) -> None:
    users.count(person())  # connects
    assert trips(users.sessions_of, person()) == 1
    log_in(do)
    log_in(do)
    assert trips(users.sessions_of, person()) == 2
    assert trips(users.count, person()) == 2


def test_an_end_of_one_session_by_its_user_costs_two(do: Do, trips: Trips) -> None:
    users.count(person())  # connects
    session = log_in(do)
    assert trips(users.end_session, person(), session.id) == 2
    assert trips(users.end_session, person(), session.id) == 1
    assert trips(users.end_session, person(), "no id") == 0


def test_an_end_of_all_sessions_of_a_user_costs_three(do: Do, trips: Trips) -> None:
    users.count(person())  # connects
    log_in(do)
    log_in(do)
    assert trips(users.end_sessions, person()) == 3
    assert trips(users.end_sessions, person()) == 1
