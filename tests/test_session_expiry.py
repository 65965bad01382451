"""How long a session lives: its idle time, its absolute age, and a short life without data."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_sessions.session import SessionStore
from tests.clocks import FORTNIGHT, HOUR, About, later, life
from tests.conftest import Do, record_of
from tests.observers import again


def test_a_session_lives_as_long_as_djangos_cookie(do: Do, stored, settings, redis_client) -> None:
    assert life(redis_client, stored(name="Ada")) == About(FORTNIGHT)
    settings.SESSION_COOKIE_AGE = HOUR
    assert life(redis_client, stored(name="Ada")) == About(HOUR)


def test_a_save_renews_the_expiry(do: Do, stored, settings, redis_client) -> None:
    session = stored(name="Ada")
    settings.SESSION_COOKIE_AGE = HOUR
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert life(redis_client, session) == About(HOUR)


def soon() -> datetime:
    return datetime.now(tz=UTC) + timedelta(seconds=HOUR)


@pytest.mark.parametrize(
    ("expiry", "seconds"),
    [
        (300, 300),
        (2 * FORTNIGHT, 2 * FORTNIGHT),
        (timedelta(hours=1), HOUR),
        (soon, HOUR),
        (0, FORTNIGHT),
        (None, FORTNIGHT),
        (10**15, 10**11),
    ],
    ids=["int", "long", "timedelta", "datetime", "browser's life", "default", "forever"],
)
@pytest.mark.parametrize("new", [True, False], ids=["created", "saved"])
def test_a_session_lives_as_long_as_set_expiry_says(
    do: Do, stored, redis_client, expiry: Any, seconds: int, new: bool
) -> None:
    session = SessionStore() if new else again(stored(name="Ada"))
    do(session.update, {"name": "Eve"})
    do(session.set_expiry, expiry() if callable(expiry) else expiry)
    do(session.save)
    assert life(redis_client, session) == About(seconds)
    assert do(again(session).get, "name") == "Eve"


@pytest.mark.parametrize("expiry", [-1, -HOUR, timedelta(seconds=-5)], ids=repr)
@pytest.mark.parametrize("new", [True, False], ids=["created", "saved"])
def test_a_session_that_is_to_expire_in_the_past_is_gone(
    do: Do, stored, redis_client, expiry: Any, new: bool
) -> None:
    session = SessionStore() if new else again(stored(name="Ada"))
    do(session.update, {"name": "Eve"})
    do(session.set_expiry, expiry)
    do(session.save)
    assert redis_client.dbsize() == 0
    assert dict(do(again(session).items)) == {}


def test_set_expiry_none_brings_back_the_default(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada", _session_expiry=300)
    assert life(redis_client, session) == About(300)
    do(session.set_expiry, None)
    do(session.save)
    assert life(redis_client, session) == About(FORTNIGHT)
    assert redis_client.hget(record_of(session), "\0i") is None


def test_the_expiry_is_kept_by_later_saves(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada", _session_expiry=300))
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert life(redis_client, session) == About(300)


def test_a_session_that_expired_by_our_clock_is_none(do: Do, stored) -> None:
    session = stored(name="Ada", _session_expiry=300)
    with later(301):
        assert dict(do(again(session).items)) == {}


class Hourly(SessionStore):
    """A site's own store, with another life than the settings say."""

    age: float = HOUR

    def get_session_cookie_age(self) -> Any:
        return self.age


def test_a_subclass_can_say_how_long_its_sessions_live(do: Do, redis_client) -> None:
    session = Hourly()
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert life(redis_client, session) == About(HOUR)


@pytest.mark.parametrize("value", ["data", None], ids=["with data", "empty"])
def test_a_life_of_fractions_of_seconds_is_cut_to_seconds(
    do: Do, settings, redis_client, monkeypatch, value
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "EMPTY_AGE": 2 * HOUR}
    monkeypatch.setattr(Hourly, "age", HOUR + 0.5)
    session = Hourly()
    do(session.update, {"value": value} if value else {})
    do(session.create)
    assert life(redis_client, session) == About(HOUR)
    with later(HOUR // 2):
        assert do(Hourly(session.session_key).get, "value") == value
        assert do(Hourly(session.session_key).get, "value") == value
    assert do(session.exists, session.session_key)


def test_the_absolute_age_caps_the_life_of_a_new_session(do: Do, stored, settings, redis_client):
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    assert life(redis_client, stored(name="Ada")) == About(HOUR)
    assert life(redis_client, stored(name="Ada", _session_expiry=2 * HOUR)) == About(HOUR)
    assert life(redis_client, stored(name="Ada", _session_expiry=60)) == About(60)


def test_the_absolute_age_counts_from_the_creation(do: Do, stored, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    session = stored(name="Ada")
    with later(HOUR // 2):
        fresh = again(session)
        do(fresh.update, {"name": "Eve", "_session_expiry": 2 * HOUR})
        do(fresh.save)
    assert life(redis_client, session) == About(HOUR)


def test_an_absolute_age_that_was_lowered_counts_at_once(
    do: Do, stored, settings, redis_client
) -> None:
    session = stored(name="Ada")
    redis_client.hincrby(record_of(session), "\0c", -HOUR)
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    assert do(again(session).get, "name") is None


def test_a_save_past_an_absolute_age_that_was_lowered_ends_the_session(
    do: Do, stored, settings, redis_client
) -> None:
    session = again(stored(name="Ada"))
    assert do(session.get, "name") == "Ada"
    redis_client.hincrby(record_of(session), "\0c", -HOUR)
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    do(session.update, {"name": "Eve"})
    do(session.save)
    assert redis_client.dbsize() == 0


def test_a_rotation_does_not_start_the_absolute_age_anew(do, stored, settings, redis_client):
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    session = stored(name="Ada")
    with later(HOUR // 2):
        do(session.cycle_key)
        do(session.update, {"name": "Eve"})
        do(session.save)
    assert life(redis_client, session) == About(HOUR)


def test_a_session_without_data_has_a_short_life_until_it_holds_some(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.create)
    assert life(redis_client, session) == About(180)
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert life(redis_client, session) == About(FORTNIGHT)
    assert redis_client.hget(record_of(session), "\0i") is None


def test_saving_a_session_without_data_stores_a_record_for_a_short_life(do, redis_client) -> None:
    session = SessionStore()
    do(session.save)
    assert session.session_key
    assert do(session.exists, session.session_key)
    assert life(redis_client, session) == About(180)


def test_the_short_life_is_a_setting_and_never_longer_than_the_usual_one(
    do: Do, settings, redis_client
) -> None:
    session = SessionStore()
    settings.REDIS_SESSIONS = {"EMPTY_AGE": 30}
    do(session.create)
    assert life(redis_client, session) == About(30)
    settings.REDIS_SESSIONS = {"EMPTY_AGE": HOUR}
    settings.SESSION_COOKIE_AGE = 60
    do(session.create)
    assert life(redis_client, session) == About(60)


def test_another_object_gives_the_full_life_with_the_first_data(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.create)
    other = again(session)
    do(other.update, {"name": "Ada"})
    do(other.save)
    assert life(redis_client, session) == About(FORTNIGHT)
