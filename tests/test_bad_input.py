"""Bad input from browsers and views: cookies that are none, keys and values that cannot be."""

from typing import Any

import pytest

from redis_sessions import tokens
from redis_sessions.exceptions import SessionGone
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, commands_run, no_commands, nothing_stored
from tests.serializers import CountingSerializer, path

KEY = "0123456789abcd" + "abcdefghijklmnopqrstuvwxyz"
MALFORMED = {
    "empty": "",
    "short": "a",
    "8 characters": "a" * 8,
    "39 characters": KEY[:-1],
    "41 characters": KEY + "a",
    "32 characters, as Django's own": "a" * 32,
    "overlong": "a" * 100_000,
    "upper case": KEY.upper(),
    "space before": " " + KEY,
    "space after": KEY + " ",
    "line after": KEY + "\n",
    "NUL": KEY[:-1] + "\0",
    "NUL after": KEY + "\0",
    "CRLF": KEY[:-10] + "\r\nDEL foo",
    "CRLF command": "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "unicode letters": "ü" * 40,
    "unicode digits": "٣" * 40,
    "unicode full width": "\uff41" * 40,
    "surrogate": KEY[:-1] + "\udc80",
    "glob": "*" * 40,
    "glob in place": KEY[:-1] + "*",
    "glob set": "[0-9a-z]" * 5,
    "braces": "{" + KEY[:-2] + "}",
    "prefix": ("session:{" + KEY)[:40],
    "other key": "session:user:{1}".ljust(40, "a"),
    "quoted": f'"{KEY[:-2]}"',
    "path": "../../../../../../../etc/passwd".ljust(40, "a"),
}
malformed = pytest.mark.parametrize("cookie", MALFORMED.values(), ids=MALFORMED)


@malformed
def test_a_malformed_cookie_is_a_visitor_without_a_session(do: Do, redis_client, cookie) -> None:
    with no_commands(redis_client):
        session = SessionStore(cookie)
        assert dict(do(session.items)) == {}
        assert do(session.get, "name") is None
        assert (session.session_key, session.id) == (None, None)
        assert session.is_empty()
        assert not session.modified


@malformed
@pytest.mark.parametrize("rolling", [False, True])
def test_a_malformed_cookie_that_is_not_used_sends_no_command(
    do: Do, redis_client, settings, cookie: str, rolling: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = rolling
    with no_commands(redis_client):
        assert SessionStore(cookie).id is None
        assert not do(SessionStore().exists, cookie)
        do(SessionStore().delete, cookie)
        do(SessionStore(cookie).flush)
        do(SessionStore(cookie).end_obsolete)
        session = SessionStore(cookie)
        assert do(session.get, "name") is None
        assert session.is_empty()


@malformed
def test_a_visitor_with_a_malformed_cookie_can_begin_a_session(do: Do, cookie: str) -> None:
    session = SessionStore(cookie)
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert session.session_key != cookie
    assert tokens.split_key(session.session_key)
    assert dict(do(again(session).items)) == {"name": "Ada"}


@malformed
def test_a_visitor_with_a_malformed_cookie_can_begin_with_a_cleared_session(do, cookie) -> None:
    session = SessionStore(cookie)
    session.clear()
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert session.session_key != cookie
    assert dict(do(again(session).items)) == {"name": "Ada"}


@malformed
def test_a_malformed_cookie_can_be_rotated_into_a_session(do: Do, cookie: str) -> None:
    session = SessionStore(cookie)
    do(session.cycle_key)
    assert tokens.split_key(session.session_key)
    assert session.session_key != cookie


def test_an_unknown_key_is_never_adopted(do: Do, redis_client) -> None:
    session = SessionStore(KEY)
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert session.session_key != KEY
    assert session.id != KEY[:14]
    assert dict(do(SessionStore(KEY).items)) == {}


@pytest.mark.parametrize("rolling", [False, True])
def test_an_unknown_key_is_never_created(do: Do, redis_client, settings, rolling: bool) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = rolling
    read = SessionStore(KEY)
    assert dict(do(read.items)) == {}
    do(SessionStore(KEY).flush)
    do(SessionStore(KEY).delete)
    assert not do(SessionStore().exists, KEY)
    cleared = SessionStore(KEY)
    cleared.clear()
    do(cleared.update, {"name": "Eve"})
    with pytest.raises(SessionGone):
        do(cleared.save)
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("begin", ["cycle_key", "create"])
def test_what_begins_with_an_unknown_key_gets_another(do: Do, redis_client, begin: str) -> None:
    session = SessionStore(KEY)
    do(getattr(session, begin))
    assert session.id != KEY[:14]
    assert redis_client.dbsize() == 1


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [1, {"a": object}], 1j], ids=repr)
def test_a_value_that_cannot_be_serialised_is_named_and_nothing_is_stored(
    do: Do, stored, redis_client, value: Any
) -> None:
    session = again(stored(name="Ada", kept=1))
    do(session.update, {"name": "Eve", "basket": value, "more": 1})
    do(session.pop, "kept")
    with nothing_stored(redis_client), pytest.raises(TypeError, match="session key 'basket'"):
        do(session.save)
    do(session.pop, "basket")
    do(session.save)
    assert dict(do(again(session).items)) == {"name": "Eve", "more": 1}


