"""Any bytes in Redis, by one without SECRET_KEY: no error, nothing believed, nothing decoded."""

import contextlib
from typing import Any

import pytest
import redis
from hypothesis import strategies as st

from redis_sessions import pruning, staff, stats, steps, users
from redis_sessions.exceptions import SessionGone
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.fuzz.hostile import PRIVATE, ids
from tests.fuzz.planting import of_any_type, on_a_record, plant
from tests.people import credentials, index_of, log_in, person
from tests.properties import fuzz
from tests.serializers import CountingSerializer, path

tamperings = st.lists(on_a_record, min_size=1, max_size=4) | st.lists(
    of_any_type, min_size=1, max_size=1
)
OWN = {**credentials(person()), "private": PRIVATE, "list": [1]}
names = st.one_of(
    ids.map(lambda name: f"session:{{{name}}}".encode()),
    ids.map(lambda name: f"session:{{{name}}}:lock".encode()),
    st.sampled_from([b"session:user:{7}", b"session:login:{7}", b"session:user:{}", b"session:{}"]),
    st.binary(max_size=10).map(lambda end: b"session:" + end),
)
ACTS = [
    "items",
    "save",
    "save_changed",
    "cleared",
    "cycle_key",
    "flush",
    "delete",
    "exists",
    "end_obsolete",
]


def logged_in() -> SessionStore:
    session = SessionStore()
    session.update(OWN)
    session.save()
    return session


def is_part(found: dict[str, Any], whole: dict[str, Any]) -> bool:
    return all(key in whole and value == whole[key] for key, value in found.items())


def act(do: Do, session: SessionStore, name: str) -> None:
    if name == "save_changed":
        do(session.update, {"more": 1})
        do(session.save)
    elif name == "cleared":
        session.clear()
        do(session.update, {"more": 1})
        do(session.save)
    elif name == "exists":
        do(session.exists, session.session_key)
    else:
        do(getattr(session, name))


@pytest.fixture(params=[False, True], ids=["", "rolling"])
def rolling(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": request.param, "TOUCH_INTERVAL": 0}
    settings.SESSION_SERIALIZER = path(CountingSerializer)


@fuzz(40, planted=tamperings, acts=st.lists(st.sampled_from(ACTS), max_size=3))
@pytest.mark.usefixtures("rolling")
def test_a_record_with_any_bytes_is_the_session_or_none(
    do: Do, redis_client: redis.Redis, planted: Any, acts: list[str]
) -> None:
    victim = logged_in()
    CountingSerializer.reset()
    for tampering in planted:
        with contextlib.suppress(redis.ResponseError):
            plant(redis_client, record_of(victim), tampering)
    session = SessionStore(victim.session_key)
    assert is_part(dict(do(session.items)), OWN)
    assert set(CountingSerializer.loaded) <= {b"[1]"}
    for name in acts:
        with contextlib.suppress(SessionGone):
            act(do, session, name)


@fuzz(40, planted=tamperings, acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=3))
@pytest.mark.usefixtures("rolling")
def test_any_bytes_written_between_a_read_and_a_write_end_the_session_at_most(
    do: Do, redis_client: redis.Redis, planted: Any, acts: list[str]
) -> None:
    victim = logged_in()
    session = SessionStore(victim.session_key)
    do(session.items)
    for tampering in planted:
        with contextlib.suppress(redis.ResponseError):
            plant(redis_client, record_of(victim), tampering)
    for name in acts:
        with contextlib.suppress(SessionGone):
            act(do, session, name)
    found = dict(do(SessionStore(session.session_key).items))
    assert is_part(found, {**OWN, "more": 1})


@fuzz(40, index=of_any_type, record=st.none() | of_any_type, acts=st.lists(st.sampled_from(ACTS)))
@pytest.mark.usefixtures("rolling")
def test_an_index_with_any_bytes_keeps_nobody_from_logging_in(
    do: Do, redis_client: redis.Redis, index: Any, record: Any, acts: list[str]
) -> None:
    redis_client.flushdb()
    mine = {log_in(do).id}
    plant(redis_client, index_of(), index)
    session = log_in(do)
    mine.add(session.id)
    for name in acts:
        with contextlib.suppress(SessionGone):
            act(do, session, name)
        mine.add(session.id)
    assert {info.id for info in users.sessions_of(person())} <= mine


@fuzz(40, planted=st.lists(st.tuples(names, of_any_type), max_size=6))
def test_whatever_keys_somebody_plants_the_site_can_be_looked_at_and_tidied_up(
    redis_client: redis.Redis, planted: list[Any]
) -> None:
    redis_client.flushdb()
    for name, tampering in planted:
        plant(redis_client, name, tampering)
    assert users.sessions_of(person()) == []
    assert users.count(person()) == 0
    last = users.last_login(person())
    assert last is None or last.tzinfo
    assert steps.run(stats.survey()).report()
    steps.run(pruning.prune(pause=0))
    for name in redis_client.scan_iter():
        session_id = name.decode(errors="replace")[len("session:{") : -1]
        details = staff.details(session_id)
        assert details is None or details.user_id is None
    assert users.end_sessions(person()) == []
