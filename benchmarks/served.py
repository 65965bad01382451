"""The measurements of requests and frames to a server: a process that serves, on a core of its own.

The client is this process, on the core of Redis.
"""

import asyncio
from statistics import median, quantiles
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from . import cores
from .engines import BARE
from .load import load
from .pageviews import Answer, Pageviews
from .sites import Sites

CONNECTIONS = 32
SOCKETS = 16
_PATIENCE = 120  # seconds


class Served(Pageviews):
    """Requests in this process, and to servers."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sites: dict[str, Sites] = {}

    def serve(self, server: str, name: str, count: int) -> dict[str, float]:
        """Ask for a page ``count`` times; return requests a second, and milliseconds of one."""
        port, keys = self._port(server), self.keys_for(name, count)
        path = "plain" if self.engine == BARE.name else name
        asked = [_request(path, key) for key in keys]
        cores.keep_to(cores.SERVER)
        took, seconds, last = self.runner.run(load(port, asked, CONNECTIONS))
        self.assert_done(name, keys, _answer(last))
        hundredths = quantiles(seconds, n=100, method="inclusive")
        return {
            "rate": count / took,
            "p50": median(seconds) * 1e3,
            "p99": hundredths[-1] * 1e3,
        }

    def serve_frames(self, server: str, name: str, count: int) -> dict[str, float]:
        """Have frames answered over sockets to a server; return frames a second."""
        port, keys = self._port(server), self.keys_for("write", SOCKETS)
        frames = max(1, count // SOCKETS)
        cores.keep_to(cores.SERVER)
        took = self.runner.run(self._talk(port, keys, name, frames))
        return {"rate": SOCKETS * frames / took}

    def _port(self, server: str) -> int:
        """Return the port of a site that stays for the whole run."""
        if server not in self._sites:
            with cores.started_on(cores.CLIENT["sync"]):
                sites = self.stack.enter_context(Sites(self.engine, self.url, server))
            self._sites[server] = sites
        return self._sites[server].ports[0]

    async def _talk(self, port: int, keys: list[str], name: str, frames: int) -> float:
        """Return the seconds that all frames took."""
        loop = asyncio.get_running_loop()
        clients = [await _connect(port, key) for key in keys]
        begin = loop.time()
        async with asyncio.timeout(_PATIENCE):
            answers = await asyncio.gather(*(_ask(each, name, frames) for each in clients))
        took = loop.time() - begin
        assert set(answers) == {name if self.engine == BARE.name else str(frames)}, answers
        await asyncio.gather(*(client.close() for client in clients))
        return took


async def _connect(port: int, key: str) -> ClientConnection:
    headers = {"Cookie": f"sessionid={key}"}
    url = f"ws://127.0.0.1:{port}/"
    return await connect(url, additional_headers=headers, compression=None, proxy=None)


async def _ask(client: ClientConnection, text: str, frames: int) -> str | bytes:
    for _ in range(frames):
        await client.send(text)
        answer = await client.recv()
    return answer


def _request(path: str, key: str) -> bytes:
    cookie = f"Cookie: sessionid={key}\r\n" if key else ""
    return f"GET /{path}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n".encode()


def _answer(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    headers = {name.lower(): value.strip() for name, _, value in lines}
    return Answer(headers.get(b"set-cookie", b"").decode(), body)
