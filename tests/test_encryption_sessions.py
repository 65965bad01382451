"""Sessions whose values are sealed: they work as signed ones do, and the server knows no value."""

import pickle
from typing import Any

import pytest
import redis
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from redis_sessions import codec, looking, operations, steps, tokens, users
from redis_sessions.conf import config
from redis_sessions.encryption import Opener
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, nothing_stored, recorded_batches
from tests.people import FIREFOX, credentials, log_in, person
from tests.sealed import ENCRYPT, everything, fields, sealed

pytestmark = pytest.mark.django_db

TEXT = "the moon is made of cheese"
VALUES = {"text": TEXT, "hex": "4f1c9a7be2d05836" * 4, "basket": {"1042": [TEXT]}, "empty": ""}


@pytest.fixture(autouse=True)
def _encrypting(settings: Any) -> None:
    settings.REDIS_SESSIONS = ENCRYPT


def test_what_was_saved_is_read(do: Do, stored, redis_client) -> None:
    session = stored(**VALUES)
    assert dict(do(again(session).items)) == VALUES
    assert sealed(redis_client, session) == set(VALUES)


def test_values_are_compressed_before_they_are_sealed(do: Do, stored, settings, redis_client):
    settings.REDIS_SESSIONS = {**ENCRYPT, "COMPRESS_MIN_LENGTH": 512}
    session = stored(long=TEXT * 100)
    assert len(fields(redis_client, session)["long"]) < 300
    assert do(again(session).get, "long") == TEXT * 100


def test_a_change_inside_a_value_is_found_and_nothing_else_is_written(
    do: Do, stored, redis_client
) -> None:
    session = again(stored(**VALUES))
    before = fields(redis_client, session)
    do(session.get, "basket")["1042"].append("tea")
    do(session.save)
    after = fields(redis_client, session)
    assert [name for name in before if before[name] != after[name]] == ["basket"]
    assert do(again(session).get, "basket") == {"1042": [TEXT, "tea"]}


def test_a_save_without_changes_stores_nothing(do: Do, stored, redis_client) -> None:
    session = again(stored(**VALUES))
    with nothing_stored(redis_client):
        assert dict(do(session.items)) == VALUES
        do(session.save)


def test_two_objects_that_change_different_keys_both_keep_their_change(do: Do, stored) -> None:
    one = again(stored(**VALUES))
    other = again(one)
    do(one.update, {"one": 1})
    do(other.update, {"other": 2})
    do(one.save)
    do(other.save)
    assert dict(do(again(one).items)) == VALUES | {"one": 1, "other": 2}


def test_a_cleared_session_holds_what_came_after(do: Do, stored, redis_client) -> None:
    session = again(stored(**VALUES))
    session.clear()
    do(session.update, {"after": TEXT})
    do(session.save)
    assert dict(do(again(session).items)) == {"after": TEXT}
    assert sealed(redis_client, session) == {"after"}


def test_reading_and_saving_take_no_more_round_trips(do: Do, stored, monkeypatch) -> None:
    session = again(stored(**VALUES, **credentials(person())))
    batches = recorded_batches(monkeypatch)
    do(session.update, {"more": 1})
    do(session.save)
    assert [len(batch) for batch in batches] == [1, 1]


def test_a_login_stays_a_listpack_with_a_former_key_too(do: Do, stored, redis_client) -> None:
    session = stored(**credentials(person()))
    do(session.cycle_key)
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert redis_client.hexists(record_of(session), "\0e")
    assert redis_client.object("encoding", record_of(session)) == b"listpack"


# Who reads the server


def _filled(do: Do) -> SessionStore:
    session = log_in(do, REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT=FIREFOX)
    do(session.update, VALUES)
    do(session.set_expiry, 3600)
    do(session.save)
    do(session.cycle_key)
    do(session.update, {"later": TEXT})
    do(session.save)
    return session


NEVER_SEEN = [TEXT.encode(), b"cheese", bytes.fromhex("4f1c9a7be2d05836"), b"1042"]


