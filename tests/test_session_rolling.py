"""Rolling: reading a session renews its expiry, now and then, and rewrites no data."""

from datetime import timedelta

import pytest

from redis_sessions.exceptions import SessionGone
from redis_sessions.session import SessionStore
from tests.clocks import FORTNIGHT, HOUR, About, later, life
from tests.conftest import Do, record_of
from tests.observers import again, no_commands, nothing_stored


@pytest.fixture(params=["ROLLING", "SESSION_SAVE_EVERY_REQUEST"])
def rolling(request: pytest.FixtureRequest, settings) -> None:
    if request.param == "ROLLING":
        settings.REDIS_SESSIONS = {"ROLLING": True}
    else:
        settings.SESSION_SAVE_EVERY_REQUEST = True


def test_reading_does_not_renew_by_default(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    with later(HOUR), nothing_stored(redis_client):
        reader = again(session)
        assert do(reader.get, "name") == "Ada"
        do(reader.save)
        assert not reader.touched


@pytest.mark.usefixtures("rolling")
def test_reading_renews_the_expiry_and_rewrites_no_data(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada", items=[1])
    before = redis_client.hgetall(record_of(session))
    with later(HOUR):
        reader = again(session)
        assert do(reader.get, "name") == "Ada"
        do(reader.save)
        assert reader.touched
    after = redis_client.hgetall(record_of(session))
    assert {name for name in after if after[name] != before[name]} == {b"\0x"}
    assert life(redis_client, session) == About(FORTNIGHT + HOUR)


@pytest.mark.usefixtures("rolling")
def test_reading_renews_at_most_once_in_the_interval(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    for seconds in (0, 30):
        with later(seconds), nothing_stored(redis_client):
            reader = again(session)
            assert do(reader.get, "name") == "Ada"
            do(reader.save)
            assert not reader.touched
    with later(61):
        assert do(again(session).get, "name") == "Ada"
    with later(90), nothing_stored(redis_client):
        assert do(again(session).get, "name") == "Ada"


def test_the_interval_is_a_setting(do: Do, stored, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": HOUR}
    session = stored(name="Ada")
    with later(HOUR - 60), nothing_stored(redis_client):
        assert do(again(session).get, "name") == "Ada"
    with later(HOUR + 1):
        reader = again(session)
        assert do(reader.get, "name") == "Ada"
        assert reader.touched


@pytest.mark.usefixtures("rolling")
def test_a_save_without_changes_renews_a_session_that_stayed_open(do, stored, redis_client) -> None:
    session = stored(name="Ada")
    with no_commands(redis_client):
        do(session.save)
    with later(HOUR):
        do(session.save)
        assert life(redis_client, session) == About(FORTNIGHT + HOUR)
        with no_commands(redis_client):
            do(session.save)
    assert redis_client.hget(record_of(session), "\0v") == b"1"


@pytest.mark.usefixtures("rolling")
def test_a_session_that_was_not_read_is_renewed_by_a_save(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    with later(HOUR):
        do(session.save)
    assert life(redis_client, session) == About(FORTNIGHT + HOUR)


def test_a_session_that_was_cleared_unread_and_stayed_open_is_renewed(
    do: Do, stored, settings, redis_client
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "ABSOLUTE_AGE": 10 * FORTNIGHT}
    session = again(stored(name="Ada"))
    session.clear()
    do(session.update, {"name": "Eve"})
    do(session.save)
    with later(HOUR):
        do(session.save)
    assert life(redis_client, session) == About(FORTNIGHT + HOUR)


@pytest.mark.usefixtures("rolling")
def test_a_session_that_others_renewed_meanwhile_is_asked_for_once(
    do: Do, stored, redis_client
) -> None:
    session = stored(name="Ada")
    with later(HOUR):
        assert do(again(session).get, "name") == "Ada"
        with nothing_stored(redis_client):
            do(session.save)
        with no_commands(redis_client):
            do(session.save)


@pytest.mark.usefixtures("rolling")
def test_a_touch_does_not_revive(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    do(again(session).flush)
    with pytest.raises(SessionGone):
        do(session.save)
    assert redis_client.dbsize() == 0


@pytest.mark.usefixtures("rolling")
def test_an_idle_time_of_its_own_rolls(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada", _session_expiry=600)
    with later(300):
        assert do(again(session).get, "name") == "Ada"
    assert life(redis_client, session) == About(900)


@pytest.mark.usefixtures("rolling")
def test_a_fixed_expiry_does_not_roll(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.set_expiry, timedelta(hours=1))
    do(session.save)
    with later(HOUR // 2), nothing_stored(redis_client):
        reader = again(session)
        assert do(reader.get, "name") == "Ada"
        assert not reader.touched
        with no_commands(redis_client):
            do(reader.save)
            do(session.save)


@pytest.mark.usefixtures("rolling")
def test_a_longer_life_than_the_default_is_not_cut_by_reading(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada", _session_expiry=2 * FORTNIGHT)
    with nothing_stored(redis_client):
        assert do(again(session).get, "name") == "Ada"
    assert life(redis_client, session) == About(2 * FORTNIGHT)


@pytest.mark.usefixtures("rolling")
def test_reading_rolls_the_short_life_of_a_session_without_data(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.create)
    with later(100):
        assert do(again(session).get, "name") is None
    assert life(redis_client, session) == About(280)


def test_a_touch_does_not_pass_the_absolute_age(do: Do, stored, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR, "ROLLING": True}
    settings.SESSION_COOKIE_AGE = HOUR // 2
    session = stored(name="Ada")
    with later(HOUR // 2 - 300):
        assert do(again(session).get, "name") == "Ada"
    assert life(redis_client, session) == About(HOUR - 300)
    with later(HOUR - 600):
        assert do(again(session).get, "name") == "Ada"
    assert life(redis_client, session) == About(HOUR)
