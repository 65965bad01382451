"""Rotation: another secret under the same id, and what becomes of who holds the one before."""

import pytest
import redis
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError

from redis_sessions.exceptions import SessionGone, SessionRotated
from redis_sessions.record import SUPERSEDED_FOR
from redis_sessions.session import SessionStore
from tests.clocks import later
from tests.conftest import Do, record_of
from tests.observers import again, no_commands, nothing_stored, recorded_batches


def test_a_rotation_keeps_the_id_and_the_data_and_changes_the_key(do: Do, stored) -> None:
    session = stored(name="Ada")
    old_key, old_id = session.session_key, session.id
    do(session.cycle_key)
    assert session.id == old_id
    assert session.session_key != old_key
    assert dict(do(again(session).items)) == {"name": "Ada"}
    assert do(session.exists, session.session_key)
    assert not do(session.exists, old_key)


def test_a_rotation_moves_no_data_and_makes_no_second_record(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada", items=[1]))
    before = redis_client.hgetall(record_of(session))
    do(session.cycle_key)
    after = redis_client.hgetall(record_of(session))
    assert {name for name in after if after[name] != before.get(name)} == {b"\0k", b"\0p", b"\0v"}
    assert redis_client.dbsize() == 1


def test_a_login_takes_two_batches_after_the_read(do: Do, stored, monkeypatch) -> None:
    session = again(stored(name="Ada"))
    do(session.get, "name")
    batches = recorded_batches(monkeypatch)
    do(session.cycle_key)
    do(session.update, {SESSION_KEY: "1"})
    do(session.save)
    assert len(batches) == 2


def test_a_rotated_session_is_modified_so_that_its_cookie_is_sent(do: Do, stored) -> None:
    session = again(stored(name="Ada"))
    do(session.cycle_key)
    assert session.modified


def test_changes_made_before_a_rotation_are_saved_after_it(do: Do, stored) -> None:
    session = again(stored(name="Ada", items=[1]))
    do(session.update, {"name": "Eve"})
    do(session.get, "items").append(2)
    do(session.cycle_key)
    do(session.save)
    assert dict(do(again(session).items)) == {"name": "Eve", "items": [1, 2]}


def test_saves_acknowledged_before_a_rotation_survive_it(do: Do, stored) -> None:
    login = again(stored(name="Ada"))
    assert do(login.get, "name") == "Ada"
    other = again(login)
    do(other.update, {"basket": [1]})
    do(other.save)
    do(login.cycle_key)
    do(login.update, {SESSION_KEY: "1"})
    do(login.save)
    assert dict(do(again(login).items)) == {"name": "Ada", "basket": [1], SESSION_KEY: "1"}


def test_a_session_can_be_rotated_many_times(do: Do, stored) -> None:
    session = stored(name="Ada")
    keys = {session.session_key}
    for _ in range(5):
        do(session.cycle_key)
        keys.add(session.session_key)
    assert len(keys) == 6
    assert len({key[:14] for key in keys}) == 1
    assert do(again(session).get, "name") == "Ada"


def test_a_session_that_is_not_stored_is_created_by_a_rotation(do: Do) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.cycle_key)
    assert session.began
    assert do(again(session).get, "name") == "Ada"


def test_the_key_before_is_superseded_for_10_seconds(do: Do, stored) -> None:
    session = stored(name="Ada")
    old_key = session.session_key
    do(session.cycle_key)
    for seconds in (0, SUPERSEDED_FOR / 2):
        with later(seconds):
            late = SessionStore(old_key)
            assert dict(do(late.items)) == {}
            assert late.superseded
            assert late.session_key == old_key
            assert not late.is_empty()


def test_the_key_before_is_unknown_after_10_seconds(do: Do, stored) -> None:
    session = stored(name="Ada")
    old_key = session.session_key
    do(session.cycle_key)
    with later(SUPERSEDED_FOR):
        late = SessionStore(old_key)
        assert dict(do(late.items)) == {}
        assert not late.superseded
        assert late.session_key is None


def test_only_the_last_key_before_is_superseded(do: Do, stored) -> None:
    session = stored(name="Ada")
    first = session.session_key
    do(session.cycle_key)
    do(session.cycle_key)
    late = SessionStore(first)
    assert dict(do(late.items)) == {}
    assert (late.superseded, late.session_key) == (False, None)


