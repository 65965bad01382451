"""The session store: load, create, save. Each behaviour through both halves, on the server."""

import pytest
from django.contrib.sessions.backends.base import CreateError

from redis_sessions import tokens
from redis_sessions.exceptions import RedisSessionsError
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import (
    again,
    commands_run,
    contents,
    no_commands,
    nothing_stored,
    recorded_batches,
)


def test_what_was_saved_is_loaded_by_another_object(do: Do, stored) -> None:
    session = stored(name="Ada", basket={"tea": [1, 2]}, n=1, yes=True, nothing=None, empty="")
    assert dict(do(again(session).items)) == {
        "name": "Ada",
        "basket": {"tea": [1, 2]},
        "n": 1,
        "yes": True,
        "nothing": None,
        "empty": "",
    }


def test_loading_takes_one_command(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    before = commands_run(redis_client)
    assert do(session.get, "name") == "Ada"
    assert do(session.get, "other") is None
    assert commands_run(redis_client) - before == 1


def test_a_session_is_not_loaded_before_it_is_used(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    with no_commands(redis_client):
        assert not session.is_empty()
        assert not session.accessed
        assert not session.modified
        assert not session.is_obsolete()
        assert session.id
        do(session.save)


def test_a_well_formed_key_that_is_unknown_is_forgotten(do: Do, redis_client) -> None:
    session = SessionStore(str(tokens.make_key()))
    assert dict(do(session.items)) == {}
    assert session.session_key is None
    assert session.id is None
    assert session.is_empty()
    assert redis_client.dbsize() == 0


def test_a_session_with_another_secret_is_none(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    stolen = SessionStore(session.id + tokens.random_text(tokens.SECRET_LENGTH))
    with nothing_stored(redis_client):
        assert dict(do(stolen.items)) == {}
        assert stolen.session_key is None


def test_only_a_digest_of_the_secret_is_stored(do: Do, stored, redis_client) -> None:
    session = stored(name="Ada")
    do(session.cycle_key)
    do(session.save)
    secret = session.session_key[tokens.ID_LENGTH :].encode()
    everything = repr((contents(redis_client), redis_client.hgetall(record_of(session)))).encode()
    assert session.id.encode() in everything
    assert secret not in everything
    assert secret[:13] not in everything


def test_the_id_is_public_and_the_first_part_of_the_key(do: Do, stored) -> None:
    session = stored(name="Ada")
    assert session.session_key.startswith(session.id)
    assert (len(session.id), len(session.session_key)) == (14, 40)


def test_a_new_session_has_no_id_before_it_is_stored() -> None:
    assert SessionStore().id is None


def test_create_asks_nothing_before_it_stores(do: Do, monkeypatch) -> None:
    batches = recorded_batches(monkeypatch)
    do(SessionStore().create)
    assert len(batches) == 1
    assert len(batches[0]) == 1


def test_create_stores_the_data_at_hand(do: Do) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.create)
    assert session.began
    assert session.modified
    assert dict(do(again(session).items)) == {"name": "Ada"}


def test_create_gives_a_new_id_each_time(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.create)
    first = session.id
    do(session.create)
    assert session.id != first
    assert redis_client.dbsize() == 2


def test_create_takes_another_id_where_one_is_taken(do: Do, stored, monkeypatch) -> None:
    taken = stored(name="Ada")
    keys = iter([tokens.split_key(taken.session_key), tokens.SessionKey("f" * 14, "s" * 26)])
    monkeypatch.setattr(tokens, "make_key", lambda: next(keys)._replace(secret="t" * 26))
    session = SessionStore()
    do(session.update, {"name": "Eve"})
    do(session.create)
    assert session.session_key == "f" * 14 + "t" * 26
    assert dict(do(again(taken).items)) == {"name": "Ada"}


def test_create_gives_up_where_no_id_is_free(do: Do, stored, monkeypatch, redis_client) -> None:
    taken = stored(name="Ada")
    monkeypatch.setattr(tokens, "make_key", lambda: tokens.SessionKey(taken.id, "t" * 26))
    session = SessionStore()
    with nothing_stored(redis_client), pytest.raises(RedisSessionsError, match="No free"):
        do(session.create)
    assert session.session_key is None


def test_saving_a_new_session_creates_it(do: Do, redis_client) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    assert session.session_key is None
    do(session.save)
    assert redis_client.exists(record_of(session))
    assert session.began


def test_must_create_refuses_a_key_that_exists(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada"))
    with nothing_stored(redis_client), pytest.raises(CreateError):
        do(session.save, must_create=True)


def test_must_create_never_takes_the_key_that_was_presented(do: Do) -> None:
    key = str(tokens.make_key())
    session = SessionStore(key)
    do(session.save, must_create=True)
    assert session.session_key not in {None, key}
    assert not do(session.exists, key)


def test_a_save_without_changes_sends_nothing(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada", items=[1]))
    assert do(session.get, "items") == [1]
    with no_commands(redis_client):
        do(session.save)


def test_a_save_is_one_batch_and_counts_one_version(do: Do, stored, redis_client, monkeypatch):
    session = again(stored(name="Ada", items=[1]))
    do(session.update, {"name": "Eve", "more": 2})
    batches = recorded_batches(monkeypatch)
    do(session.save)
    assert [len(batch) for batch in batches] == [1]
    assert redis_client.hget(record_of(session), "\0v") == b"2"


def test_a_save_leaves_the_bytes_of_other_values_as_they_are(do: Do, stored, redis_client) -> None:
    session = again(stored(name="Ada", items=[1], kept="kept"))
    before = redis_client.hgetall(record_of(session))
    assert do(session.get, "items") == [1]
    do(session.update, {"name": "Eve"})
    do(session.save)
    after = redis_client.hgetall(record_of(session))
    assert {name for name in after if after[name] != before[name]} <= {b"name", b"\0v", b"\0x"}


def test_nested_changes_are_saved_without_an_assignment(do: Do, stored) -> None:
    session = again(stored(basket={"tea": [1]}))
    do(session.get, "basket")["tea"].append(2)
    assert session.modified
    do(session.save)
    assert do(again(session).get, "basket") == {"tea": [1, 2]}


def test_a_nested_change_after_a_save_is_saved_too(do: Do) -> None:
    session, basket = SessionStore(), {"tea": 1}
    do(session.update, {"basket": basket})
    do(session.save)
    basket["milk"] = 2
    do(session.save)
    assert do(again(session).get, "basket") == {"tea": 1, "milk": 2}


def test_a_removed_key_is_gone_after_the_save(do: Do, stored) -> None:
    session = again(stored(a=1, b=2))
    assert do(session.pop, "a") == 1
    do(session.save)
    assert dict(do(again(session).items)) == {"b": 2}


def test_setting_and_removing_items_is_a_change() -> None:
    session = SessionStore()
    session["a"] = 1
    assert (session.modified, session["a"], "a" in session) == (True, 1, True)
    del session["a"]
    assert "a" not in session


def test_a_dict_that_was_put_in_place_of_the_data_replaces_it(do: Do, stored) -> None:
    session = again(stored(a=1, b=2))
    session._session_cache = {"c": 3}
    do(session.save)
    assert dict(do(again(session).items)) == {"c": 3}
