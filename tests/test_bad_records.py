"""Records that somebody without SECRET_KEY has tampered with: no session, logged, left alone."""

import logging
from collections.abc import Callable

import pytest
import redis

from redis_sessions import codec, tokens
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, nothing_stored
from tests.serializers import CountingSerializer, path

SECRET_DATA = "the data of a visitor"
NUMBERS = ["\0c", "\0v", "\0x", "\0i"]


def brief(value: object) -> str:
    return repr(value)[:24]


@pytest.fixture
def session(do: Do, stored, settings) -> SessionStore:
    """A session in good order."""
    settings.SESSION_SERIALIZER = path(CountingSerializer)
    session = stored(name=SECRET_DATA, items=[SECRET_DATA], admin=False)
    CountingSerializer.reset()
    return again(session)


def refused(do: Do, session: SessionStore, client: redis.Redis, caplog, *, logs: bool) -> None:
    """Assert that a session is read as none, logged by id, left alone, and not decoded."""
    key, session_id = session.session_key, session.id
    with nothing_stored(client), caplog.at_level(logging.DEBUG):
        assert dict(do(session.items)) == {}
        assert session.session_key is None
        assert not session.superseded
    assert CountingSerializer.loaded == []
    records = [record for record in caplog.records if record.name != "asyncio"]
    assert [record.name for record in records] == ["django.security.SuspiciousSession"] * logs
    for record in records:
        text = logging.Formatter().format(record)
        assert session_id in text
        assert key not in text
        assert key[14:] not in text
        assert SECRET_DATA not in text


def edit(field: str, change: Callable[[bytes], bytes]) -> Callable[[redis.Redis, str], None]:
    def tamper(client: redis.Redis, name: str) -> None:
        client.hset(name, field, change(client.hget(name, field)))

    return tamper


def swap(client: redis.Redis, name: str) -> None:
    one, two = client.hmget(name, "name", "items")
    client.hset(name, mapping={"name": two, "items": one})


