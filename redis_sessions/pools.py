"""A pool of connections for threads.

redis-py connects: TLS, credentials, database. From there on commands leave in one write, and what
comes is read until the replies are whole. Its own pool asks the socket at each turn whether it is
alive, which costs as much as a command. Here a connection that died is met when it is used, and the
retry that follows finds no other.
"""

import contextlib
import math
import threading
from time import monotonic
from typing import Any

import hiredis
import redis
from hiredis import PushNotification
from redis import exceptions as errors
from redis.connection import AbstractConnection

from .faults import Unanswered

_NONE_FREE = "No connection available."
_LOST = "The server closed the connection."
_LATE = "Timeout: the server did not answer in time."
_UNASKED = "The server sent a reply that nobody asked for."
_READ_SIZE = 65_536


class _Hasty:
    """A socket for redis-py's greeting, which has until ``deadline`` with all that it asks."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._socket: Any = connection._sock  # as redis-py has opened it
        self._timeout: float | None = self._socket.gettimeout()
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._hurry()
        self._socket.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._hurry()
        size: int = self._socket.recv_into(buffer)
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def _hurry(self) -> None:
        left = min(self._timeout or math.inf, self._deadline - monotonic())
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(None if left == math.inf else left)


class SyncWire:
    """A connection of redis-py's, for one thread at a time. It connects at its first use.

    And anew where it was idle for longer than ``health_check_interval``: what lies between may have
    forgotten it without a word. An exchange has twice ``socket_timeout``, or where it has to
    connect, that and ``socket_connect_timeout``; and never longer than ``until``.
    """

    until = math.inf  # by monotonic(), for whoever has it at the moment

    def __init__(self, connection: AbstractConnection, **kwargs: Any) -> None:
        self._connection = connection
        self._timeout: float = kwargs.get("socket_timeout") or math.inf
        self._to_connect: float = kwargs.get("socket_connect_timeout") or math.inf
        self._idle: float = kwargs.get("health_check_interval") or math.inf
        self._has_left = getattr(connection, "has_left", None)  # with Sentinel
        self._socket: Any = None
        self._reader: Any = None
        self._inbox = bytearray(_READ_SIZE)  # a new one for each reply would cost a tenth of it
        self._used = 0.0
        self._left = 0.0  # seconds to wait in this exchange
        self._is_hasty = False  # the socket's own timeout is shorter for the rest of it

    def exchange(self, packed: bytes, number: int) -> list[Any]:
        """Send ``number`` commands and return the replies; those that are errors, as exceptions.

        Raises redis.ConnectionError, redis.TimeoutError; then disconnect() it.
        """
        now = monotonic()
        if self._socket is not None and (
            now - self._used > self._idle or (self._has_left is not None and self._has_left())
        ):
            self.disconnect()
        has_served = self._socket is not None
        self._left = 2 * self._timeout
        if not has_served or self.until - now < self._left:
            self._begin(now)
        self._used = now
        try:
            self._send(packed)
            replies = [self._reply() for _ in range(number)]
        except TimeoutError as error:
            raise (Unanswered if has_served else errors.TimeoutError)(_LATE) from error
        except OSError as error:
            raise errors.ConnectionError(f"Error while talking to the server: {error}") from error
        if self._is_hasty:
            self._rest()
        if self._reader.has_data():
            self._refuse_the_rest()
        return replies

    def connect(self, deadline: float = math.inf) -> None:
        """Connect, and take over from redis-py. Raises its errors."""
        connection: Any = self._connection
        left = min(self._to_connect, deadline - monotonic())
        if left <= 0:
            raise errors.TimeoutError(_LATE)
        connection.socket_connect_timeout = None if left == math.inf else left
        if connection.redis_connect_func is None:
            connection.redis_connect_func = lambda its: self._greet(its, deadline)
            try:
                connection.connect_check_health(check_health=False)
            finally:
                connection.redis_connect_func = None
        else:
            connection.connect_check_health(check_health=False)
        self._socket = self._connection._sock
        parse_error = self._connection._parser.parse_error
        self._reader = hiredis.Reader(protocolError=errors.InvalidResponse, replyError=parse_error)

    def disconnect(self) -> None:
        """Close the connection; it connects again at its next use."""
        self._socket = self._reader = None
        self._is_hasty = False
        self._connection.disconnect()

    def _greet(self, connection: Any, deadline: float) -> None:
        """Have redis-py do what it does at the begin; each of its replies may take as long as any,
        all together not.
        """
        socket = connection._sock
        connection._sock = _Hasty(connection, deadline)
        try:
            connection.on_connect_check_health(check_health=False)
        finally:
            if connection._sock is not None:
                connection._sock = socket
                socket.settimeout(connection.socket_timeout)

    def _begin(self, now: float) -> None:
        """Connect where that is needed; less time than usual is left then. Raises its errors."""
        left = self.until - now
        if self._socket is None:
            deadline = now + min(left, self._timeout + self._to_connect)
            self.connect(deadline)
            left = deadline - monotonic()
        self._left = min(self._left, left)

    def _send(self, packed: bytes) -> None:
        """Only what is large can wait in here for anything but this thread's turn."""
        if self._left < self._timeout:
            self._hurry()
        started = monotonic()
        self._socket.sendall(packed)
        if len(packed) > _READ_SIZE:
            self._left -= monotonic() - started

    def _reply(self) -> Any:
        """Only the time inside recv() counts: this thread may get no turn for long."""
        reader = self._reader
        while True:
            reply = reader.gets()
            if reply is False:
                if self._left < self._timeout:
                    self._hurry()
                started = monotonic()
                size = self._socket.recv_into(self._inbox)
                self._left -= monotonic() - started
                if not size:
                    raise errors.ConnectionError(_LOST)
                reader.feed(self._inbox, 0, size)
            elif type(reply) is not PushNotification:
                return reply

    def _hurry(self) -> None:
        """Have the socket wait no longer than is left."""
        if self._left <= 0:
            raise TimeoutError
        self._is_hasty = True
        self._socket.settimeout(self._left)

    def _rest(self) -> None:
        self._is_hasty = False
        self._socket.settimeout(self._timeout)

    def _refuse_the_rest(self) -> None:
        """Raise redis.ConnectionError, or later commands would get the replies of earlier ones."""
        while self._reader.has_data():
            if type(self._reader.gets()) is not PushNotification:
                raise errors.ConnectionError(_UNASKED)


