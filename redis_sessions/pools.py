"""Pools of connections, for threads and for the tasks of an event loop.

redis-py's own ask the socket at each turn whether it is alive, which costs as much as a command;
its pool for tasks may lose a connection whose user is cancelled while giving it back. Here a
connection that died is met when it is used, and the retry that follows finds no other; to give one
back waits for nothing.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection as AsyncConnection
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


class AsyncPool:
    """The same for the tasks of one event loop."""

    def __init__(self, **parameters: Any) -> None:
        self._model = redis.asyncio.BlockingConnectionPool(**parameters)
        self._free: list[AsyncConnection] = []
        self._all: list[AsyncConnection] = []
        self._waiters: deque[asyncio.Future[AsyncConnection]] = deque()

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """What a connection is made with."""
        return dict(self._model.connection_kwargs)

    async def get_connection(self) -> AsyncConnection:
        """Return a connection, which may have died since. Raises redis.ConnectionError."""
        if self._free:
            return self._free.pop()
        if len(self._all) < self._model.max_connections:
            self._all.append(self.make_connection())
            return self._all[-1]
        return await self._wait()

    def make_connection(self) -> AsyncConnection:
        """Return a connection that is not the pool's."""
        connection: AsyncConnection = self._model.make_connection()
        return connection

    def release(self, connection: AsyncConnection) -> None:
        """Give a connection back, to who waits for one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._free.append(connection)

    async def disconnect(self) -> None:
        """Close the connections that are free; they connect again at their next use."""
        closed = []
        try:
            while self._free:  # another task may take one meanwhile
                closed.append(self._free.pop())
                await closed[-1].disconnect(nowait=True)
        finally:
            for connection in closed:
                self.release(connection)

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in self._all:
            await connection.disconnect()

    async def _wait(self) -> AsyncConnection:
        waiter: asyncio.Future[AsyncConnection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._model.timeout):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.release(waiter.result())  # it came in the moment of the cancellation
            waiter.cancel()
            if isinstance(error, TimeoutError):
                raise redis.ConnectionError(_NONE_FREE) from None
            raise
