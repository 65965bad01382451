"""A pool of connections for threads.

redis-py's own asks the socket at each turn whether it is alive, which costs as much as a command.
Here a connection that died is met when it is used, and the retry that follows finds no other.
"""

import contextlib
import threading
import time
from typing import Any

import redis
from redis.connection import AbstractConnection

_NONE_FREE = "No connection available."


class SyncPool:
    """Connections of redis-py's, made by the parameters of its BlockingConnectionPool.

    At most ``max_connections`` are open; who finds none free waits up to ``timeout`` seconds.
    """

    def __init__(self, **parameters: Any) -> None:
        self._model = redis.BlockingConnectionPool(**parameters)  # it knows how to make connections
        self._free: list[AbstractConnection] = []  # append() and pop() need no lock
        self._made = 0
        self._waiting = 0
        self._changed = threading.Condition()

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """What a connection is made with."""
        return dict(self._model.connection_kwargs)

    def get_connection(self) -> AbstractConnection:
        """Return a connection, which may have died since. Raises redis.ConnectionError."""
        try:
            return self._free.pop()
        except IndexError:
            return self._wait()

    def release(self, connection: AbstractConnection) -> None:
        """Give a connection back."""
        self._free.append(connection)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def disconnect(self) -> None:
        """Close the connections that are free; they connect again at their next use."""
        closed = []
        with contextlib.suppress(IndexError):
            while True:  # another thread may take one meanwhile
                closed.append(self._free.pop())
                closed[-1].disconnect()
        for connection in closed:
            self.release(connection)

    def _wait(self) -> AbstractConnection:
        deadline = time.monotonic() + self._model.timeout
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    with contextlib.suppress(IndexError):  # another thread may be faster
                        return self._free.pop()
                    if self._made < self._model.max_connections:
                        return self._make()
                    if time.monotonic() >= deadline:
                        raise redis.ConnectionError(_NONE_FREE)
                    self._changed.wait(deadline - time.monotonic())
            finally:
                self._waiting -= 1

    def _make(self) -> AbstractConnection:
        connection: AbstractConnection = self._model.connection_class(
            **self._model.connection_kwargs
        )
        self._made += 1
        return connection
