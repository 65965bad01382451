"""The index of a user's sessions: kept by the store itself, however somebody logged in."""

import time
import uuid
from typing import Any

import pytest
import redis
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY

from redis_sessions import scripts, users
from redis_sessions.commands import index
from redis_sessions.exceptions import SessionRotated
from redis_sessions.operations import FADING
from redis_sessions.session import SessionStore
from tests.clocks import FORTNIGHT, HOUR, later
from tests.conftest import Do, record_of
from tests.observers import again, nothing_stored, recorded_batches
from tests.people import index_of, listed, log_in, person


def score_of(client: redis.Redis, session: SessionStore, user_id: Any = 7) -> float | None:
    return client.zscore(index_of(user_id), session.id)


def expiry_of(client: redis.Redis, session: SessionStore) -> int:
    return int(client.hget(record_of(session), "\0x"))


def test_a_login_is_in_the_index(do: Do, redis_client) -> None:
    one, other = log_in(do), log_in(do)
    assert listed(redis_client) == {one.id, other.id}


def test_an_anonymous_session_is_in_none(do: Do, stored, redis_client) -> None:
    stored(name="Ada")
    assert [*redis_client.scan_iter(index_of("*"))] == []


def test_a_session_created_with_a_login_is_in_the_index(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.update, {SESSION_KEY: "7"})
    do(session.create)
    assert listed(redis_client) == {session.id}


@pytest.mark.parametrize(
    "user_id",
    ["ada:lovelace", "{7}", "}{", "a b\n", "é", "*", str(uuid.UUID(int=7)), "f" * 40, "\x01x"],
)
def test_any_primary_key_has_an_index_of_its_own(do: Do, redis_client, user_id: str) -> None:
    session = SessionStore()
    do(session.update, {SESSION_KEY: user_id})
    do(session.save)
    assert listed(redis_client, user_id) == {session.id}
    assert again(session).user_id is None
    reader = again(session)
    assert do(reader.get, SESSION_KEY) == reader.user_id == user_id
    do(reader.flush)
    assert listed(redis_client, user_id) == set()
    assert redis_client.ttl(index_of(user_id)) <= FADING


