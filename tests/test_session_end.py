"""The end of a session: flush, delete, expiry; and no save that makes it live again."""

import pytest
import redis
from django.contrib.sessions.backends.base import UpdateError

from redis_sessions import tokens
from redis_sessions.exceptions import SessionGone
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, no_commands, nothing_stored


def ended(do: Do, session: SessionStore, client: redis.Redis) -> None:
    do(again(session).flush)


def deleted(do: Do, session: SessionStore, client: redis.Redis) -> None:
    do(SessionStore().delete, session.session_key)


def expired(do: Do, session: SessionStore, client: redis.Redis) -> None:
    client.expireat(record_of(session), 1)


@pytest.mark.parametrize("end", [ended, deleted, expired])
def test_a_save_does_not_revive_a_session_that_is_gone(do: Do, stored, redis_client, end) -> None:
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Eve"})
    end(do, session, redis_client)
    with pytest.raises(SessionGone) as caught:
        do(session.save)
    assert isinstance(caught.value, UpdateError)
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("changes", [{}, {"name": "Eve"}], ids=["unchanged", "changed"])
def test_a_save_after_ones_own_delete_raises(do: Do, stored, redis_client, changes) -> None:
    session = again(stored(name="Ada"))
    do(session.update, changes)
    do(session.delete)
    with no_commands(redis_client), pytest.raises(SessionGone):
        do(session.save)
    assert redis_client.dbsize() == 0


def test_clearing_and_saving_does_not_revive_either(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    do(again(session).flush)
    session.clear()
    do(session.update, {"name": "Eve"})
    with pytest.raises(SessionGone):
        do(session.save)
    assert redis_client.dbsize() == 0


def test_flush_ends_the_session_and_begins_without_a_key(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    key = session.session_key
    do(session.flush)
    assert session.session_key is None
    assert dict(do(session.items)) == {}
    assert not do(session.exists, key)
    assert redis_client.dbsize() == 0


def test_a_flushed_session_can_hold_data_again_under_another_id(do: Do, stored) -> None:
    session = again(stored(name="Ada"))
    old = session.id
    do(session.flush)
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert session.id != old
    assert dict(do(again(session).items)) == {"name": "Eve"}


def test_delete_of_another_key_leaves_this_session(do: Do, stored) -> None:
    mine, other = stored(name="Ada"), stored(name="Eve")
    do(mine.delete, other.session_key)
    assert not do(mine.exists, other.session_key)
    do(mine.update, {"name": "Grace"})
    do(mine.save)
    assert do(again(mine).get, "name") == "Grace"


def test_delete_needs_the_secret(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    with nothing_stored(redis_client):
        do(SessionStore().delete, session.id + "0" * 26)


def test_delete_of_what_is_gone_is_no_error(do: Do) -> None:
    do(SessionStore().delete, str(tokens.make_key()))
    do(SessionStore().delete, "no key")
    do(SessionStore().delete)


def test_a_session_exists_while_it_is_stored(do: Do, stored) -> None:
    session = stored(name="Ada")
    assert do(session.exists, session.session_key)
    do(session.delete)
    assert not do(session.exists, session.session_key)


@pytest.mark.parametrize("key", [None, "", "no key", "0" * 40])
def test_what_is_not_stored_does_not_exist(do: Do, key: str | None) -> None:
    assert not do(SessionStore().exists, key)


def test_a_session_does_not_exist_under_another_secret(do: Do, stored) -> None:
    assert not do(SessionStore().exists, stored(name="Ada").id + "0" * 26)
