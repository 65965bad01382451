"""Real uvicorn in the loop of the test, and a client that does as it likes with its connection."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
import redis
import uvicorn

from redis_sessions.live import LiveSessionMiddlewareStack
from redis_sessions.live.hub import _hubs
from tests.live.test_hub_faults import listeners
from tests.live.visitors import BOUND, Visitor, until

TEXT, CLOSE = 0x81, 0x88  # the first bytes of frames


@pytest.fixture
async def nobody_listens_afterwards(redis_client: redis.Redis) -> AsyncIterator[None]:
    yield
    await until(lambda: not listeners(redis_client))
    assert redis_client.pubsub_channels("session:*}") == []
    assert asyncio.get_running_loop() not in _hubs


def lives(visitor: Visitor) -> list[Any]:
    """Return the live sessions of the visitor's sockets in this process."""
    hub = _hubs[asyncio.get_running_loop()]
    return list(hub._sockets[(visitor.session_key or "")[:14]])


@asynccontextmanager
async def serving(consumer: Any, **options: Any) -> AsyncIterator[uvicorn.Server]:
    """Serve a consumer at a free port, and stop as an init system has it."""
    application = LiveSessionMiddlewareStack(consumer.as_asgi())
    options = {"port": 0, "lifespan": "off", "log_config": None} | options
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", **options))
    running = asyncio.ensure_future(server._serve())  # serve() takes the signals of the process
    try:
        await until(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        async with asyncio.timeout(BOUND):
            await running


class Wire:
    """A client's end of a connection; nothing is read that is not asked for."""

    def __init__(self, server: uvicorn.Server, visitor: Visitor) -> None:
        self._address = server.servers[0].sockets[0].getsockname()
        self._cookie = b"; ".join(value for _, value in visitor.cookie_headers())
        self._loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def __aenter__(self) -> Self:
        await self._loop.sock_connect(self.socket, self._address)
        lines = [
            b"GET / HTTP/1.1",
            b"Host: localhost",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
            b"Sec-WebSocket-Version: 13",
            b"Cookie: " + self._cookie,
        ]
        await self._loop.sock_sendall(self.socket, b"\r\n".join(lines) + b"\r\n\r\n")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.socket.close()

    async def tell(self, do: str, **arguments: Any) -> None:
        payload = json.dumps({"do": do, **arguments}).encode()
        assert len(payload) < 126
        await self._loop.sock_sendall(
            self.socket, bytes([TEXT, 0x80 | len(payload), 0, 0, 0, 0]) + payload
        )

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(BOUND):
            return await self._loop.sock_recv(self.socket, size)

    async def read_all(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            found += (chunk := await self.read(min(size - len(found), 1 << 16)))
            assert chunk, "closed"
        return bytes(found)

    def break_off(self) -> None:
        """Close so that the server is sent a reset, and can send nothing more."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def closed(self) -> int:
        """Return the code of the frame that comes next, which closes."""
        first, size = await self.read(1), await self.read(1)
        assert first[0] == CLOSE
        return int.from_bytes((await self.read_all(size[0]))[:2])

    async def head(self) -> bytes:
        """Return what answers the handshake."""
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            found += (byte := await self.read(1))
            if not byte:
                break
        return found
