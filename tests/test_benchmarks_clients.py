"""What the benchmarks ask with: requests, sockets, large sessions."""

import asyncio
import json
import pickle
from typing import Any

import pytest

from benchmarks.load import load
from benchmarks.operations import large
from benchmarks.rows import SIZES
from benchmarks.sockets import Socket


@pytest.mark.parametrize("size", SIZES)
def test_a_large_value_is_as_large_for_every_serializer(size: int) -> None:
    held = large(size)
    for dumped in (json.dumps(held), pickle.dumps(held)):
        assert 0.7 < len(dumped) / (size * 1024) < 1.2


async def test_a_page_that_fails_ends_the_load_with_what_came_back() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(AssertionError, match="500 Oh"):
            await load(port, [b"GET / HTTP/1.1\r\n\r\n"], 1)


async def test_the_load_asks_for_all_over_few_connections() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(100):
            asked.append(request)
            for part in (b"HTTP/1.1 200 OK\r\ncontent-len", b"gth: 4\r\n\r\nfi", b"ne"):
                writer.write(part)
                await asyncio.sleep(0.001)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        requests = [f"GET /{number} HTTP/1.1\r\n\r\n".encode() for number in range(10)]
        took, seconds, last = await load(port, requests, 3)
    assert sorted(asked) == sorted(requests)
    assert len(seconds) == 10
    assert 0 < max(seconds) <= took
    assert last.endswith(b"\r\n\r\nfine")


async def test_a_socket_raises_what_its_application_raises() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        await receive()
        raise LookupError("the consumer's")

    socket = Socket(application, "key")
    await socket.open()
    with pytest.raises(LookupError, match="the consumer's"):
        await socket.ask("read")


async def test_a_socket_that_is_refused_is_an_error() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    with pytest.raises(AssertionError, match=r"websocket\.close"):
        await Socket(application, "key").open()
