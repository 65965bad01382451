"""The pool of connections: what threads may do to one another, and what they may not."""

from collections.abc import Callable
from typing import Any

import pytest
import redis.connection

from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.pools import SyncPool
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.servers import Server

UNKNOWN = "0123456789" * 4  # a session key that is well-formed


class Watched(redis.connection.Connection):
    """Tells when it is about to be closed."""

    on_close: Callable[[Any], None]

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.on_close(self)
        super().disconnect(*args, **kwargs)


def test_a_thread_that_closes_free_connections_leaves_alone_what_another_takes_meanwhile(
    server: Server,
) -> None:
    pool = SyncPool(connection_class=Watched, max_connections=2, timeout=1, port=server.port)
    both = [pool.take(), pool.take()]
    closed, taken = [], []

    def another_thread_takes_one(connection: Watched) -> None:
        closed.append(connection)
        if not taken:
            taken.append(pool.take())

    for wire in both:
        wire.connect()
        wire._connection.on_close = another_thread_takes_one
        pool.release(wire)
    pool.disconnect()
    assert taken[0]._connection.is_connected
    assert closed == [wire._connection for wire in both if wire is not taken[0]]
    assert pool.take()._connection is closed[0]
    for wire in both:
        wire.disconnect()


def test_connections_that_cannot_be_made_take_up_no_place(do: Do, settings: Any) -> None:
    options = {"max_connections": 1, "timeout": 0.05, "ssl_cert_reqs": "nonsense"}
    settings.CACHES = caches("rediss://127.0.0.1:1/0", CONNECTION_POOL_KWARGS=options)
    for _ in range(3):
        with pytest.raises(SessionStoreUnavailable, match="SSL Certificate Requirements"):
            do(SessionStore().save)
