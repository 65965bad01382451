"""A login exchanges the secret of what is sealed: nothing is lost, and old keys open no more."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.contrib.auth import SESSION_KEY

from redis_sessions import tokens
from redis_sessions.conf import config
from redis_sessions.encryption import Opener
from redis_sessions.exceptions import SessionRotated
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, recorded_batches
from tests.people import log_in
from tests.sealed import ENCRYPT, fields, held, is_wrapped


@pytest.fixture(autouse=True)
def _encrypting(settings: Any) -> None:
    settings.REDIS_SESSIONS = ENCRYPT


def wrapped_keys(client: redis.Redis, session: SessionStore) -> int:
    """Return how many former keys the record holds."""
    stored: Any = client.hget(record_of(session), "\0e")
    return 0 if stored is None else (len(stored) - 29) // 32


def opened_by(client: redis.Redis, session: SessionStore, key: str) -> set[str]:
    """Return the fields that a session key opens, whatever the record says of it."""
    opener = Opener(tokens.split_key(key), config().sealing_keys, b"")
    names = set()
    for name, stored in fields(client, session).items():
        try:
            opener.open(name.encode(), stored)
            names.add(name)
        except ValueError:
            pass
    return names


def test_a_rotated_session_holds_what_it_held(do: Do, stored) -> None:
    session = again(stored(name="Ada", items=[1]))
    do(session.cycle_key)
    assert held(do, session) == {"name": "Ada", "items": [1]}


def test_a_rotation_moves_no_data(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada", items=[1]))
    before = redis_client.hgetall(record_of(session))
    do(session.cycle_key)
    after = redis_client.hgetall(record_of(session))
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {b"\0k", b"\0p", b"\0v", b"\0e"}


def test_a_login_takes_two_batches_after_the_read(do: Do, stored, monkeypatch) -> None:
    session = again(stored(name="Ada"))
    do(session.get, "name")
    batches = recorded_batches(monkeypatch)
    do(session.cycle_key)
    do(session.update, {SESSION_KEY: "1"})
    do(session.save)
    assert len(batches) == 2


def test_saves_acknowledged_before_a_rotation_survive_it(do: Do, stored) -> None:
    login = again(stored(name="Ada"))
    assert do(login.get, "name") == "Ada"
    other = again(login)
    do(other.update, {"name": "Grace", "basket": [1]})
    do(other.save)
    do(login.cycle_key)
    do(login.update, {SESSION_KEY: "1"})
    do(login.save)
    assert held(do, login) == {"name": "Grace", "basket": [1], SESSION_KEY: "1"}


def test_a_save_under_way_with_the_former_secret_is_refused_and_spoils_nothing(
    do: Do, stored
) -> None:
    login = again(stored(name="Ada"))
    other = again(login)
    do(other.update, {"basket": [1]})
    do(login.cycle_key)
    with pytest.raises(SessionRotated):
        do(other.save)
    assert held(do, login) == {"name": "Ada"}


def test_the_key_from_before_the_login_reads_nothing_of_it(do: Do, stored) -> None:
    session = stored(name="Ada")
    old = again(session)
    do(session.cycle_key)
    do(session.update, {"name": "Grace"})
    do(session.save)
    assert dict(do(old.items)) == {}
    assert old.superseded


def test_what_is_saved_after_a_login_does_not_open_with_the_key_from_before(
    do: Do, stored, redis_client
) -> None:
    session = stored(name="Ada", basket=[1])
    old = session.session_key
    assert opened_by(redis_client, session, old) == {"name", "basket"}
    do(session.cycle_key)
    do(session.update, {"name": "Grace"})
    do(session.save)
    assert opened_by(redis_client, session, old) == {"basket"}  # which it has opened before
    assert opened_by(redis_client, session, session.session_key) == {"name"}


def test_the_next_save_of_a_later_request_seals_the_rest_anew_and_drops_the_former_key(
    do: Do, stored, redis_client
) -> None:
    session = stored(name="Ada", basket=[1])
    old = session.session_key
    do(session.cycle_key)
    later = again(session)
    do(later.update, {"more": 1})
    do(later.save)
    assert opened_by(redis_client, session, old) == set()
    assert opened_by(redis_client, session, session.session_key) == {"name", "basket", "more"}
    assert not is_wrapped(redis_client, session)
    assert held(do, session) == {"name": "Ada", "basket": [1], "more": 1}


def test_a_former_key_goes_only_when_nothing_needs_it(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada", basket=[1])
    do(session.cycle_key)
    reader, writer = again(session), again(session)
    assert do(reader.get, "name") == "Ada"
    do(session.update, {"by": "the login"})
    do(session.save)  # it has not read how the rest is stored since
    assert is_wrapped(redis_client, session)
    do(writer.update, {"name": "Grace"})
    do(writer.save)
    assert not is_wrapped(redis_client, session)
    do(reader.update, {"by": "the reader"})
    do(reader.save)
    assert held(do, session) == {"name": "Grace", "basket": [1], "by": "the reader"}


def test_sealing_anew_overwrites_nothing_that_others_wrote_meanwhile(do: Do, stored) -> None:
    session = stored(name="Ada", basket=[1], kept="kept")
    do(session.cycle_key)
    one, other = again(session), again(session)
    assert do(one.get, "name") == do(other.get, "name") == "Ada"
    do(other.update, {"name": "Grace"})
    do(other.pop, "basket")
    do(other.save)
    do(one.update, {"more": 1})
    do(one.save)
    assert held(do, session) == {"name": "Grace", "kept": "kept", "more": 1}


def test_a_session_that_was_cleared_after_a_login_is_read(do: Do, stored) -> None:
    session = stored(name="Ada")
    do(session.cycle_key)
    later = again(session)
    assert do(later.get, "name") == "Ada"
    later.clear()
    do(later.update, {"after": 1})
    do(later.save)
    assert held(do, session) == {"after": 1}
    do(later.cycle_key)
    assert held(do, later) == {"after": 1}


@pytest.mark.parametrize("between", ["nothing", "save", "load", "load and save"])
def test_a_session_can_be_rotated_many_times(do: Do, stored, redis_client, between: str) -> None:
    session = stored(name="Ada", basket=[1])
    for number in range(6):
        session = again(session) if "load" in between else session
        do(session.cycle_key)
        if "save" in between:
            do(session.update, {"number": number})
            do(session.save)
        assert held(do, session) == {"name": "Ada", "basket": [1]} | (
            {"number": number} if "save" in between else {}
        )


def test_what_others_have_sealed_meanwhile_outlives_two_rotations_of_one_object(
    do: Do, stored, settings
) -> None:
    settings.REDIS_SESSIONS = {}
    session = again(stored(name="Ada"))
    settings.REDIS_SESSIONS = ENCRYPT
    assert do(session.get, "name") == "Ada"
    other = again(session)
    do(other.update, {"other": 1})
    do(other.save)
    do(session.cycle_key)
    do(session.update, {"more": 1})
    do(session.save)
    do(session.cycle_key)
    assert held(do, session) == {"name": "Ada", "other": 1, "more": 1}


def test_what_was_sealed_before_two_rotations_of_one_object_is_read(do: Do, stored) -> None:
    session = stored(name="Ada")
    do(session.cycle_key)
    do(session.update, {"between": 1})
    do(session.save)
    session = again(session)
    for number in range(2):
        do(session.cycle_key)
        do(session.update, {"number": number})
        do(session.save)
    do(session.cycle_key)
    assert held(do, session) == {"name": "Ada", "between": 1, "number": 1}


def test_former_keys_do_not_pile_up(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    for _ in range(6):
        session = again(session)
        do(session.cycle_key)
        assert wrapped_keys(redis_client, session) <= 2  # what seals the name, and the last one


def test_an_anonymous_session_that_is_gone_begins_anew_at_a_login(
    do: Do, stored, redis_client
) -> None:
    session = again(stored(name="Ada"))
    assert do(session.get, "name") == "Ada"
    redis_client.flushdb()
    do(session.cycle_key)
    do(session.update, {SESSION_KEY: "1"})
    do(session.save)
    assert held(do, session) == {"name": "Ada", SESSION_KEY: "1"}
    assert not is_wrapped(redis_client, session)


def test_a_login_without_a_session_has_no_former_key(do: Do, redis_client) -> None:
    assert not is_wrapped(redis_client, log_in(do))


# At the same time


def _until(condition: Callable[[], bool]) -> None:
    """Wait for what should come about soon."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)


def _write(key: str, number: int, start: threading.Barrier, acknowledged: set[str]) -> None:
    """Save one key after another, until a login has exchanged the secret."""
    session = SessionStore(key)
    assert session["name"] == "Ada"
    start.wait()
    for turn in range(100):
        name = f"{number}-{turn}"
        session[name] = name
        try:
            session.save()
        except SessionRotated:
            return
        acknowledged.add(name)


@pytest.mark.parametrize("attempt", range(10))
def test_of_saves_that_race_with_a_login_none_that_was_acknowledged_is_lost(attempt: int) -> None:
    session, start, acknowledged = SessionStore(), threading.Barrier(4), set[str]()
    session["name"] = "Ada"
    session.save()
    arguments = [(session.session_key, number, start, acknowledged) for number in range(3)]
    writers = [threading.Thread(target=_write, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    login = again(session)
    assert login["name"] == "Ada"
    start.wait()
    _until(lambda: len(acknowledged) > attempt)
    login.cycle_key()
    login[SESSION_KEY] = "1"
    login.save()
    for writer in writers:
        writer.join()
    expected = {name: name for name in acknowledged} | {"name": "Ada", SESSION_KEY: "1"}
    assert dict(again(login).items()) == expected
