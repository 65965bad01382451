"""A cheap HTTP client: connections that stay open, each with one request on its way at a time."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
_PATIENCE = 120  # seconds, for all answers


class Client(asyncio.Protocol):
    """One connection. It takes requests as long as there are any, and notes how long each took."""

    def __init__(self, requests: Iterator[bytes], seconds: list[float]) -> None:
        self._requests = requests
        self._seconds = seconds
        self._got = b""
        self.last = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what carries the requests."""
        self._transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))

    def ask(self) -> None:
        """Send the next request."""
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            return
        self._begin = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer."""
        self._got += data
        head, end, body = self._got.partition(_END)
        length = _LENGTH.search(head + b"\r\n") if end else None
        if length is None or len(body) < int(length[1]):
            return
        self._seconds.append(time.perf_counter() - self._begin)
        self.last, self._got = self._got, b""
        if self.last.startswith(b"HTTP/1.1 200 "):
            self.ask()
        elif not self.done.done():
            self.done.set_exception(AssertionError(self.last))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def load(
    port: int, requests: Sequence[bytes], connections: int
) -> tuple[float, list[float], bytes]:
    """Return the seconds for all, those of each request, and the last answer to anyone."""
    loop, left = asyncio.get_running_loop(), iter(requests)
    seconds: list[float] = []
    clients = [
        (await loop.create_connection(lambda: Client(left, seconds), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    begin = time.perf_counter()
    try:
        for client in clients:
            client.ask()
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(client.done for client in clients))
        took = time.perf_counter() - begin
    finally:
        for client in clients:
            client.close()
    assert len(seconds) == len(requests)
    return took, seconds, next(client.last for client in clients if client.last)
