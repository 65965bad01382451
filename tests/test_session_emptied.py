"""Sessions that were emptied or never held anything: they end, unless others wrote to them."""

import pytest
from django.contrib.auth import SESSION_KEY

from redis_sessions import tokens
from redis_sessions.exceptions import SessionRotated
from redis_sessions.session import SessionStore
from tests.conftest import Do
from tests.observers import again, no_commands, nothing_stored, recorded_batches


def keep_everything(data: object) -> bool:
    return False


def pop_all(do: Do, session: SessionStore) -> None:
    for key in list(do(session.keys)):
        do(session.pop, key)


def clear(do: Do, session: SessionStore) -> None:
    session.clear()


def make_empty(do: Do, session: SessionStore) -> None:
    do(session.update, dict.fromkeys(do(session.keys)))


@pytest.mark.parametrize("empty", [pop_all, clear, make_empty])
def test_a_session_that_was_emptied_ends_at_its_save(do: Do, stored, redis_client, empty) -> None:
    session = again(stored(a=1, b=[2]))
    empty(do, session)
    assert do(session.get_expiry_age) == 0
    do(session.save)
    assert redis_client.dbsize() == 0
    assert do(session.get_expiry_age) == 0


def test_the_cookie_of_a_session_that_was_emptied_expires_at_once(do, stored, settings) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    session = again(stored(a=1))
    assert do(session.get_expire_at_browser_close)
    do(session.pop, "a")
    assert not do(session.get_expire_at_browser_close)
    assert do(session.get_expiry_age) == 0


def test_a_session_that_was_emptied_by_who_created_it_ends(do: Do, stored, redis_client) -> None:
    session = stored(a=1)
    do(session.update, {"b": 2})
    do(session.save)
    pop_all(do, session)
    do(session.save)
    assert redis_client.dbsize() == 0


def test_a_session_that_was_emptied_by_who_replaced_all_of_it_ends(
    do: Do, stored, redis_client
) -> None:
    session = again(stored(a=1))
    session.clear()
    do(session.update, {"b": 2})
    do(session.save)
    do(session.pop, "b")
    do(session.save)
    assert redis_client.dbsize() == 0


def test_ending_at_a_save_takes_one_batch(do: Do, stored, monkeypatch) -> None:
    session = again(stored(a=1))
    do(session.pop, "a")
    batches = recorded_batches(monkeypatch)
    do(session.save)
    do(session.save)
    assert [len(batch) for batch in batches] == [1]


def test_a_session_that_holds_data_expires_as_django_says(do: Do, stored, settings) -> None:
    session = again(stored(a=1, b=1))
    do(session.pop, "a")
    assert do(session.get_expiry_age) == settings.SESSION_COOKIE_AGE
    assert do(session.get_expiry_age, expiry=60) == 60
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    assert do(session.get_expire_at_browser_close)


@pytest.mark.parametrize("unchanged", [{}, {"_session_expiry": 300}])
def test_a_session_that_never_held_data_is_not_one_that_was_emptied(do, unchanged) -> None:
    session = SessionStore()
    do(session.create)
    do(session.update, unchanged)
    assert do(session.get_expiry_age) > 0
    do(session.save)
    assert do(session.exists, session.session_key)


def test_an_emptied_session_can_hold_data_again_under_another_id(do: Do, stored) -> None:
    session = again(stored(a=1))
    old = session.id
    do(session.pop, "a")
    do(session.save)
    do(session.update, {"b": 2})
    do(session.save)
    assert session.id != old
    assert dict(do(again(session).items)) == {"b": 2}
    assert do(session.get_expiry_age) > 0


def test_an_emptied_session_that_others_wrote_to_meanwhile_stays(do: Do, stored) -> None:
    session = again(stored(a=1))
    other = again(session)
    do(session.pop, "a")
    do(other.update, {"b": 2})
    do(other.save)
    do(session.save)
    assert dict(do(again(session).items)) == {"b": 2}


def test_an_emptied_session_stays_also_where_an_earlier_save_met_what_others_wrote(
    do: Do, stored
) -> None:
    session = again(stored(a=1))
    other = again(session)
    assert do(session.get, "a") == 1
    do(other.update, {"b": 2})
    do(other.save)
    do(session.update, {"a": 2})
    do(session.save)
    do(session.pop, "a")
    do(session.save)
    assert dict(do(again(session).items)) == {"b": 2}