def test_a_nested_value_that_became_unserialisable_is_named_too(do: Do, stored, redis_client):
    session = again(stored(basket={"tea": 1}, name="Ada"))
    do(session.get, "basket")["tea"] = object()
    do(session.update, {"name": "Eve"})
    with nothing_stored(redis_client), pytest.raises(TypeError, match="session key 'basket'"):
        do(session.save)


def test_a_new_session_with_an_unserialisable_value_is_not_created(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada", "basket": object()})
    with no_commands(redis_client), pytest.raises(TypeError, match="session key 'basket'"):
        do(session.save)
    assert session.session_key is None


def test_keys_that_are_no_text_are_coerced_as_json_does(do: Do) -> None:
    session = SessionStore()
    do(session.update, {1: "int", 1.5: "float", True + 1: "two", None: "none", "text": "text"})
    do(session.save)
    do(session.save)
    expected = {"1": "int", "1.5": "float", "2": "two", "null": "none", "text": "text"}
    assert dict(do(again(session).items)) == expected


def test_a_value_under_a_key_that_is_no_text_can_be_changed_and_removed(do: Do) -> None:
    session = SessionStore()
    do(session.update, {1: [1], 2: 2, False: 3})
    do(session.save)
    do(session.get, 1).append(2)
    do(session.pop, 2)
    do(session.save)
    assert dict(do(again(session).items)) == {"1": [1, 2], "false": 3}


@pytest.mark.parametrize("key", [(1, 2), b"bytes", object()], ids=repr)
def test_a_key_that_json_refuses_is_a_type_error_and_nothing_is_stored(
    do: Do, stored, redis_client, key: Any
) -> None:
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Eve", key: 1})
    with nothing_stored(redis_client), pytest.raises(TypeError, match="cannot be one"):
        do(session.save)


@pytest.mark.parametrize("key", ["\0", "\0k", "\0x", "\0name", "a\ud800"], ids=repr)
@pytest.mark.parametrize("new", [True, False], ids=["created", "saved"])
def test_a_key_that_is_the_records_own_or_no_utf8_is_refused(
    do: Do, stored, redis_client, key: str, new: bool
) -> None:
    session = SessionStore() if new else again(stored(name="Ada"))
    do(session.update, {"name": "Eve", key: "1"})
    with nothing_stored(redis_client), pytest.raises(ValueError, match=r"NUL|surrogates"):
        do(session.save)


@pytest.mark.parametrize(
    "key",
    ["", " ", "k", "a\0b", "\x01k", "\r\n", "*", "session:{x}", "ü", "🐍", "_a", "x" * 9999],
    ids=lambda key: repr(key)[:16],
)
def test_any_other_text_is_a_key(do: Do, stored, key: str) -> None:
    session = stored(**{key: [1], "name": "Ada"})
    do(session.get, key).append(2)
    do(session.save)
    assert dict(do(again(session).items)) == {key: [1, 2], "name": "Ada"}


@pytest.mark.parametrize(
    "value",
    ["x" * 65_536, "ab" * 32_768, ["x"] * 16_384, "\0" * 65_536, "🐍" * 16_384],
    ids=["text", "hexadecimal", "list", "marked text", "unicode"],
)
def test_values_of_64_kilobytes_work(do: Do, stored, value: Any) -> None:
    session = stored(large=value, name="Ada")
    assert do(again(session).get, "large") == value
    changed = again(session)
    do(changed.update, {"large": value[:-1]})
    do(changed.save)
    assert dict(do(again(session).items)) == {"large": value[:-1], "name": "Ada"}


@pytest.mark.parametrize("number", [1000, 10_000])
def test_thousands_of_keys_work(do: Do, stored, redis_client, settings, number: int) -> None:
    settings.SESSION_SERIALIZER = path(CountingSerializer)
    values = {f"key {n}": n for n in range(number)}
    session = again(stored(**values))
    CountingSerializer.reset()
    before = commands_run(redis_client)
    assert do(session.get, "key 7") == 7
    assert commands_run(redis_client) - before == 1
    assert CountingSerializer.loaded == [b"7"]
    do(session.update, dict.fromkeys(values, 1))
    do(session.save)
    for key in values:
        if key != "key 7":
            do(session.pop, key)
    do(session.save)
    assert dict(do(again(session).items)) == {"key 7": 1}
    assert redis_client.hlen(record_of(session)) == 5
