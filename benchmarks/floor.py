"""The floor: what a read cannot do without. A socket, hiredis, and the session as ours stores it.

No pool, no retry, no timeout, no decoding: nobody could use this, but nothing is cheaper.
"""

import asyncio
import socket
from collections import deque
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import hiredis

from .operations import LOGGED_IN, Operation
from .stores import Stores

_CHUNK = 65_536  # as redis-py reads
_OK = b"+OK\r\n"
_FIELDS = 2 * len(LOGGED_IN)


class Wire(asyncio.Protocol):
    """One connection for all tasks of a loop: the commands of a tick leave together."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._pending: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what carries the commands."""
        self._loop = asyncio.get_running_loop()
        self._transport: Any = transport

    def ask(self, command: bytes) -> asyncio.Future[Any]:
        """Return what will be the reply."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(command)
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def data_received(self, data: bytes) -> None:
        """Give each reply to who waits for it."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._pending))
        self._pending.clear()


class Floor(Stores):
    """Stores whose reads are a bare HGETALL. Nothing else can be asked of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._reader = hiredis.Reader()
        self._wire: Wire | None = None  # 50 tasks ask for it at once: the check has connected it

    def check(self) -> dict[str, str]:
        """See that both halves get what ours has stored."""
        ((key,), run) = self._session_keys(LOGGED_IN, 1), self._operation("read")
        run.run(self._begin(key))
        self.runner.run(run.arun(self._begin(key)))
        return {}

    def _operation(self, name: str) -> Operation:
        assert name == "read", name
        return Operation(self._read, self._aread, LOGGED_IN)

    def _begin(self, key: str | None) -> Any:
        return key

    def _session_keys(self, holds: dict[str, Any] | None, number: int) -> list[str | None]:
        super()._session_keys(holds, number)
        return [key.decode() for key in self.client.scan_iter("session:{*}", count=1000)]

    def _read(self, key: Any) -> None:
        self._socket.send(hiredis.pack_command(("HGETALL", key)))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(_CHUNK))
        assert len(reply) >= _FIELDS, reply

    async def _aread(self, key: Any) -> None:
        if self._wire is None:
            self._wire = await self._connect()
        reply = await self._wire.ask(hiredis.pack_command(("HGETALL", key)))
        assert len(reply) >= _FIELDS, reply

    @cached_property
    def _there(self) -> tuple[str, int, bytes]:
        there = urlsplit(self.url)
        select = hiredis.pack_command(("SELECT", there.path[1:]))
        return there.hostname or "", there.port or 0, select

    @cached_property
    def _socket(self) -> socket.socket:
        host, port, select = self._there
        made = self.stack.enter_context(socket.create_connection((host, port)))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.sendall(select)
        assert made.recv(_CHUNK) == _OK
        return made

    async def _connect(self) -> Wire:
        host, port, select = self._there
        transport, wire = await asyncio.get_running_loop().create_connection(Wire, host, port)
        self.stack.callback(transport.abort)
        assert await wire.ask(select) == b"OK"
        return wire
