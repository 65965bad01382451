"""How the fields of a record are stored, and with what one looks for what must not be there."""

from collections.abc import Iterator
from typing import Any

import redis

from redis_sessions import codec
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again

ENCRYPT = {"ENCRYPT": True}


def fields(client: redis.Redis, session: SessionStore) -> dict[str, bytes]:
    """Return the session's own fields, as they are stored."""
    stored: dict[bytes, bytes] = client.hgetall(record_of(session))  # type: ignore[assignment]
    return {name.decode(): held for name, held in stored.items() if name[:1] != b"\0"}


def held(do: Do, session: SessionStore) -> dict[str, Any]:
    """Return what the next request finds."""
    return dict(do(again(session).items))


def sealed(client: redis.Redis, session: SessionStore) -> set[str]:
    """Return the names of the fields that are sealed."""
    return {name for name, held in fields(client, session).items() if codec.is_sealed(held)}


def is_wrapped(client: redis.Redis, session: SessionStore) -> bool:
    """Tell whether the record holds keys from before a rotation."""
    return bool(client.hexists(record_of(session), "\0e"))


def everything(client: redis.Redis) -> bytes:
    """Return all that the server holds: names of keys and fields, values, members."""
    return b"\n".join(part for key in client.scan_iter() for part in (key, *_parts(client, key)))


def _parts(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"hash":
            for pair in client.hgetall(key).items():
                yield from pair
        case b"zset":
            yield from client.zrange(key, 0, -1)
        case b"string":
            yield client.get(key)
        case other:
            raise AssertionError(f"{key!r} is a {other!r}")
