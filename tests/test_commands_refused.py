"""What no command does: without the right, to a key of somebody else, or when it is sent twice."""

from typing import Any

import pytest
import redis

from redis_sessions.commands import Command, records
from redis_sessions.commands.records import Outcome
from redis_sessions.record import Unreadable
from tests.builders import (
    HELD,
    NEXT,
    OTHER,
    RECORD,
    create,
    end,
    renew,
    rotate,
    run,
    save,
    touch,
)
from tests.observers import contents

CHANGES = {
    "save": (save, lambda reply: reply.outcome),
    "touch": (touch, lambda reply: reply.outcome),
    "rotate": (rotate, lambda reply: reply.outcome),
    "end": (end, lambda reply: reply.outcome),
    "renew": (lambda digests=HELD: renew(digests, name=(b"Ada", b"Eve")), Outcome),
}
REFUSED = {"renew": Outcome.GONE}  # it counts, and there was nothing to do
each_change = pytest.mark.parametrize("name", CHANGES)


def changed(name: str, *digests: bytes) -> Outcome:
    make, outcome = CHANGES[name]
    return outcome(run(make(*digests)))


@each_change
def test_a_change_needs_the_digest(name: str, redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    before = contents(redis_client)
    for digests in (OTHER, OTHER + NEXT, b"", HELD[:15], HELD[:15] + b"x"):
        assert changed(name, digests) is REFUSED.get(name, Outcome.ROTATED)
    assert contents(redis_client) == before


@each_change
def test_a_change_does_not_revive_a_record_that_is_gone(name: str, redis_client) -> None:
    assert changed(name) is Outcome.GONE
    assert redis_client.dbsize() == 0


@each_change
@pytest.mark.parametrize("digest", [b"", b"h", HELD[:15], HELD + b"h"])
def test_a_record_with_a_damaged_digest_takes_no_change(name, digest, redis_client) -> None:
    run(create(name=b"Ada"))
    redis_client.hset(RECORD, "\0k", digest)
    before = contents(redis_client)
    assert changed(name) is REFUSED.get(name, Outcome.ROTATED)
    assert contents(redis_client) == before


@each_change
def test_a_hash_of_somebody_else_takes_no_change(name: str, redis_client: redis.Redis) -> None:
    redis_client.hset(RECORD, mapping={"name": "Ada", "k": HELD})
    before = contents(redis_client)
    assert changed(name) is Outcome.GONE
    assert contents(redis_client) == before


def of_another_type(client: redis.Redis, kind: str) -> None:
    """Put a value of another type under the key of the record."""
    {
        "string": lambda: client.set(RECORD, "text"),
        "list": lambda: client.rpush(RECORD, "a", "b"),
        "set": lambda: client.sadd(RECORD, "a", "b"),
        "zset": lambda: client.zadd(RECORD, {"a": 1}),
        "stream": lambda: client.xadd(RECORD, {"a": 1}),
    }[kind]()


another_type = pytest.mark.parametrize("kind", ["string", "list", "set", "zset", "stream"])


@each_change
@another_type
def test_a_key_of_another_type_takes_no_change(name, kind, redis_client) -> None:
    of_another_type(redis_client, kind)
    before = contents(redis_client)
    assert changed(name) is Outcome.GONE
    assert contents(redis_client) == before


@another_type
def test_a_key_of_another_type_is_no_record(kind: str, redis_client: redis.Redis) -> None:
    of_another_type(redis_client, kind)
    before = contents(redis_client)
    with pytest.raises(Unreadable, match="something else than a hash"):
        run(records.load(RECORD))
    assert run(records.stored_digest(RECORD)) is None
    assert run(create(name=b"Ada")) is False
    assert contents(redis_client) == before


def test_create_leaves_a_hash_of_somebody_else_alone(redis_client: redis.Redis) -> None:
    redis_client.hset(RECORD, mapping={"name": "Ada"})
    before = contents(redis_client)
    assert run(create(name=b"Eve")) is False
    assert contents(redis_client) == before


def test_a_hash_of_somebody_else_is_no_record(redis_client: redis.Redis) -> None:
    redis_client.hset(RECORD, mapping={"name": "Ada"})
    with pytest.raises(Unreadable, match="missing"):
        run(records.load(RECORD))
    assert run(records.stored_digest(RECORD)) is None


def test_create_sent_twice_stores_one_record_and_succeeds_twice(redis_client) -> None:
    assert run(create(name=b"Ada")) is True
    before = contents(redis_client)
    assert run(create(name=b"Ada")) is True
    assert contents(redis_client) == before


TWICE: dict[str, tuple[Command[Any], Any]] = {
    "save": (save(changed={b"a": b"2"}, removed=[b"b"]), Outcome.DONE),
    "save that replaces": (save(replaces=True, changed={b"a": b"2"}), Outcome.DONE),
    "save under an old key": (save(NEXT + HELD, changed={b"a": b"2"}), Outcome.DONE),
    "save that ends": (save(ends_at=1), Outcome.GONE),
    "touch": (touch(), Outcome.DONE),
    "rotate": (rotate(), Outcome.DONE),
    "end": (end(), Outcome.GONE),
    "renew": (renew(a=(b"1", b"2")), 0),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_command_sent_twice_has_the_effect_of_one(name: str, redis_client) -> None:
    command, second_reply = TWICE[name]
    run(create(a=b"1", b=b"1"))
    run(command)
    once = redis_client.hgetall(RECORD), redis_client.expiretime(RECORD)
    reply = run(command)
    assert getattr(reply, "outcome", reply) == second_reply
    twice = redis_client.hgetall(RECORD), redis_client.expiretime(RECORD)
    if name.startswith("save") and once[0]:
        assert int(twice[0].pop(b"\0v")) == int(once[0].pop(b"\0v")) + 1
    assert twice == once
