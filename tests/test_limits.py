"""MAX_SESSIONS_PER_USER: the oldest session gives way, or the login is refused."""

from contextlib import nullcontext
from typing import Any

import pytest
import redis
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import PermissionDenied

from redis_sessions import roster, users
from redis_sessions.exceptions import TooManySessions
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again, recorded_batches
from tests.people import credentials, index_of, listed, log_in, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def limit(settings: Any) -> Any:
    """Set the limit, and what becomes of the login over it."""

    def to(number: Any, over: str = "replace") -> None:
        settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": number, "OVER_LIMIT": over}

    return to


def is_there(client: redis.Redis, session: SessionStore) -> bool:
    return bool(client.exists(record_of(session)))


def test_there_is_no_limit_by_default(do: Do, redis_client) -> None:
    assert {log_in(do).id for _ in range(20)} == listed(redis_client)


def test_the_oldest_session_gives_way_to_a_new_login(do: Do, redis_client, limit) -> None:
    limit(3)
    sessions = [log_in(do) for _ in range(5)]
    assert [is_there(redis_client, one) for one in sessions] == [False, False, True, True, True]
    assert listed(redis_client) == {one.id for one in sessions[2:]}


def test_the_oldest_is_who_logged_in_first_however_old_its_session(
    do: Do, redis_client, limit
) -> None:
    limit(1)
    visitor = SessionStore()
    do(visitor.update, {"basket": 1})
    do(visitor.save)
    redis_client.hincrby(record_of(visitor), "\0c", -10000)
    other = log_in(do)
    session = again(visitor)
    do(session.cycle_key)
    do(session.update, credentials(person()))
    do(session.save)
    assert (is_there(redis_client, session), is_there(redis_client, other)) == (True, False)


def test_the_one_that_gives_way_is_told_that_it_was_replaced(do: Do, redis_client, limit) -> None:
    limit(1)
    session = log_in(do)
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(record_of(session))
        pubsub.get_message(timeout=5)
        log_in(do)
        assert pubsub.get_message(timeout=5)["data"] == b"replaced "


class Overtaken(SessionStore):
    """Another login is complete between the index's being told of this one and its save."""

    def _run(self, *batch: Any) -> list[Any]:
        if len(batch) == 1:
            return super()._run(*batch)
        (named,) = super()._run(batch[0])
        session = SessionStore()
        session.update(credentials(person()))
        session.save()
        return [named, *super()._run(*batch[1:])]


@pytest.mark.parametrize("over", ["replace", "refuse"])
def test_a_login_that_was_overtaken_counts_the_other(redis_client, limit, over: str) -> None:
    limit(1, over)
    session = Overtaken()
    session.update(credentials(person()))
    with pytest.raises(TooManySessions) if over == "refuse" else nullcontext():
        session.save()
    (left,) = users.sessions_of(person())
    assert listed(redis_client) == {left.id}
    assert (left.id == session.id) is (over == "replace")


def test_the_sessions_of_others_do_not_count(do: Do, redis_client, limit) -> None:
    limit(1)
    sessions = [log_in(do, person(number)) for number in range(5)]
    assert all(is_there(redis_client, one) for one in sessions)


def test_what_the_index_names_in_vain_does_not_count(do: Do, redis_client, limit) -> None:
    limit(2)
    session = log_in(do)
    redis_client.zadd(index_of(), {f"ghost{n}": 2e9 for n in range(9)})
    other = log_in(do)
    assert is_there(redis_client, session)
    assert is_there(redis_client, other)


def test_a_save_that_is_no_login_ends_nobody(do: Do, redis_client, limit) -> None:
    sessions = [log_in(do) for _ in range(3)]
    limit(1)
    do(sessions[0].update, {"n": 1})
    do(sessions[0].save)
    assert all(is_there(redis_client, one) for one in sessions)