def test_clear_ends_a_session_that_others_wrote_to_meanwhile(do: Do, stored, redis_client) -> None:
    session = again(stored(a=1))
    other = again(session)
    assert do(session.get, "a") == 1
    do(other.update, {"b": 2})
    do(other.save)
    session.clear()
    do(session.save)
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("empty", [pop_all, clear])
def test_emptying_a_session_that_is_gone_is_as_good_as_ending_it(
    do: Do, stored, redis_client, empty
) -> None:
    session = again(stored(a=1))
    empty(do, session)
    do(again(session).flush)
    do(session.save)
    assert do(session.get_expiry_age) == 0
    assert redis_client.dbsize() == 0


def test_emptying_a_session_that_was_rotated_away_raises(do: Do, stored) -> None:
    session = again(stored(a=1))
    do(session.pop, "a")
    do(again(session).cycle_key)
    with pytest.raises(SessionRotated):
        do(session.save)


def test_a_store_can_be_told_to_keep_its_record_when_emptied(do: Do, stored, redis_client) -> None:
    session = again(stored(a=1))
    session.ends_when_emptied = False
    do(session.pop, "a")
    assert do(session.get_expiry_age) > 0
    do(session.save)
    assert do(session.exists, session.session_key)
    assert 0 < redis_client.ttl(f"session:{{{session.id}}}") <= 180


def test_a_site_decides_what_is_worth_a_record(do: Do, stored, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {"OBSOLETE": "tests.test_session_emptied.keep_everything"}
    session = again(stored(a=1))
    do(session.pop, "a")
    assert not session.is_obsolete()
    do(session.save)
    assert do(session.exists, session.session_key)
    assert 0 < redis_client.ttl(f"session:{{{session.id}}}") <= 180


def test_a_session_is_obsolete_when_it_is_loaded_and_holds_nothing(do: Do, stored) -> None:
    session = stored(basket=[])
    fresh = again(session)
    assert not fresh.is_obsolete()
    assert do(fresh.get, "basket") == []
    assert fresh.is_obsolete()
    do(fresh.get, "basket").append(1)
    assert not fresh.is_obsolete()


def test_an_obsolete_session_ends_and_is_as_good_as_new(do: Do, stored, redis_client) -> None:
    session = again(stored(basket=[]))
    old = session.id
    assert do(session.get, "basket") == []
    do(session.end_obsolete)
    assert redis_client.dbsize() == 0
    assert session.session_key is None
    assert session.is_empty()
    do(session.update, {"a": 1})
    do(session.save)
    assert session.id != old
    assert dict(do(again(session).items)) == {"a": 1}


def test_what_was_never_stored_is_ended_without_a_command(do: Do, redis_client) -> None:
    with no_commands(redis_client):
        session = SessionStore()
        do(session.update, {"basket": []})
        do(session.end_obsolete)
        do(SessionStore().end_obsolete)
    assert session.is_empty()


def test_a_session_that_was_not_loaded_is_not_taken_for_one_that_holds_nothing(
    do: Do, stored
) -> None:
    session = again(stored(a=1))
    do(session.end_obsolete)
    assert dict(do(again(session).items)) == {"a": 1}


def test_an_obsolete_session_that_others_wrote_to_does_not_end(do: Do, stored) -> None:
    session = again(stored(basket=[]))
    other = again(session)
    assert do(session.get, "basket") == []
    do(other.update, {SESSION_KEY: "1"})
    do(other.save)
    do(session.end_obsolete)
    assert do(again(session).get, SESSION_KEY) == "1"
    do(session.end_obsolete)
    assert do(again(session).get, SESSION_KEY) == "1"


def test_ending_an_obsolete_session_twice_is_no_error(do: Do, stored, redis_client) -> None:
    session = again(stored(basket=[]))
    other = again(session)
    for each in (session, other):
        assert do(each.get, "basket") == []
    do(session.end_obsolete)
    do(other.end_obsolete)
    assert redis_client.dbsize() == 0


def test_an_obsolete_session_that_was_rotated_away_is_superseded(do, stored, redis_client) -> None:
    session = again(stored(basket=[]))
    assert do(session.get, "basket") == []
    do(again(session).cycle_key)
    with nothing_stored(redis_client):
        do(session.end_obsolete)
    assert session.superseded


def test_emptying_and_ending_a_session_that_was_rotated_away_raises(do, stored, redis_client):
    session = again(stored(a=1))
    do(session.pop, "a")
    do(again(session).cycle_key)
    with nothing_stored(redis_client), pytest.raises(SessionRotated):
        do(session.end_obsolete)


@pytest.mark.parametrize(
    "key", ["no key of ours", str(tokens.make_key())], ids=["malformed", "unknown"]
)
def test_a_key_without_a_session_is_no_error_for_end_obsolete(do: Do, key: str) -> None:
    session = SessionStore(key)
    assert do(session.get, "a") is None
    do(session.end_obsolete)
    assert session.session_key is None
