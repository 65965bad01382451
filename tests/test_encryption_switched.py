"""ENCRYPT turned on and off: what is stored is read either way, and rewritten by the next save."""

import builtins
import subprocess
import sys
from typing import Any

import pytest
import redis
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import ImproperlyConfigured

from redis_sessions import checks, codec, sealing
from redis_sessions.conf import config
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, nothing_stored, recorded_batches
from tests.people import credentials, log_in, person
from tests.sealed import ENCRYPT, fields, is_wrapped, sealed

VALUES = {"name": "Ada", "items": [1]}


@pytest.fixture(params=["on", "off"])
def switched(request: pytest.FixtureRequest, do: Do, stored, settings) -> SessionStore:
    """A session that was stored before the setting was turned on, or off."""
    settings.REDIS_SESSIONS = {} if request.param == "on" else ENCRYPT
    session = stored(**VALUES)
    settings.REDIS_SESSIONS = ENCRYPT if request.param == "on" else {}
    return again(session)


def as_it_is_to_be(client: redis.Redis, session: SessionStore) -> bool:
    """Tell whether all of a session is stored as the setting has it."""
    stored = fields(client, session)
    return sealed(client, session) == (set(stored) if config().ENCRYPT else set())


def test_what_is_stored_the_other_way_is_read_and_stays(do: Do, switched, redis_client) -> None:
    with nothing_stored(redis_client):
        assert dict(do(switched.items)) == VALUES
        do(switched.save)
    assert not as_it_is_to_be(redis_client, switched)


def test_the_next_save_rewrites_all_of_the_session(do: Do, switched, redis_client) -> None:
    do(switched.update, {"more": 1})
    do(switched.save)
    assert as_it_is_to_be(redis_client, switched)
    assert dict(do(again(switched).items)) == VALUES | {"more": 1}


@pytest.mark.parametrize("first", ["save", "create"])
def test_what_was_rewritten_is_not_rewritten_again(
    do: Do, switched, redis_client, monkeypatch, first: str
) -> None:
    do(switched.update, {"more": 1})
    do(getattr(switched, first))
    assert as_it_is_to_be(redis_client, switched)
    batches = recorded_batches(monkeypatch)
    do(switched.update, {"more": 2})
    do(switched.save)
    assert [len(batch) for batch in batches] == [1]


def test_rewriting_overwrites_nothing_that_others_wrote_meanwhile(
    do: Do, switched, redis_client
) -> None:
    other = again(switched)
    assert do(switched.get, "name") == "Ada"
    do(other.update, {"name": "Grace"})
    do(other.save)
    do(switched.update, {"more": 1})
    do(switched.save)
    assert dict(do(again(switched).items)) == VALUES | {"name": "Grace", "more": 1}
    assert as_it_is_to_be(redis_client, switched)


def test_a_login_keeps_what_is_stored_the_other_way(do: Do, switched, redis_client) -> None:
    do(switched.cycle_key)
    do(switched.update, {SESSION_KEY: "1"})
    do(switched.save)
    assert dict(do(again(switched).items)) == VALUES | {SESSION_KEY: "1"}
    later = again(switched)
    do(later.update, {"more": 1})
    do(later.save)
    assert dict(do(again(later).items)) == VALUES | {SESSION_KEY: "1", "more": 1}
    assert not is_wrapped(redis_client, later)


def test_a_rotation_keeps_what_is_stored_the_other_way(do: Do, switched) -> None:
    do(switched.cycle_key)
    assert dict(do(again(switched).items)) == VALUES


def test_a_session_rotated_before_the_setting_was_turned_off_is_signed_anew(
    do: Do, stored, settings, redis_client
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    session = again(stored(**VALUES))
    do(session.cycle_key)
    settings.REDIS_SESSIONS = {}
    later = again(session)
    do(later.update, {"more": 1})
    do(later.save)
    assert sealed(redis_client, session) == set()
    assert not is_wrapped(redis_client, session)
    assert dict(do(again(session).items)) == VALUES | {"more": 1}


def test_processes_with_the_setting_and_without_share_a_session(do: Do, stored, settings) -> None:
    expected: dict[str, Any] = dict(VALUES)
    session = stored(**VALUES)
    for number in range(6):
        settings.REDIS_SESSIONS = {} if number % 2 else ENCRYPT
        session = again(session)
        expected[f"key {number}"] = number
        do(session.update, {f"key {number}": number})
        do(session.save)
        if number % 3 == 2:
            do(session.cycle_key)
        assert dict(do(again(session).items)) == expected


def test_what_djangos_login_stores_is_signed_in_any_case(do: Do, settings, redis_client) -> None:
    session = log_in(do)
    settings.REDIS_SESSIONS = ENCRYPT
    later = again(session)
    do(later.update, {"more": 1})
    do(later.save)
    assert sealed(redis_client, later) == {"more"}
    assert dict(do(again(later).items)) == credentials(person()) | {"more": 1}


def test_who_lacks_secret_key_passes_no_signed_value_off_as_one_from_before(
    do: Do, settings, stored, redis_client
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    session = stored(**VALUES)
    forged = codec.seal(session.id, b"name", b"Eve", b"a key of somebody else's")
    redis_client.hset(record_of(session), "name", forged)
    assert dict(do(again(session).items)) == {}


# Without the library


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have ``cryptography`` not be there."""
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.partition(".")[0] == "cryptography":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "redis_sessions.encryption", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    sealing.library.cache_clear()
    yield
    sealing.library.cache_clear()


COMMAND = r'pip install "django-redis-live-sessions\[encryption\]"'


def test_without_the_library_a_sealing_site_is_told_what_to_install(
    settings, do: Do, no_library
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    session = SessionStore()
    session["name"] = "Ada"
    with pytest.raises(ImproperlyConfigured, match=COMMAND):
        do(session.save)
    (found,) = [one for one in checks.check_site() if one.id == "redis_sessions.E005"]
    assert found.msg.startswith("Encrypted sessions need: pip install")


def test_with_the_library_the_check_is_silent(settings) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    assert [one for one in checks.check_site() if one.id == "redis_sessions.E005"] == []


def test_without_the_library_a_sealed_session_is_an_error_and_not_an_empty_one(
    settings, do: Do, stored, redis_client, request
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    session = stored(**VALUES)
    settings.REDIS_SESSIONS = {}
    request.getfixturevalue("no_library")
    with nothing_stored(redis_client), pytest.raises(ImproperlyConfigured, match=COMMAND):
        do(again(session).items)


def test_without_the_library_a_signed_session_is_saved_though_old_keys_were_left_in_it(
    settings, do: Do, stored, redis_client, request
) -> None:
    settings.REDIS_SESSIONS = ENCRYPT
    session = stored(**VALUES)
    do(session.cycle_key)
    settings.REDIS_SESSIONS = {}
    session.clear()
    do(session.update, VALUES)
    do(session.save)
    assert is_wrapped(redis_client, session)
    request.getfixturevalue("no_library")
    later = again(session)
    do(later.update, {"more": 1})
    do(later.save)
    assert dict(do(again(session).items)) == VALUES | {"more": 1}
    assert not is_wrapped(redis_client, session)


def test_a_site_that_does_not_ask_for_it_does_not_import_what_seals() -> None:
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings';"
        "django.setup(); from redis_sessions.session import SessionStore;"
        "s = SessionStore(); s['n'] = 1; s.save(); SessionStore(s.session_key)['n'];"
        "s.cycle_key(); s.flush(); print('redis_sessions.encryption' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "False"