def test_it_is_written_before_the_record_and_leaves_with_it(
    do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionStore()
    do(session.cycle_key)
    do(session.update, {SESSION_KEY: "7"})
    batches = recorded_batches(monkeypatch)
    do(session.save)
    [(first, second)] = batches
    assert (first.script.text, first.words[3]) == (scripts.load("enlist").text, index_of())
    assert second.words[3] == record_of(session)


def test_a_score_is_never_before_the_expiry_and_less_than_ten_minutes_behind_it(
    do: Do, redis_client
) -> None:
    session = log_in(do)
    ahead = score_of(redis_client, session) - expiry_of(redis_client, session)
    assert 0 <= ahead < 600


def test_the_index_lives_as_long_as_its_longest_session(do: Do, redis_client) -> None:
    short, long = SessionStore(), SessionStore()
    for session, age in ((long, 9 * HOUR), (short, HOUR)):
        do(session.update, {SESSION_KEY: "7"})
        do(session.set_expiry, age)
        do(session.save)
    assert redis_client.expiretime(index_of()) == score_of(redis_client, long)
    assert expiry_of(redis_client, long) <= redis_client.expiretime(index_of())


def test_saves_of_the_next_minutes_do_not_write_it(
    do: Do, monkeypatch: pytest.MonkeyPatch, redis_client
) -> None:
    session = again(log_in(do))
    do(session.update, {"n": 1})
    already = index.score(expiry_of(redis_client, session))
    now = int(time.time())
    until = already - FORTNIGHT - now  # the seconds for which the score is good
    batches = recorded_batches(monkeypatch)
    with later(max(0, until - 5)):
        do(session.save)
        assert [len(batch) for batch in batches] == [1]
    with later(until + 5):
        reader = again(session)
        do(reader.update, {"n": 2})
        do(reader.save)
        assert [len(batch) for batch in batches[-1:]] == [2]
    assert score_of(redis_client, session) == already + index.STEP


def test_a_save_that_makes_the_session_longer_is_in_the_index(do: Do, redis_client) -> None:
    session = again(log_in(do))
    do(session.set_expiry, 40 * 24 * HOUR)
    do(session.save)
    assert score_of(redis_client, session) >= expiry_of(redis_client, session)


def test_a_save_that_keeps_what_another_made_longer_keeps_it_in_the_index(
    do: Do, redis_client
) -> None:
    late = again(log_in(do))
    do(late.get, "n")
    other = again(late)
    do(other.set_expiry, 40 * 24 * HOUR)
    do(other.save)
    redis_client.zadd(index_of(), {late.id: 1})  # as if that had been lost
    redis_client.zadd(index_of(), {"another": time.time() + 1000})
    do(late.update, {"n": 1})
    do(late.save)
    assert score_of(redis_client, late) >= expiry_of(redis_client, late)


def test_a_shorter_life_never_moves_the_score_ahead_of_another_save(do: Do, redis_client) -> None:
    session = again(log_in(do))
    before = score_of(redis_client, session)
    do(session.set_expiry, 60)
    do(session.save)
    assert score_of(redis_client, session) == before


def test_a_touch_moves_the_score(do: Do, redis_client, settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    session = log_in(do)
    with later(HOUR):
        reader = again(session)
        do(reader.get, "n")
        assert reader.touched
        do(reader.save)  # as the middleware does
        assert score_of(redis_client, session) >= expiry_of(redis_client, session)
        with nothing_stored(redis_client):
            do(reader.save)


def test_what_expired_is_dropped_when_another_is_written(do: Do, redis_client) -> None:
    redis_client.zadd(index_of(), {"expired": time.time() - 1, "alive": time.time() + 100})
    session = log_in(do)
    assert listed(redis_client) == {"alive", session.id}


def test_a_logout_takes_the_session_out(do: Do, redis_client) -> None:
    kept, session = log_in(do), log_in(do)
    name = session.id
    do(session.flush)
    assert listed(redis_client) == {kept.id}
    assert redis_client.zscore(index_of(), name) <= time.time() + FADING


def test_a_logout_that_came_too_late_leaves_a_session_listed(do: Do, redis_client) -> None:
    late = log_in(do)
    live = again(late)
    do(live.cycle_key)
    do(live.save)
    expiry = expiry_of(redis_client, live)
    do(late.flush)
    assert score_of(redis_client, live) >= expiry
    assert redis_client.expiretime(index_of()) >= expiry
    assert [one.id for one in users.sessions_of(person())] == [live.id]


@pytest.mark.parametrize("method", ["pop", "clear"])
def test_a_user_removed_too_late_leaves_a_session_listed(do: Do, redis_client, method) -> None:
    late = again(log_in(do))
    do(late.get, SESSION_KEY)
    live = again(late)
    do(live.cycle_key)
    do(live.save)
    do(late.pop, SESSION_KEY) if method == "pop" else late.clear()
    with pytest.raises(SessionRotated):
        do(late.save)
    assert listed(redis_client) == {live.id}


def test_a_session_that_is_only_read_stays_listed_as_long_as_it_lives(
    do: Do, redis_client, settings
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    session = log_in(do)
    with later(HOUR):
        reader = again(session)
        do(reader.get, SESSION_KEY)
        assert reader.touched
        assert score_of(redis_client, session) >= expiry_of(redis_client, session)


def test_an_expiry_read_before_its_touch_is_not_what_the_index_gets(
    do: Do, redis_client, settings
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    session = log_in(do)
    redis_client.script_flush()
    with later(HOUR):
        do(again(session).get, SESSION_KEY)
        assert score_of(redis_client, session) >= expiry_of(redis_client, session)


def test_a_user_that_is_a_number_is_listed_and_ended(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.update, {SESSION_KEY: 7})
    do(session.save)
    assert [one.id for one in users.sessions_of(person())] == [session.id]
    SessionStore.clear_expired()
    assert listed(redis_client) == {session.id}
    assert [one.id for one in users.end_sessions(person())] == [session.id]
    assert not redis_client.exists(record_of(session))


def test_who_clears_a_session_unread_leaves_no_device_there(do: Do, redis_client) -> None:
    session = again(log_in(do, REMOTE_ADDR="192.0.2.7"))
    session.clear()
    do(session.update, {"basket": [1]})
    do(session.save)
    assert do(again(session).get, "basket") == [1]
    assert not {b"\0d", b"\0l", b"\0s"} & set(redis_client.hgetall(record_of(session)))


@pytest.mark.parametrize("method", ["flush", "delete"])
def test_a_session_that_was_never_read_is_taken_out_too(do: Do, redis_client, method) -> None:
    session = log_in(do)
    do(getattr(again(session), method))
    assert listed(redis_client) == set()


def test_a_session_that_is_deleted_by_its_key_is_taken_out(do: Do, redis_client) -> None:
    session = log_in(do)
    do(SessionStore().delete, session.session_key)
    assert listed(redis_client) == set()


def test_a_session_from_which_the_user_was_removed_is_taken_out(do: Do, redis_client) -> None:
    session = again(log_in(do))
    do(session.update, {"n": 1})
    do(session.pop, SESSION_KEY)
    do(session.save)
    assert listed(redis_client) == set()
    assert do(again(session).get, "n") == 1
    assert not {b"\0d", b"\0l", b"\0s"} & set(redis_client.hgetall(record_of(session)))


def test_a_session_that_was_emptied_is_taken_out(do: Do, redis_client) -> None:
    session = again(log_in(do))
    do(session.get, SESSION_KEY)
    session.clear()
    do(session.save)
    assert not redis_client.exists(record_of(session))
    assert listed(redis_client) == set()


def test_a_session_of_another_user_changes_the_index(do: Do, redis_client) -> None:
    session = again(log_in(do))
    do(session.update, {SESSION_KEY: "8"})
    do(session.save)
    assert (listed(redis_client, 7), listed(redis_client, 8)) == (set(), {session.id})


def test_a_rotation_leaves_the_index_as_it_is(do: Do, redis_client) -> None:
    session = again(log_in(do))
    with_rotation = score_of(redis_client, session)
    do(session.cycle_key)
    do(session.save)
    assert score_of(redis_client, session) == with_rotation


def test_a_save_that_fails_since_the_session_is_gone_leaves_no_session(
    do: Do, redis_client
) -> None:
    late = again(log_in(do))
    do(late.update, {HASH_SESSION_KEY: "new"})
    do(again(late).flush)
    with pytest.raises(Exception, match="ended elsewhere"):
        do(late.save)
    assert not redis_client.exists(record_of(late))


def test_what_is_no_index_but_has_its_name_gives_way(do: Do, redis_client) -> None:
    redis_client.set(index_of(), "planted")
    session = log_in(do)
    assert listed(redis_client) == {session.id}