def test_a_login_under_the_limit_takes_no_more_trips(
    do: Do, limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(3)
    log_in(do)
    batches = recorded_batches(monkeypatch)
    log_in(do)
    assert len(batches) == 2


def test_the_login_over_the_limit_is_refused(do: Do, redis_client, limit) -> None:
    limit(2, "refuse")
    first, second = log_in(do), log_in(do)
    with pytest.raises(TooManySessions) as caught:
        log_in(do)
    assert isinstance(caught.value, PermissionDenied)
    assert listed(redis_client) == {first.id, second.id}
    assert is_there(redis_client, first)
    assert is_there(redis_client, second)


def test_the_session_of_who_is_refused_goes_on_without_the_login(
    do: Do, redis_client, limit
) -> None:
    limit(1, "refuse")
    log_in(do)
    session = SessionStore()
    do(session.update, {"basket": 1})
    do(session.save)
    do(session.cycle_key)
    do(session.update, credentials(person()))
    with pytest.raises(TooManySessions):
        do(session.save)
    assert dict(do(session.items)) == dict(do(again(session).items)) == {"basket": 1}
    do(session.update, {"n": 2})
    do(session.save)
    assert do(again(session).get, "n") == 2


def test_the_session_of_who_is_refused_notes_nothing_of_a_login(
    do: Do, redis_client, limit
) -> None:
    limit(1, "refuse")
    log_in(do)
    session = SessionStore()
    session.meta = {"REMOTE_ADDR": "192.0.2.7"}
    do(session.update, {"basket": 1} | credentials(person()))
    with pytest.raises(TooManySessions):
        do(session.save)
    fields = {name for name in redis_client.hgetall(record_of(session)) if name[:1] == b"\0"}
    assert fields == {b"\0k", b"\0c", b"\0v", b"\0x"}


def test_who_is_refused_can_log_in_after_a_logout(do: Do, limit) -> None:
    limit(1, "refuse")
    first = log_in(do)
    with pytest.raises(TooManySessions):
        log_in(do)
    do(first.flush)
    assert do(again(log_in(do)).get, SESSION_KEY) == "7"


def test_a_session_that_begins_with_a_login_counts(do: Do, redis_client, limit) -> None:
    limit(1)
    sessions = [SessionStore(), SessionStore()]
    for session in sessions:
        do(session.update, credentials(person()))
        do(session.create)
    assert [is_there(redis_client, one) for one in sessions] == [False, True]
    limit(1, "refuse")
    third = SessionStore()
    do(third.update, credentials(person()))
    with pytest.raises(TooManySessions):
        do(third.create)
    assert listed(redis_client) == {sessions[1].id}


def one_for_ada(user: Any) -> int | None:
    return 1 if user.username == "ada" else None


@pytest.mark.django_db(transaction=True)  # asked from a thread, in the async half
def test_the_limit_may_depend_on_the_user(do: Do, redis_client, limit, django_user_model) -> None:
    limit("tests.test_limits.one_for_ada")
    for name, left in (("ada", 1), ("grace", 3)):
        user = django_user_model.objects.create(username=name)
        for _ in range(3):
            log_in(do, user)
        assert len(listed(redis_client, user.pk)) == left


class Replicated:
    """Has users in a database that is written to, and reads another, which is not there."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


@pytest.mark.django_db(transaction=True)
def test_the_user_that_a_limit_depends_on_is_that_of_the_primary(
    do: Do, redis_client, limit, django_user_model, settings
) -> None:
    limit("tests.test_limits.one_for_ada")
    user = django_user_model.objects.create(username="ada")
    settings.DATABASE_ROUTERS = [f"{__name__}.Replicated"]
    sessions = [log_in(do, user) for _ in range(2)]
    assert listed(redis_client, user.pk) == {sessions[-1].id}


def test_nobody_is_limited_where_the_user_is_gone(do: Do, redis_client, limit) -> None:
    limit("tests.test_limits.one_for_ada")
    assert {log_in(do).id, log_in(do).id} == listed(redis_client)


def test_many_more_than_a_batch_give_way(
    do: Do, redis_client, limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "PAGE", 7)
    sessions = [log_in(do) for _ in range(30)]
    limit(2)
    last = log_in(do)
    assert listed(redis_client) == {sessions[-1].id, last.id}
    assert users.count(person()) == 2
