"""Long values are stored compressed where the site asks for that, each on its own."""

import random
from typing import Any

import pytest
import redis
from django.core.signing import JSONSerializer
from hypothesis import strategies as st

from redis_sessions import codec, operations
from redis_sessions.session import SessionStore
from tests.mappings import compressing, saved, written
from tests.properties import given
from tests.serializers import PickleSerializer, SaltedSerializer

JSON = JSONSerializer()
ROWS = [{"id": number, "name": "a name that comes again"} for number in range(100)]
TEXT = "a text that comes again " * 100


@given(st.binary() | st.text().map(lambda text: text.encode() * 40))
def test_any_payload_comes_back_and_never_gets_longer(payload: bytes) -> None:
    if payload[:1] != codec.COMPRESSED:
        packed = codec.compress(payload)
        assert len(packed) <= len(payload)
        assert codec.expand(packed) == payload


@pytest.mark.parametrize(
    "value", [ROWS, TEXT, "ab" * 5000, {}, "", "a", 7], ids=lambda v: str(v)[:9]
)
@pytest.mark.parametrize("serializer", [JSON, PickleSerializer(), SaltedSerializer()])
def test_a_compressed_value_is_decoded_as_any_other(serializer: Any, value: Any) -> None:
    payload = codec.compress(codec.encode(value, serializer))
    assert codec.decode(payload, serializer) == value


def test_what_only_grows_by_compression_stays_as_it_is() -> None:
    noise = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz-._~", k=20))
    assert codec.compress(noise.encode()) == noise.encode()


def test_broken_bytes_are_a_value_that_cannot_be_decoded() -> None:
    data = compressing(rows=ROWS)
    data._payloads["rows"] = data._payloads["rows"][:-9]
    assert "rows" not in data
    assert data.hides
    assert not data.delta()


def test_values_below_the_length_are_left_alone() -> None:
    data = compressing(least=len(codec.encode(TEXT, JSON)))
    data["short"], data["long"] = TEXT[:-1], TEXT
    changed = data.delta().changed
    assert changed[b"short"] == TEXT[:-1].encode()
    assert changed[b"long"][:1] == codec.COMPRESSED
    assert written(data.delta()) == {"short": TEXT[:-1], "long": TEXT}


@pytest.mark.parametrize("serializer", [JSON, PickleSerializer(), SaltedSerializer()])
def test_a_value_that_was_read_and_not_changed_is_not_written(serializer: Any) -> None:
    data = compressing(serializer, rows=ROWS, text=TEXT)
    assert data["rows"][0]["id"] == 0
    assert data["text"] == TEXT
    assert not data.delta()


def test_a_change_inside_a_compressed_value_is_found_and_written_compressed() -> None:
    data = compressing(rows=ROWS, text=TEXT)
    data["rows"][7]["name"] = "another"
    delta = saved(data)
    assert [*delta.changed] == [b"rows"]
    assert delta.changed[b"rows"][:1] == codec.COMPRESSED
    assert written(delta)["rows"][7]["name"] == "another"
    assert not data.delta()


def test_a_value_shrunk_below_the_length_is_written_plain() -> None:
    data = compressing(rows=ROWS)
    del data["rows"][1:]
    assert data.delta().changed[b"rows"] == codec.encode(ROWS[:1], JSON)


def test_the_whole_of_a_session_keeps_what_nobody_decoded() -> None:
    data = compressing(rows=ROWS, text=TEXT)
    stored = dict(data._payloads)
    assert data.whole().changed == {b"rows": stored["rows"], b"text": stored["text"]}


def _stored(client: redis.Redis, session: SessionStore, name: str) -> bytes:
    held: Any = client.hget(operations.channel(session.id or ""), name)
    return bytes(held[codec.SIGNATURE_SIZE :])


def test_a_site_that_asks_for_it_stores_long_values_compressed(
    settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"COMPRESS_MIN_LENGTH": 1024}
    session = SessionStore()
    session.update({"rows": ROWS, "name": "Ada"})
    session.save()
    assert len(_stored(redis_client, session, "rows")) < len(codec.encode(ROWS, JSON)) / 4
    assert _stored(redis_client, session, "name") == b"Ada"
    assert dict(SessionStore(session.session_key).items()) == {"rows": ROWS, "name": "Ada"}


def test_what_was_stored_compressed_is_read_where_the_setting_is_gone(
    settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"COMPRESS_MIN_LENGTH": 1024}
    session = SessionStore()
    session["rows"] = ROWS
    session.save()
    settings.REDIS_SESSIONS = {}
    again = SessionStore(session.session_key)
    assert again["rows"] == ROWS
    assert not again.modified
    again["rows"].append({})
    again.save()
    assert _stored(redis_client, session, "rows") == codec.encode([*ROWS, {}], JSON)


def test_a_site_that_stores_nothing_else_keeps_a_compressed_session(settings: Any) -> None:
    settings.REDIS_SESSIONS = {"COMPRESS_MIN_LENGTH": 1024}
    session = SessionStore()
    session["rows"] = ROWS
    session.save()
    assert not SessionStore(session.session_key).is_obsolete()
    again = SessionStore(session.session_key)
    assert again["rows"]
    assert not again.is_obsolete()


def test_a_login_is_never_compressed(settings: Any, redis_client: redis.Redis) -> None:
    settings.REDIS_SESSIONS = {"COMPRESS_MIN_LENGTH": 1}
    session = SessionStore()
    session.update({"_auth_user_id": "u" * 254, "_auth_user_hash": "ab" * 32})
    session.save()
    assert _stored(redis_client, session, "_auth_user_id") == b"u" * 254
