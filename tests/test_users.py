"""Whose sessions: listed, counted and ended by user, through both halves."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import redis
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from redis_sessions import executors, roster, staff, users
from redis_sessions.devices import Device
from redis_sessions.exceptions import SessionGone
from redis_sessions.reasons import Reason
from redis_sessions.session import SessionStore
from tests.clocks import HOUR, later
from tests.conftest import Do, record_of
from tests.observers import again, no_commands, nothing_stored, recorded_batches
from tests.people import FIREFOX, credentials, index_of, listed, log_in, person

Call = Callable[..., Any]
EDGES = [timezone(timedelta(hours=hours)) for hours in (-12, 14)]


@pytest.fixture
def call(do: Do, request: pytest.FixtureRequest) -> Iterator[Call]:
    """Call a function of ``users`` in the half of ``do``."""
    if request.node.callspec.params["do"] == "sync":
        yield lambda function, *args, **kwargs: function(*args, **kwargs)
        return

    class Functions:
        """Has the functions as methods, so that ``do`` finds their twins."""

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        holder = Functions()
        twin = getattr(users, f"a{function.__name__}")
        holder.__dict__[f"a{function.__name__}"] = twin
        method = type("Method", (), {"__self__": holder, "__name__": function.__name__})()
        return do(method, *args, **kwargs)

    yield run


def ids(infos: list[users.SessionInfo]) -> list[str]:
    return [info.id for info in infos]


def test_a_user_without_sessions_has_an_empty_list(call: Call) -> None:
    assert call(users.sessions_of, person()) == []
    assert call(users.count, person()) == 0
    assert call(users.end_sessions, person()) == []


def test_a_users_sessions_are_listed_the_latest_login_first(do: Do, call: Call) -> None:
    sessions = [log_in(do) for _ in range(4)]
    log_in(do, person(8))
    assert ids(call(users.sessions_of, person())) == [one.id for one in reversed(sessions)]
    assert call(users.count, person()) == 4


def test_what_is_told_of_a_session(do: Do, call: Call, redis_client) -> None:
    session = SessionStore()
    session.meta = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": FIREFOX}
    do(session.update, {"basket": 1})
    do(session.save)
    redis_client.hincrby(record_of(session), "\0c", -HOUR)
    do(session.cycle_key)
    do(session.update, credentials(person()))
    do(session.save)
    [info] = call(users.sessions_of, person(), session)
    now = datetime.now(UTC)
    assert info.id == session.id
    assert now - info.created >= timedelta(hours=1)
    assert timedelta() <= now - info.logged_in < timedelta(seconds=20)
    assert timedelta() <= now - info.last_seen < timedelta(seconds=20)
    assert timedelta(days=13, hours=23) < info.expires - now <= timedelta(days=14)
    assert (info.ip, info.user_agent, info.sockets) == ("192.0.2.7", FIREFOX, 0)
    assert info.is_current


def test_only_the_session_that_asks_is_the_current_one(do: Do, call: Call) -> None:
    mine, other = log_in(do), log_in(do)
    current = {info.id: info.is_current for info in call(users.sessions_of, person(), mine)}
    assert current == {mine.id: True, other.id: False}


def test_last_seen_moves_with_saves_and_touches(do: Do, call: Call, settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    session = log_in(do)
    with later(HOUR):
        do(again(session).get, "n")
        [info] = call(users.sessions_of, person())
        assert info.last_seen - info.logged_in > timedelta(minutes=59)


def test_the_absolute_age_bounds_what_is_told_of_the_expiry(
    do: Do, call: Call, settings, redis_client
) -> None:
    session = log_in(do)
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": HOUR}
    [info] = call(users.sessions_of, person())
    assert info.expires - info.created == timedelta(hours=1)
    redis_client.hincrby(record_of(session), "\0c", -HOUR)
    assert call(users.sessions_of, person()) == []


def test_sessions_are_listed_in_pages(do: Do, call: Call) -> None:
    everyone = {log_in(do).id for _ in range(5)}
    pages = [call(users.sessions_of, person(), offset=n, limit=2) for n in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert {info.id for page in pages for info in page} == everyone


def test_a_list_takes_two_trips(do: Do, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        log_in(do)
    batches = recorded_batches(monkeypatch)
    assert len(call(users.sessions_of, person())) == 3
    assert len(batches) == 2


def test_an_index_of_thousands_is_read_in_batches(
    do: Do, call: Call, redis_client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = log_in(do)
    ghosts = {f"ghost{n:09}": 2e9 for n in range(3000)}
    redis_client.zadd(index_of(), ghosts)
    batches = recorded_batches(monkeypatch)
    assert len(call(users.sessions_of, person())) <= 100
    assert max(map(len, batches)) <= 101
    assert call(users.count, person()) == 1
    assert max(map(len, batches)) <= 600  # ZSCAN may give a few more
    assert ids(call(users.end_sessions, person())) == [session.id]


def test_no_session_is_missed_that_is_renewed_while_all_are_read(
    do: Do, call: Call, monkeypatch: pytest.MonkeyPatch, redis_client
) -> None:
    monkeypatch.setattr(roster, "PAGE", 50)
    sessions = [log_in(do) for _ in range(300)]
    run, arun = executors.run, executors.arun

    def renew() -> None:
        first, *_ = redis_client.zrange(index_of(), 0, 0)
        redis_client.zincrby(index_of(), 100_000, first)

    def renewing_run(*commands: Any, **options: Any) -> list[Any]:
        renew()
        return run(*commands, **options)

    async def renewing_arun(*commands: Any, **options: Any) -> list[Any]:
        renew()
        return await arun(*commands, **options)

    monkeypatch.setattr(executors, "run", renewing_run)
    monkeypatch.setattr(executors, "arun", renewing_arun)
    assert {one.id for one in sessions} == set(ids(call(users.end_sessions, person())))


@pytest.mark.parametrize("planted", ["another's", "anonymous", "missing", "forged", "unreadable"])
def test_an_id_in_the_index_whose_record_says_otherwise_is_not_the_users(
    do: Do, call: Call, stored, redis_client: redis.Redis, planted: str
) -> None:
    session = log_in(do, person(8)) if planted != "anonymous" else stored(name="Ada")
    redis_client.zadd(index_of(), {session.id: 2e9})
    if planted == "missing":
        redis_client.delete(record_of(session))
    if planted == "forged":
        redis_client.hset(record_of(session), SESSION_KEY, bytes(12) + b"7")
    if planted == "unreadable":
        redis_client.delete(record_of(session))
        redis_client.set(record_of(session), "planted")
    assert call(users.sessions_of, person()) == []
    with nothing_stored(redis_client):
        assert call(users.end_session, person(), session.id) is None
        assert call(users.end_sessions, person()) == []


def test_ending_one_session_ends_that(do: Do, call: Call, redis_client) -> None:
    session, other = log_in(do), log_in(do)
    assert call(users.end_session, person(), session.id).id == session.id
    assert call(users.end_session, person(), session.id) is None
    assert not redis_client.exists(record_of(session))
    assert listed(redis_client) == {other.id}
    assert do(again(session).load) == {}


@pytest.mark.parametrize(
    "session_id", ["", "0123456789abcd", "x" * 40, "*", "../../etc", "{a}", "a b", "\0", "é" * 14]
)
def test_an_id_of_nobody_is_not_found(do: Do, call: Call, redis_client, session_id: str) -> None:
    log_in(do)
    with nothing_stored(redis_client):
        assert call(users.end_session, person(), session_id) is None


@pytest.mark.parametrize("session_id", [None, 5, b"0" * 14, ["a"], {}])
def test_what_is_no_text_is_the_id_of_nobody(
    do: Do, call: Call, redis_client, session_id: Any
) -> None:
    log_in(do)
    with no_commands(redis_client):
        assert call(users.end_session, person(), session_id) is None


@pytest.mark.parametrize("name", ["offset", "limit"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(-1, ValueError), (-(10**30), ValueError), ("1", TypeError), (1.0, TypeError)],
)
def test_a_page_that_cannot_be_is_an_error(
    call: Call, redis_client, name: str, number: Any, error: type[Exception]
) -> None:
    with no_commands(redis_client), pytest.raises(error, match=f"{name} must be .*{number}"):
        call(users.sessions_of, person(), **{name: number})


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
def test_a_page_may_lie_behind_all_sessions_or_hold_more_than_there_are(
    do: Do, call: Call, number: int
) -> None:
    session = log_in(do)
    assert call(users.sessions_of, person(), offset=number) == []
    assert ids(call(users.sessions_of, person(), limit=number)) == [session.id]


@pytest.mark.parametrize("user", [AnonymousUser(), SimpleLazyObject(AnonymousUser)], ids=type)
def test_an_anonymous_user_has_no_sessions(do: Do, call: Call, redis_client, user: Any) -> None:
    session = log_in(do)
    with no_commands(redis_client):
        assert call(users.sessions_of, user, session) == []
        assert call(users.count, user) == 0
        assert call(users.end_session, user, session.id) is None
        assert call(users.end_sessions, user, keep=session) == []
        assert call(users.last_login, user) is None


TIMES = {"\0l": "logged_in", "\0s": "last_seen", "\0c": "created", "\0x": "expires"}
NO_TIME = 9 * 10**17


@pytest.mark.parametrize(
    ("fields", "number", "year"),
    [(["\0l", "\0s"], -NO_TIME, 1), (["\0l", "\0s"], NO_TIME, 9999), (TIMES, NO_TIME, 9999)],
)
def test_times_that_no_calendar_has_do_not_break_the_list(
    do: Do, call: Call, redis_client, fields: Any, number: int, year: int
) -> None:
    session, other = log_in(do), log_in(do)
    redis_client.hset(record_of(session), mapping=dict.fromkeys(fields, number))
    found = {info.id: info for info in call(users.sessions_of, person())}
    assert set(found) == {session.id, other.id}
    for field in fields:
        time = getattr(found[session.id], TIMES[field])
        assert {time.astimezone(zone).year for zone in (UTC, *EDGES)} == {year}
    assert len(call(users.end_sessions, person())) == 2


@pytest.mark.parametrize("field", TIMES)
def test_staff_see_a_session_with_a_time_that_no_calendar_has(
    do: Do, redis_client, field: str
) -> None:
    session = log_in(do)
    redis_client.hset(record_of(session), mapping={"\0c": NO_TIME, field: NO_TIME})
    details = staff.details(session.id)
    assert {details.created.year, getattr(details, TIMES[field]).year} == {9999}


def test_ending_all_keeps_the_one_to_keep(do: Do, call: Call, redis_client) -> None:
    kept, *others = [log_in(do) for _ in range(3)]
    strangers = log_in(do, person(8))
    ended = call(users.end_sessions, person(), keep=kept)
    assert set(ids(ended)) == {one.id for one in others}
    assert listed(redis_client) == {kept.id}
    assert do(again(strangers).get, SESSION_KEY) == "8"
    assert do(again(kept).get, SESSION_KEY) == "7"


def test_ending_all_leaves_no_index(do: Do, call: Call, redis_client) -> None:
    for _ in range(3):
        log_in(do)
    call(users.end_sessions, person())
    assert redis_client.dbsize() == 0


def test_a_request_under_way_cannot_save_after_the_end(do: Do, call: Call) -> None:
    late = again(log_in(do))
    do(late.update, {"n": 1})
    call(users.end_sessions, person())
    with pytest.raises(SessionGone):
        do(late.save)


def test_the_end_is_published_with_its_reason(do: Do, call: Call, redis_client) -> None:
    session = log_in(do)
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(record_of(session))
        pubsub.get_message(timeout=5)
        call(users.end_session, person(), session.id, Reason.REVOKED)
        message = pubsub.get_message(timeout=5)
    assert message["data"] == b"revoked "


def test_sessions_signed_under_a_fallback_of_the_secret_key_are_the_users(
    do: Do, call: Call, settings
) -> None:
    session = log_in(do)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one, long enough to be one too"
    assert ids(call(users.sessions_of, person())) == [session.id]
    assert ids(call(users.end_sessions, person())) == [session.id]


def test_the_device_is_noted_at_the_login_and_when_it_changed(
    do: Do, call: Call, redis_client
) -> None:
    session = log_in(do, REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl")
    for seconds, ip in ((30, "192.0.2.7"), (90, "192.0.2.8")):
        with later(seconds):
            reader = again(session)
            reader.meta = {"REMOTE_ADDR": "192.0.2.8", "HTTP_USER_AGENT": "curl"}
            do(reader.update, {"n": seconds})
            do(reader.save)
            assert reader.device == again_loaded(do, session).device == Device(ip, "curl")


def again_loaded(do: Do, session: SessionStore) -> SessionStore:
    reader = again(session)
    do(reader.get, "n")
    return reader


def test_a_save_without_a_request_keeps_the_device(do: Do) -> None:
    session = log_in(do, REMOTE_ADDR="192.0.2.7")
    with later(HOUR):
        reader = again(session)
        do(reader.update, {"n": 1})
        do(reader.save)
    assert again_loaded(do, session).device.ip == "192.0.2.7"


def test_no_device_is_noted_of_a_visitor(do: Do, redis_client) -> None:
    session = SessionStore()
    session.meta = {"REMOTE_ADDR": "192.0.2.7"}
    do(session.update, {"n": 1})
    do(session.save)
    assert redis_client.hget(record_of(session), "\0d") is None


@pytest.mark.parametrize(
    ("devices", "device"),
    [("truncated", Device("192.0.2.0/24", FIREFOX)), ("off", Device()), ("full", None)],
)
def test_the_site_chooses_what_is_noted(do: Do, settings, redis_client, devices, device) -> None:
    settings.REDIS_SESSIONS = {"DEVICES": devices}
    session = log_in(do, REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT=FIREFOX)
    assert session.device == (device or Device("192.0.2.7", FIREFOX))
    assert bool(redis_client.hget(record_of(session), "\0d")) == (devices != "off")


def test_the_address_is_the_clients_behind_a_trusted_proxy(do: Do, settings) -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 192.0.2.7"}
    assert log_in(do, **meta).device.ip == "10.0.0.1"
    settings.REDIS_SESSIONS = {"TRUSTED_PROXIES": ["10.0.0.0/8"]}
    assert log_in(do, **meta).device.ip == "192.0.2.7"


def test_the_address_is_the_clients_behind_a_trusted_unix_socket(do: Do, settings) -> None:
    meta = {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 192.0.2.7"}
    assert log_in(do, **meta).device.ip == ""
    settings.REDIS_SESSIONS = {"TRUSTED_PROXIES": ["unix"]}
    assert log_in(do, **meta).device.ip == "192.0.2.7"


def test_twins_are_coroutine_functions() -> None:
    assert all(
        asyncio.iscoroutinefunction(getattr(users, f"a{name}"))
        for name in ("count", "end_session", "end_sessions", "sessions_of")
    )
