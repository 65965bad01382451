"""From a logout by HTTP to the close at a client: two processes serve, this one is the client."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
_STARTS = 60  # seconds, for a process to start or to end on a busy machine
_PATIENCE = 3  # seconds without a close: there will be none
_WARM = 5  # logouts


class Sites:
    """The site of an engine in two processes that share the sessions, and nothing else.

    The first port is for HTTP, the second for sockets.
    """

    def __init__(self, engine: str, url: str) -> None:
        self.ports = free_port(), free_port()
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.site", engine, url, str(port)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,  # that of this process is for answers
            )
            for port in self.ports
        ]

    def __enter__(self) -> "Sites":
        deadline = time.monotonic() + _STARTS
        while not all(_answers(port) for port in self.ports):
            if time.monotonic() > deadline or any(each.poll() for each in self._processes):
                self.__exit__()
                raise RuntimeError("the site did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(_STARTS)


async def logouts(sites: Sites, log_in: Callable[[], str], count: int) -> dict[str, float | None]:
    """Return milliseconds from the request of a logout: to its answer, and to the socket's close.

    None stands for a socket that stays open. The first logout shows whether it does; it and some
    more are not counted.
    """
    patience, taken = _PATIENCE, []
    for _ in range(_WARM + count):
        taken.append(await _logout(sites.ports, await sync_to_async(log_in)(), patience))
        patience = 0 if taken[0]["close"] is None else _PATIENCE
    answers, closes = ([each[what] for each in taken[_WARM:]] for what in ("answer", "close"))
    if None in closes:
        return {"answer": median(answers), "close": None, "close99": None}
    last = quantiles(closes, n=100, method="inclusive")[-1]
    return {"answer": median(answers), "close": median(closes), "close99": last}


async def _logout(
    ports: tuple[int, int], session_key: str, patience: float
) -> dict[str, float | None]:
    cookie = f"sessionid={session_key}"
    url, headers = f"ws://127.0.0.1:{ports[1]}/", {"Cookie": cookie}
    async with connect(url, additional_headers=headers, proxy=None) as client:
        await client.send("read")
        assert await client.recv() == "0"  # the session's visits: it is logged in
        closed = asyncio.ensure_future(_closed(client))
        begin = time.perf_counter()
        answered = await _post(ports[0], "/logout/", cookie)
        await asyncio.wait([closed], timeout=patience)
        close = (closed.result() - begin) * 1e3 if closed.done() else None
        closed.cancel()
    return {"answer": (answered - begin) * 1e3, "close": close}


async def _closed(client: ClientConnection) -> float:
    try:
        await client.recv()
    except ConnectionClosed:
        return time.perf_counter()
    raise AssertionError("nothing else was to come")


async def _post(port: int, path: str, cookie: str) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: {cookie}"
    writer.write("\r\n".join((*head, "Content-Length: 0", "Connection: close", "", "")).encode())
    status = await reader.readline()
    answered = time.perf_counter()
    assert status.split()[1] == b"204", status
    writer.close()
    return answered


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
