"""What a browser does: one request, or one socket, to one process. No verdicts."""

import asyncio
import json
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PATIENCE = 30.0  # seconds, far beyond what any answer may take
LOST = (OSError, EOFError, ConnectionClosed, InvalidHandshake, asyncio.IncompleteReadError)


@dataclass(frozen=True)
class Answer:
    """What came back. ``status`` is 0 where the connection was lost before the answer was whole."""

    status: int
    body: Any = None
    cookie: str | None = None  # the session's new key, "" where the cookie is to be deleted


async def ask(port: int, path: str, cookie: str, **arguments: Any) -> Answer:
    """Ask for a page. Raises TimeoutError where no answer comes."""
    async with asyncio.timeout(PATIENCE):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return Answer(0)
        try:
            writer.write(_request(path, cookie, json.dumps(arguments).encode()))
            return _answer(await reader.read())
        except LOST:
            return Answer(0)
        finally:
            writer.close()


def _request(path: str, cookie: str, body: bytes) -> bytes:
    lines = (
        f"POST /{path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"Cookie: sessionid={cookie}"] if cookie else []),
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


def _answer(received: bytes) -> Answer:
    head, is_whole, body = received.partition(b"\r\n\r\n")
    if not is_whole:
        return Answer(0)
    first, *lines = head.decode().split("\r\n")
    fields = [line.partition(":") for line in lines]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    status = int(first.split()[1])
    if status == 200 and len(body) != int(headers["content-length"]):
        return Answer(0)
    told = json.loads(body) if status == 200 else body.decode()
    cookies = [value for name, _, value in fields if name.lower() == "set-cookie"]
    return Answer(status, told, _cookie(cookies))


def _cookie(headers: list[str]) -> str | None:
    for header in headers:
        morsel = SimpleCookie(header).get("sessionid")
        if morsel is not None:
            return "" if morsel["max-age"] == "0" else morsel.value
    return None


class Socket:
    """A socket, open inside ``async with``; ``code`` is that of its close."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self._connecting = connect(
            f"ws://127.0.0.1:{port}/{path}",
            additional_headers={"Cookie": f"sessionid={cookie}"} if cookie else {},
            proxy=None,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE,
        )
        self._client: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._client = await self._connecting
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()

    @property
    def code(self) -> int | None:
        return self._client and self._client.close_code

    async def ask(self, **values: Any) -> Any:
        """Send a frame and return the answer. Raises one of LOST, TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            await self._client.send(json.dumps(values))
            return json.loads(await self._client.recv())
