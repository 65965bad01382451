"""From a logout by HTTP to the close at a client: two processes serve, this one is the client.

The first of them is asked by HTTP, the second has the sockets.
"""

import asyncio
import time
from collections.abc import Callable
from statistics import median, quantiles

from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .sites import Sites

_PATIENCE = 3  # seconds without a close: there will be none
_WARM = 5  # logouts


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
