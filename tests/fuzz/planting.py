"""What somebody who can write to the server may do to it, as data: plant() does it."""

from collections.abc import Callable
from typing import Any

import redis
from hypothesis import strategies as st

from tests.fuzz.hostile import any_bytes, field_names

Tampering = tuple[str, *tuple[Any, ...]]

scores = st.floats(allow_nan=False) | st.integers(-(10**20), 10**20).map(float)
members = st.binary(max_size=20) | st.text(
    "0123456789abcdefghijklmnopqrstuvwxyz", min_size=14, max_size=14
).map(str.encode)
_small = st.lists(any_bytes, min_size=1, max_size=4)

# Each is a name, which is a function below, and what that takes behind the client and the key.
on_a_record = st.one_of(
    st.tuples(st.just("set_field"), field_names, any_bytes),
    st.tuples(st.just("drop_field"), field_names),
    st.tuples(st.just("cut_field"), field_names, st.integers(0, 20)),
    st.tuples(st.just("swap_fields"), field_names, field_names),
)
of_any_type = st.one_of(
    st.tuples(st.just("put_text"), any_bytes),
    st.tuples(st.just("put_list"), _small),
    st.tuples(st.just("put_set"), _small),
    st.tuples(st.just("put_scores"), st.dictionaries(members, scores, min_size=1, max_size=4)),
    st.tuples(st.just("put_hash"), st.dictionaries(field_names, any_bytes, min_size=1, max_size=6)),
    st.tuples(st.just("put_stream"), any_bytes),
)


def plant(client: redis.Redis, key: str, tampering: Tampering) -> None:
    """Do to a key what a tampering says."""
    name, *words = tampering
    _ACTS[name](client, key, *words)


def _replace(put: Callable[..., Any]) -> Callable[..., None]:
    def act(client: redis.Redis, key: str, *words: Any) -> None:
        client.delete(key)
        put(client, key, *words)

    return act


def _cut(client: redis.Redis, key: str, field: bytes, size: int) -> None:
    stored = client.hget(key, field)
    if stored:
        client.hset(key, field, stored[:size])


def _swap(client: redis.Redis, key: str, one: bytes, other: bytes) -> None:
    first, second = client.hmget(key, [one, other])
    if first is not None and second is not None:
        client.hset(key, mapping={one: second, other: first})


_ACTS: dict[str, Callable[..., Any]] = {
    "set_field": lambda client, key, field, value: client.hset(key, field, value),
    "drop_field": lambda client, key, field: client.hdel(key, field),
    "cut_field": _cut,
    "swap_fields": _swap,
    "put_text": _replace(lambda client, key, value: client.set(key, value)),
    "put_list": _replace(lambda client, key, values: client.rpush(key, *values)),
    "put_set": _replace(lambda client, key, values: client.sadd(key, *values)),
    "put_scores": _replace(lambda client, key, scores: client.zadd(key, scores)),
    "put_hash": _replace(lambda client, key, fields: client.hset(key, mapping=fields)),
    "put_stream": _replace(lambda client, key, value: client.xadd(key, {b"field": value})),
}
