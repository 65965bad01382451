"""A new SECRET_KEY: with the old one among the fallbacks, sealed sessions live on, sealed anew."""

from typing import Any

import pytest

from tests.conftest import Do
from tests.observers import again
from tests.sealed import ENCRYPT, held

OLD, NEW = "the old secret key", "the new secret key"


@pytest.fixture(autouse=True)
def _encrypting(settings: Any) -> None:
    settings.REDIS_SESSIONS = ENCRYPT


def test_a_new_secret_key_keeps_sessions_and_they_are_sealed_anew(
    do: Do, stored, settings, redis_client
) -> None:
    settings.SECRET_KEY = OLD
    session = again(stored(name="Ada", basket=[1]))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert do(session.get, "name") == "Ada"
    do(session.update, {"name": "Grace"})
    do(session.save)
    settings.SECRET_KEY_FALLBACKS = []
    assert held(do, session) == {"name": "Grace", "basket": [1]}


def test_without_the_fallback_there_is_no_session(do: Do, stored, settings) -> None:
    settings.SECRET_KEY = OLD
    session = again(stored(name="Ada"))
    settings.SECRET_KEY = NEW
    assert dict(do(session.items)) == {}


def test_a_rotation_takes_along_what_another_process_sealed_under_the_secret_key_before(
    do: Do, stored, settings
) -> None:
    settings.SECRET_KEY = OLD
    session = again(stored(name="Ada"))
    late = again(session)
    do(late.update, {"late": 1})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert do(session.get, "name") == "Ada"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, [NEW]
    do(late.save)  # a process that was not deployed anew yet
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    do(session.cycle_key)
    assert held(do, session) == {"name": "Ada", "late": 1}


def test_a_session_rotated_under_the_secret_key_before_is_sealed_anew(
    do: Do, stored, settings
) -> None:
    settings.SECRET_KEY = OLD
    session = stored(name="Ada")
    do(session.cycle_key)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    later = again(session)
    do(later.update, {"more": 1})
    do(later.save)
    settings.SECRET_KEY_FALLBACKS = []
    assert held(do, session) == {"name": "Ada", "more": 1}
