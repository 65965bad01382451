"""A new SECRET_KEY: with the old one among the fallbacks sessions live on and are signed anew."""

import pytest
import redis

from redis_sessions import codec, tokens
from redis_sessions.conf import config
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, nothing_stored, recorded_batches

FIRST, SECOND, THIRD = "the first secret key", "the second secret key", "the third secret key"


@pytest.fixture
def session(do: Do, stored, settings) -> SessionStore:
    """A session stored under the first key; now the second is in force, the first falls back."""
    settings.SECRET_KEY = FIRST
    session = again(stored(name="Ada", items=[1], kept="kept"))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = SECOND, [FIRST]
    return session


def keys_in_use(session: SessionStore, client: redis.Redis) -> set[int]:
    """Return the positions, among the keys of the settings, of those that signed the record."""
    fields = client.hgetall(record_of(session))
    key = tokens.split_key(session.session_key)
    digests = [tokens.digest(key, digest_key) for digest_key in config().digest_keys]
    signed = {
        codec.unseal(key.id, name, stored, config().signing_keys)[1]
        for name, stored in fields.items()
        if not name.startswith(b"\0")
    }
    return signed | {digests.index(fields[b"\0k"])}


def test_a_session_of_the_key_before_is_read(do: Do, session) -> None:
    assert dict(do(session.items)) == {"name": "Ada", "items": [1], "kept": "kept"}
    assert do(session.exists, session.session_key)


def test_reading_signs_nothing_anew(do: Do, session, redis_client) -> None:
    with nothing_stored(redis_client):
        assert do(session.get, "name") == "Ada"
        do(session.save)


def test_the_next_save_signs_all_of_the_session_anew(do: Do, session, redis_client) -> None:
    assert keys_in_use(session, redis_client) == {1}
    do(session.update, {"more": 1})
    do(session.save)
    assert keys_in_use(session, redis_client) == {0}


def test_after_the_next_save_the_key_before_can_go(do: Do, session, settings) -> None:
    do(session.update, {"name": "Eve"})
    do(session.save)
    settings.SECRET_KEY_FALLBACKS = []
    assert dict(do(again(session).items)) == {"name": "Eve", "items": [1], "kept": "kept"}


def test_a_second_save_signs_nothing_anew(do: Do, session, redis_client, monkeypatch) -> None:
    do(session.update, {"name": "Eve"})
    do(session.save)
    before = redis_client.hgetall(record_of(session))
    do(session.update, {"more": 1})
    batches = recorded_batches(monkeypatch)
    do(session.save)
    assert [len(batch) for batch in batches] == [1]
    after = redis_client.hgetall(record_of(session))
    assert {name for name in before if after[name] != before[name]} <= {b"\0v", b"\0x"}


def test_signing_anew_overwrites_nothing_that_others_wrote_meanwhile(do: Do, session) -> None:
    other = again(session)
    assert do(session.get, "name") == "Ada"
    do(other.update, {"name": "Grace", "items": [1, 2]})
    do(other.save)
    do(session.update, {"more": 1})
    do(session.save)
    assert dict(do(again(session).items)) == {
        "name": "Grace",
        "items": [1, 2],
        "kept": "kept",
        "more": 1,
    }


def test_signing_anew_brings_back_nothing_that_others_removed_meanwhile(do: Do, session) -> None:
    other = again(session)
    assert do(session.get, "name") == "Ada"
    do(other.pop, "kept")
    do(other.save)
    do(session.update, {"more": 1})
    do(session.save)
    assert do(again(session).get, "kept") is None


def test_a_rotation_keeps_a_session_of_the_key_before(do: Do, session, redis_client) -> None:
    do(session.cycle_key)
    do(session.update, {"more": 1})
    do(session.save)
    assert keys_in_use(session, redis_client) == {0}
    assert do(again(session).get, "name") == "Ada"


def test_a_key_that_was_rotated_away_is_superseded_under_the_key_before_too(do: Do, session):
    old = again(session)
    do(session.cycle_key)
    assert do(old.get, "name") is None
    assert old.superseded


def test_a_session_of_the_key_before_can_be_ended(do: Do, session, redis_client) -> None:
    do(session.flush)
    assert redis_client.dbsize() == 0


def test_a_new_session_is_signed_with_the_key_in_force(do: Do, session, redis_client) -> None:
    assert do(session.get, "name") == "Ada"
    do(session.create)
    assert keys_in_use(session, redis_client) == {0}
    assert dict(do(again(session).items)) == {"name": "Ada", "items": [1], "kept": "kept"}


def test_a_session_of_two_keys_before_is_read_and_signed_anew(
    do: Do, session, settings, redis_client
) -> None:
    other = again(session)
    do(other.update, {"name": "Grace"})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = THIRD, [SECOND, FIRST]
    assert do(session.get, "name") == "Ada"
    do(other.save)
    assert keys_in_use(session, redis_client) == {0}


def test_without_the_fallback_there_is_no_session_and_the_record_stays(
    do: Do, session, settings, redis_client
) -> None:
    settings.SECRET_KEY_FALLBACKS = []
    with nothing_stored(redis_client):
        assert dict(do(session.items)) == {}
        assert session.session_key is None
        assert not session.superseded