TAMPERED: dict[str, Callable[[redis.Redis, str], object]] = {
    "edited payload": edit("items", lambda stored: stored[:-1] + b"!"),
    "edited signature": edit("items", lambda stored: bytes([stored[0] ^ 1]) + stored[1:]),
    "truncated payload": edit("items", lambda stored: stored[:-1]),
    "truncated to the signature": edit("items", lambda stored: stored[:12]),
    "truncated signature": edit("items", lambda stored: stored[:11]),
    "emptied": edit("items", lambda stored: b""),
    "unsigned": edit("items", lambda stored: stored[12:]),
    "appended": edit("items", lambda stored: stored + b"\0"),
    "unknown marker": edit("items", lambda stored: stored[:12] + b"\x1f" + stored[13:]),
    "other marker": edit("name", lambda stored: stored[:12] + b"\0" + stored[12:]),
    "no utf-8": edit("name", lambda stored: stored[:12] + b"\xff\xfe"),
    "own field": lambda client, name: client.hset(name, "planted", "value"),
    "own pickle": lambda client, name: client.hset(name, "planted", b"?" * 12 + b"\0\x80\x05N."),
    "own field without a name": lambda client, name: client.hset(name, "", "value"),
    "own field that is no text": lambda client, name: client.hset(name, b"\xff", "value"),
    "swapped fields": swap,
    "copied field": lambda client, name: client.hset(name, "admin2", client.hget(name, "admin")),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_record_with_a_field_that_somebody_changed_is_no_session(
    do: Do, session, redis_client, caplog, tamper
) -> None:
    tamper(redis_client, record_of(session))
    refused(do, session, redis_client, caplog, logs=True)


def test_a_field_of_another_session_is_not_accepted(
    do: Do, session, stored, redis_client, caplog
) -> None:
    other = stored(admin=True, items=[1])
    CountingSerializer.reset()
    redis_client.hset(record_of(session), "admin", redis_client.hget(record_of(other), "admin"))
    refused(do, session, redis_client, caplog, logs=True)


def test_a_record_that_was_copied_to_another_id_is_no_session(
    do: Do, session, redis_client, caplog
) -> None:
    thief = SessionStore("f" * 14 + session.session_key[14:])
    redis_client.copy(record_of(session), record_of(thief))
    refused(do, thief, redis_client, caplog, logs=False)


def test_the_digest_of_ones_own_session_opens_no_other(
    do: Do, session, stored, redis_client, caplog
) -> None:
    mine = stored(name="Eve")
    thief = SessionStore(session.id + mine.session_key[14:])
    CountingSerializer.reset()
    redis_client.hset(record_of(session), "\0k", redis_client.hget(record_of(mine), "\0k"))
    refused(do, thief, redis_client, caplog, logs=False)
    refused(do, session, redis_client, caplog, logs=False)


@pytest.mark.parametrize(
    "digest", [b"", b"\0" * 16, b"0" * 15, b"0" * 17, b"text", b"0" * 1000], ids=brief
)
def test_a_digest_that_somebody_replaced_opens_no_session(
    do: Do, session, redis_client, caplog, digest: bytes
) -> None:
    redis_client.hset(record_of(session), "\0k", digest)
    refused(do, session, redis_client, caplog, logs=False)
    assert not do(session.exists, str(session.session_key))


def test_a_digest_that_was_made_without_the_secret_key_opens_no_session(
    do: Do, session, redis_client, caplog
) -> None:
    thief = SessionStore(session.id + "0" * 26)
    key = tokens.split_key(thief.session_key)
    forged = tokens.digest(key, tokens.derive_key(b"a guess", b"digest"))
    redis_client.hset(record_of(session), "\0k", forged)
    refused(do, thief, redis_client, caplog, logs=False)


def test_a_value_that_was_signed_without_the_secret_key_is_not_accepted(
    do: Do, session, redis_client, caplog
) -> None:
    guess = tokens.derive_key(b"a guess", b"signature")
    forged = codec.seal(session.id, b"admin", b"\0true", guess)
    redis_client.hset(record_of(session), "admin", forged)
    refused(do, session, redis_client, caplog, logs=True)


@pytest.mark.parametrize("field", ["\0k", "\0c", "\0v", "\0x"], ids=repr)
def test_a_record_without_one_of_its_own_fields_is_no_session(
    do: Do, session, redis_client, caplog, field: str
) -> None:
    redis_client.hdel(record_of(session), field)
    refused(do, session, redis_client, caplog, logs=True)


@pytest.mark.parametrize("field", NUMBERS, ids=repr)
@pytest.mark.parametrize("value", ["", "soon", "1.5", "1e3", "nan", "0x10", "9" * 5000], ids=brief)
def test_a_record_with_a_number_that_is_none_is_no_session(
    do: Do, session, redis_client, caplog, field: str, value: str
) -> None:
    redis_client.hset(record_of(session), field, value)
    refused(do, session, redis_client, caplog, logs=True)


@pytest.mark.parametrize("value", [" 1", "1_0", "+1", "9" * 19], ids=repr)
def test_a_record_with_a_version_that_the_server_cannot_count_up_is_no_session(
    do: Do, session, redis_client, caplog, value: str
) -> None:
    redis_client.hset(record_of(session), "\0v", value)
    refused(do, session, redis_client, caplog, logs=True)


@pytest.mark.parametrize(
    "previous",
    ["", "text", "0" * 16, "0" * 16 + "soon", "0" * 16 + "9" * 5000],
    ids=brief,
)
def test_a_note_of_a_rotation_that_somebody_wrote_opens_no_session(
    do: Do, session, redis_client, caplog, previous: str
) -> None:
    redis_client.hset(record_of(session), "\0p", previous)
    thief = SessionStore(session.id + "0" * 26)
    refused(do, thief, redis_client, caplog, logs=False)


def test_a_record_that_expired_by_its_own_note_is_no_session(do, session, redis_client, caplog):
    redis_client.hset(record_of(session), "\0x", "1")
    refused(do, session, redis_client, caplog, logs=False)


OTHER_TYPES: dict[str, Callable[[redis.Redis, str], object]] = {
    "string": lambda client, name: client.set(name, SECRET_DATA),
    "list": lambda client, name: client.rpush(name, "a", "b"),
    "set": lambda client, name: client.sadd(name, "a", "b"),
    "sorted set": lambda client, name: client.zadd(name, {"a": 1}),
    "stream": lambda client, name: client.xadd(name, {"a": 1}),
    "another's hash": lambda client, name: client.hset(name, mapping={"a": 1}),
}
another_type = pytest.mark.parametrize("put", OTHER_TYPES.values(), ids=OTHER_TYPES)


@pytest.fixture(params=[False, True], ids=["", "rolling"])
def rolling(request: pytest.FixtureRequest, settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": request.param}


@another_type
@pytest.mark.usefixtures("rolling")
def test_a_key_that_holds_no_record_is_no_session(do, session, redis_client, caplog, put) -> None:
    redis_client.delete(record_of(session))
    put(redis_client, record_of(session))
    refused(do, session, redis_client, caplog, logs=True)


@another_type
def test_a_key_that_holds_no_record_is_neither_written_nor_removed(
    do: Do, session, redis_client, put
) -> None:
    name, key = record_of(session), session.session_key
    do(session.update, {"name": "Eve"})
    redis_client.delete(name)
    put(redis_client, name)
    with nothing_stored(redis_client):
        assert not do(session.exists, key)
        do(SessionStore().delete, key)
        do(SessionStore(key).flush)
        with pytest.raises(Exception, match="ended elsewhere"):
            do(session.save)


def test_a_visitor_whose_record_was_tampered_with_can_begin_anew(do, session, redis_client) -> None:
    tampered, old = record_of(session), session.id
    redis_client.hset(tampered, "admin", "true")
    before = redis_client.dump(tampered)
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert session.id != old
    assert dict(do(again(session).items)) == {"name": "Eve"}
    assert redis_client.dump(tampered) == before
