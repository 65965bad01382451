"""What stats counts, on the server: kinds, encodings, gains, and what indexes get wrong."""

from typing import Any

import pytest
import redis

from redis_sessions import scanning, stats, steps
from redis_sessions.session import SessionStore
from tests.observers import recorded_batches
from tests.people import index_of, listed, log_in, person

FUTURE = 4_000_000_000


def call(method: Any, *args: Any) -> Any:
    return method(*args)


def survey() -> dict[str, Any]:
    return steps.run(stats.survey()).report()


def store(**values: Any) -> SessionStore:
    session = SessionStore()
    session.update(values)
    session.save()
    return session


def record(session: SessionStore) -> str:
    return f"session:{{{session.id}}}"


def test_an_empty_server_has_nothing_to_count() -> None:
    report = survey()
    assert report["sessions"]["total"] == 0
    assert report["memory"] == {"records": 0, "indexes": 0}
    assert report["encodings"] == {}


def test_sessions_are_counted_by_what_they_are(redis_client: redis.Redis, settings: Any) -> None:
    for pk in (7, 7, 8):
        log_in(call, person(pk))
    store(n=1)
    store()
    forged, stripped, text = store(n=1), store(n=1), store(n=1)
    redis_client.hset(record(forged), "n", b"forged")
    redis_client.hdel(record(stripped), b"\0k")
    redis_client.set(record(text), "no hash")
    old = store(n=1)
    redis_client.hset(record(old), b"\0c", 1)
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 10**8}
    assert survey()["sessions"] == {
        "total": 9,
        "logged_in": 3,
        "anonymous": 1,
        "empty": 1,
        "expired": 1,
        "unreadable": 3,
    }


def test_keys_that_are_no_records_are_not_counted(redis_client: redis.Redis) -> None:
    session = store(n=1)
    redis_client.set(f"{record(session)}:lock", "x")
    redis_client.set("session:claim:{0123456789abcd}", "x")
    redis_client.set("session:{UPPERCASE_ID_}", "x")
    redis_client.set("other:{0123456789abcd}", "x")
    redis_client.set(b"session:{\xff123456789abcd}", "x")
    assert survey()["sessions"]["total"] == 1


def test_memory_and_encodings_are_the_servers(redis_client: redis.Redis) -> None:
    small, large = store(n="x"), store(n="x" * 5000)
    log_in(call)
    report = survey()
    assert report["memory"]["records"] == sum(
        redis_client.memory_usage(key, samples=0) for key in redis_client.keys("session:{*")
    )
    assert report["memory"]["indexes"] == redis_client.memory_usage(index_of())
    assert report["encodings"] == {"hashtable": 1, "listpack": 2}
    assert [size["up_to"] for size in report["sizes"] if size["sessions"]][-1] == 8192
    assert redis_client.object("encoding", record(small)) == b"listpack"
    assert redis_client.object("encoding", record(large)) == b"hashtable"


def test_what_a_higher_limit_wins_is_about_what_is_estimated(redis_client: redis.Redis) -> None:
    sizes = [60, 70, 90, 110, 60, 100, 80, 75]

    def fill() -> int:
        for number, size in enumerate(sizes * 5):
            session = log_in(call, person(number))
            session["note"] = "x" * size
            session.save()
            log_in(call, person(number))
        return survey()["memory"]["records"]

    before = fill()
    [estimate, *_] = survey()["listpack_gains"]
    assert estimate["sessions"] == len(sizes) * 5
    redis_client.flushdb()
    limit = redis_client.config_get("hash-max-listpack-value")["hash-max-listpack-value"]
    redis_client.config_set("hash-max-listpack-value", 128)
    try:
        won = before - fill()
    finally:
        redis_client.config_set("hash-max-listpack-value", limit)
    assert won > 0
    assert estimate["bytes"] == pytest.approx(won, rel=0.25)


def test_ids_without_a_session_and_sessions_without_an_id_are_counted(
    redis_client: redis.Redis,
) -> None:
    log_in(call)
    unlisted, gone = log_in(call, person(8)), log_in(call, person(8))
    redis_client.zrem(index_of(8), unlisted.id)
    redis_client.delete(record(gone))
    redis_client.zadd(index_of(9), {unlisted.id: FUTURE})
    assert survey()["indexes"] == {"users": 3, "ids": 3, "ghosts": 2, "unlisted": 1}


def test_nothing_is_changed(redis_client: redis.Redis) -> None:
    session = log_in(call)
    redis_client.zadd(index_of(), {"0" * 14: FUTURE})
    before = redis_client.hgetall(record(session)), redis_client.ttl(record(session))
    survey()
    assert (redis_client.hgetall(record(session)), redis_client.ttl(record(session))) == before
    assert listed(redis_client) == {session.id, "0" * 14}


def test_it_scans_in_batches_and_asks_for_no_keys(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_client.mset({f"other:{number}": "x" for number in range(5000)})
    for number in range(250):
        log_in(call, person(number))
    batches = recorded_batches(monkeypatch)
    told: list[float] = []
    assert steps.run(stats.survey(told.append)).report()["sessions"]["logged_in"] == 250
    words = [command.words[0] for batch in batches for command in batch]
    assert "KEYS" not in words
    assert words.count("SCAN") >= 5000 / scanning.KEYS
    assert max(map(len, batches)) <= scanning.KEYS
    assert told == sorted(told)
    assert told[-1] == 1