@pytest.mark.parametrize("encrypts", [True, False])
def test_nothing_in_the_server_holds_a_value_in_the_clear(
    do: Do, settings, redis_client, encrypts
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT if encrypts else {}
    session = _filled(do)
    found = [text for text in NEVER_SEEN if text in everything(redis_client)]
    assert found == ([] if encrypts else NEVER_SEEN)  # as signed values, all can be seen
    assert session.session_key.encode()[14:] not in everything(redis_client)


def test_nothing_that_is_sent_holds_a_value_in_the_clear(do: Do, redis_client, monkeypatch) -> None:
    batches = recorded_batches(monkeypatch)
    session = _filled(do)
    sent = pickle.dumps([command.words for batch in batches for command in batch])
    assert [text for text in NEVER_SEEN if text in sent] == []
    assert sent.count(fields(redis_client, session)["later"]) == 1


def test_what_stays_readable_is_what_is_documented(do: Do, redis_client) -> None:
    session = _filled(do)
    stored = fields(redis_client, session)
    readable = set(stored) - sealed(redis_client, session)
    assert readable == {SESSION_KEY, HASH_SESSION_KEY, BACKEND_SESSION_KEY}
    for name in readable:
        codec.unseal(session.id, name.encode(), stored[name], config().signing_keys)


def test_server_and_secret_key_open_nothing_without_the_cookie(do: Do, redis_client) -> None:
    session = _filled(do)
    wrapped = redis_client.hget(record_of(session), "\0e")
    key, held = tokens.split_key(session.session_key), fields(redis_client, session)
    salts, names = config().sealing_keys, sealed(redis_client, session)
    with_cookie = Opener(key, salts, wrapped)
    assert {with_cookie.open(name.encode(), held[name])[0] for name in names}
    without = Opener(tokens.rotate_key(key), salts, wrapped)
    for name in names:
        with pytest.raises(ValueError, match="does not match"):
            without.open(name.encode(), held[name])


# Who writes to the server


def spoil(do: Do, session: SessionStore, client: redis.Redis, name: str, stored: bytes) -> None:
    """Write a field; then nothing of the session is read, and it stays as it is."""
    client.hset(record_of(session), name, stored)
    with nothing_stored(client):
        read = again(session)
        assert dict(do(read.items)) == {}
        assert read.session_key is None


@pytest.mark.parametrize("at", [0, 11, 13, 20, -1])
def test_a_value_that_was_edited_makes_the_session_unreadable(
    do: Do, stored, redis_client, at: int, caplog
) -> None:
    session = stored(**VALUES)
    held = bytearray(fields(redis_client, session)["text"])
    held[at] ^= 1
    spoil(do, session, redis_client, "text", bytes(held))
    assert f"Session {session.id} cannot be read" in caplog.text
    assert TEXT not in caplog.text


def test_a_value_that_was_cut_makes_the_session_unreadable(do: Do, stored, redis_client) -> None:
    for length in (0, 12, 13, 28, 40):
        session = stored(**VALUES)
        held = fields(redis_client, session)["text"]
        spoil(do, session, redis_client, "text", held[:length])


def test_a_value_of_another_field_makes_the_session_unreadable(do: Do, stored, redis_client):
    session = stored(**VALUES)
    spoil(do, session, redis_client, "text", fields(redis_client, session)["hex"])


def test_a_value_of_another_session_makes_the_session_unreadable(do: Do, stored, redis_client):
    session, other = stored(**VALUES), stored(**VALUES)
    spoil(do, session, redis_client, "text", fields(redis_client, other)["text"])


def test_a_sealed_user_from_another_place_is_not_believed(do: Do, redis_client) -> None:
    session = log_in(do)
    do(session.update, {"name": "7"})
    do(session.save)
    held = fields(redis_client, session)["name"]
    spoil(do, session, redis_client, SESSION_KEY, held)
    assert users.sessions_of(person()) == []


def test_a_value_that_nobody_signed_is_no_way_around_the_seal(do: Do, stored, redis_client):
    session = stored(**VALUES)
    spoil(do, session, redis_client, "text", b"\0" * 12 + b"forged")


# What works without the secret


def test_a_users_sessions_are_listed_counted_and_ended(do: Do, redis_client) -> None:
    sessions = [log_in(do, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7") for _ in range(3)]
    found = users.sessions_of(person())
    assert {one.id for one in found} == {one.id for one in sessions}
    assert {one.device.ip for one in found} == {"192.0.2.7"}
    assert users.end_session(person(8), sessions[0].id) is None
    assert users.end_session(person(), sessions[0].id).id == sessions[0].id
    assert {one.id for one in users.end_sessions(person(), keep=sessions[1])} == {sessions[2].id}
    assert dict(do(again(sessions[1]).items)) == credentials(person())


def test_the_limit_is_kept(do: Do, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {**ENCRYPT, "MAX_SESSIONS_PER_USER": 2}
    sessions = [log_in(do) for _ in range(4)]
    assert [redis_client.exists(record_of(one)) for one in sessions] == [0, 0, 1, 1]


def test_a_session_can_be_looked_at_and_told_from_others(do: Do, stored, redis_client) -> None:
    named = {"anonymous": stored(**VALUES), "logged_in": log_in(do), "empty": SessionStore()}
    do(named["empty"].create)
    for kind, session in named.items():
        (found,) = steps.run(looking.look([session.id]))
        assert (found.kind, found.fault) == (kind, "")
    (found,) = steps.run(looking.look([named["anonymous"].id]))
    assert dict(found.keys) == {"text": len(TEXT), "hex": 33, "basket": 40, "empty": 0}
    (found,) = steps.run(looking.look([named["logged_in"].id]))
    assert found.user_id == "7"
    assert dict(found.keys)[SESSION_KEY] == 1


def test_a_logout_takes_the_session_out_of_the_index(do: Do) -> None:
    session = log_in(do)
    do(session.flush)
    assert users.sessions_of(person()) == []


def test_another_object_ends_a_session_that_it_has_not_loaded(do: Do, redis_client) -> None:
    session = log_in(do)
    do(SessionStore().delete, session.session_key)
    assert not redis_client.exists(operations.channel(session.id))