def test_the_present_key_is_not_superseded(do: Do, stored) -> None:
    session = stored(name="Ada")
    do(session.cycle_key)
    present = again(session)
    assert do(present.get, "name") == "Ada"
    assert not present.superseded


@pytest.fixture
def late(do: Do, stored) -> SessionStore:
    """A session that was loaded with the key before the last rotation."""
    session = stored(name="Ada")
    late = again(session)
    do(session.cycle_key)
    assert do(late.get, "name") is None
    return late


def test_a_superseded_session_cannot_be_written(do: Do, late, redis_client) -> None:
    do(late.update, {"name": "Eve"})
    with no_commands(redis_client), pytest.raises(SessionRotated):
        do(late.save)


@pytest.mark.parametrize("rolling", [False, True])
def test_a_superseded_session_without_changes_sends_nothing(
    do: Do, late, redis_client, settings, rolling
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": rolling}
    with no_commands(redis_client):
        do(late.save)


def test_a_superseded_session_cannot_be_rotated(do: Do, late, redis_client) -> None:
    with no_commands(redis_client), pytest.raises(SessionRotated):
        do(late.cycle_key)


def test_a_superseded_session_cannot_be_ended(do: Do, late, redis_client) -> None:
    with nothing_stored(redis_client):
        do(late.flush)
        do(SessionStore().delete, late.session_key)


def test_a_superseded_session_is_not_obsolete(late) -> None:
    assert not late.is_obsolete()


def test_a_superseded_session_does_not_prolong_the_life_of_the_record(
    do: Do, stored, settings, redis_client
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 1}
    session = stored(name="Ada")
    late = again(session)
    do(session.cycle_key)
    with later(5), nothing_stored(redis_client):
        assert do(late.get, "name") is None
        assert late.superseded
        assert not late.touched


def test_a_save_with_a_key_that_was_rotated_away_raises_and_stores_nothing(
    do: Do, stored, redis_client
) -> None:
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Eve"})
    do(again(session).cycle_key)
    with nothing_stored(redis_client), pytest.raises(SessionRotated) as caught:
        do(session.save)
    assert isinstance(caught.value, UpdateError)


def test_of_two_rotations_at_once_one_wins_and_the_other_raises(do: Do, stored) -> None:
    first = again(stored(name="Ada"))
    second = again(first)
    assert do(first.get, "name") == do(second.get, "name") == "Ada"
    do(first.cycle_key)
    with pytest.raises(SessionRotated):
        do(second.cycle_key)
    assert do(again(first).get, "name") == "Ada"


def logged_in_and_gone(do: Do, stored) -> SessionStore:
    session = again(stored(**{SESSION_KEY: "1", "name": "Ada"}))
    assert do(session.get, "name") == "Ada"
    do(again(session).flush)
    return session


def test_a_rotation_does_not_revive_a_session_of_somebody_who_was_logged_in(
    do: Do, stored, redis_client
) -> None:
    session = logged_in_and_gone(do, stored)
    with pytest.raises(SessionGone):
        do(session.cycle_key)
    assert redis_client.dbsize() == 0


def test_a_rotation_of_an_anonymous_session_that_is_gone_begins_a_new_one(
    do: Do, stored, redis_client: redis.Redis
) -> None:
    session = again(stored(read=[1], unread=[2]))
    old = session.id
    assert do(session.get, "read") == [1]
    do(session.update, {"new": 3})
    do(again(session).flush)
    do(session.cycle_key)
    assert session.id != old
    assert session.began
    assert dict(do(again(session).items)) == {"read": [1], "unread": [2], "new": 3}
    assert redis_client.dbsize() == 1


def test_a_rotation_of_a_session_that_was_gone_before_it_was_read_begins_a_new_one(
    do: Do, stored
) -> None:
    session = stored(**{SESSION_KEY: "1"})
    gone = again(session)
    do(session.flush)
    do(gone.cycle_key)
    assert dict(do(again(gone).items)) == {}
    assert gone.began


def test_a_session_that_was_emptied_after_a_rotation_ends(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    do(session.cycle_key)
    do(session.pop, "name")
    do(session.save)
    assert redis_client.dbsize() == 0