class SyncPool:
    """Connections of redis-py's, made by the parameters of its BlockingConnectionPool.

    At most ``max_connections`` are open; who finds none free waits up to ``timeout`` seconds.
    """

    def __init__(self, **parameters: Any) -> None:
        self._model = redis.BlockingConnectionPool(**parameters)  # it knows how to make connections
        self._free: list[SyncWire] = []  # append() and pop() need no lock
        self._made = 0
        self._waiting = 0
        self._changed = threading.Condition()

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """What a connection is made with."""
        return dict(self._model.connection_kwargs)

    def take(self, until: float = math.inf) -> SyncWire:
        """Return a connection, which may have died since.

        Raises redis.MaxConnectionsError, at ``until`` at the latest.
        """
        try:
            return self._free.pop()
        except IndexError:
            return self._wait(until)

    def release(self, connection: SyncWire) -> None:
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

    def _wait(self, until: float) -> SyncWire:
        patience: float | None = self._model.timeout
        deadline = until if patience is None else min(until, monotonic() + patience)
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    with contextlib.suppress(IndexError):  # another thread may be faster
                        return self._free.pop()
                    if self._made < self._model.max_connections:
                        return self._make()
                    if monotonic() >= deadline:
                        raise errors.MaxConnectionsError(_NONE_FREE)
                    left = deadline - monotonic()
                    self._changed.wait(None if left == math.inf else left)
            finally:
                self._waiting -= 1

    def _make(self) -> SyncWire:
        kwargs = self._model.connection_kwargs
        connection = self._model.connection_class(**kwargs)
        self._made += 1
        return SyncWire(connection, **kwargs)
