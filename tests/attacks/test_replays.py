"""What somebody who reads and writes Redis can put back, and how far that leads: no further."""

import redis

from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again
from tests.people import credentials, person

PRIVATE = "stored once logged in"


def logged_in_after(do: Do, session: SessionStore) -> SessionStore:
    """Log in, in another object, as the next request does."""
    after = again(session)
    do(after.cycle_key)
    do(after.update, {**credentials(person()), "private": PRIVATE})
    do(after.save)
    return after


def test_a_record_of_before_a_login_put_back_shows_nothing_of_the_login(
    do: Do, stored, redis_client: redis.Redis
) -> None:
    planted = stored(basket="tea")
    before = redis_client.dump(record_of(planted))
    after = logged_in_after(do, planted)
    redis_client.restore(record_of(planted), 0, before, replace=True)
    assert dict(do(again(planted).items)) == {"basket": "tea"}
    assert dict(do(again(after).items)) == {}


def test_the_digest_of_ones_own_session_put_into_anothers_opens_it_for_nobody(
    do: Do, stored, redis_client: redis.Redis
) -> None:
    mine, victim = stored(name="Eve"), logged_in_after(do, stored(basket="tea"))
    redis_client.hset(record_of(victim), "\0k", redis_client.hget(record_of(mine), "\0k"))
    for key in (mine.session_key, victim.id + mine.session_key[14:], victim.session_key):
        assert do(SessionStore(key).get, "private") is None


def test_the_digest_of_before_a_login_put_back_opens_the_login_to_who_has_that_key(
    do: Do, stored, redis_client: redis.Redis
) -> None:
    """The limit: it takes a key that was planted before, and writing to Redis afterwards."""
    planted = stored(basket="tea")
    digest = redis_client.hget(record_of(planted), "\0k")
    logged_in_after(do, planted)
    assert do(again(planted).get, "private") is None
    redis_client.hset(record_of(planted), "\0k", digest)
    assert do(again(planted).get, "private") == PRIVATE


def test_a_value_put_back_counts_again(do: Do, stored, redis_client: redis.Redis) -> None:
    """The limit of a signature: it does not say when."""
    session = stored(balance=100)
    before = redis_client.hget(record_of(session), "balance")
    changed = again(session)
    do(changed.update, {"balance": 0})
    do(changed.save)
    redis_client.hset(record_of(session), "balance", before)
    assert do(again(session).get, "balance") == 100


def test_a_session_that_ended_put_back_lives_again(do: Do, stored, redis_client) -> None:
    """The limit of a logout: who can write to Redis can restore the whole record."""
    session = stored(name="Ada")
    before = redis_client.dump(record_of(session))
    do(again(session).flush)
    redis_client.restore(record_of(session), 0, before)
    assert do(again(session).get, "name") == "Ada"


def test_encryption_keeps_values_shut_to_who_puts_a_digest_back_but_not_the_login(
    do: Do, stored, redis_client: redis.Redis, settings
) -> None:
    """The limit, as above; what logs in is signed, and can be left alone in the record."""
    settings.REDIS_SESSIONS = {"ENCRYPT": True}
    planted = stored(basket="tea")
    digest = redis_client.hget(record_of(planted), "\0k")
    logged_in_after(do, planted)
    redis_client.hset(record_of(planted), "\0k", digest)
    assert dict(do(again(planted).items)) == {}
    redis_client.hdel(record_of(planted), "private", "basket", "\0e")
    assert dict(do(again(planted).items)) == credentials(person())
