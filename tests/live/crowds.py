"""Crowds of sockets in one event loop, and what can be counted of them."""

import asyncio
import contextlib
import gc
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

from redis_sessions.live import LiveSessionMiddlewareStack, SessionEventsMixin
from redis_sessions.live.hub import hub
from redis_sessions.session import SessionStore
from tests.consumers import Told
from tests.live.visitors import BOUND, Socket

GROUP = 50  # that come or go at once
TICK = 0.01  # seconds


class Counting(SessionEventsMixin, Told):
    """Counts what it is told."""

    told = 0

    async def session_changed(self, event: Any) -> None:
        self.told += 1

    async def session_ended(self, event: Any) -> None:
        pass

    async def how_often(self) -> None:
        await self.send_json(self.told)


async def in_groups(work: Iterable[Awaitable[Any]]) -> list[Any]:
    """Await all of it, some at a time; return the results."""
    waiting, results = list(work), []
    while waiting:
        results += await asyncio.gather(*waiting[:GROUP])
        del waiting[:GROUP]
    return results


async def stored_sessions(number: int) -> list[str]:
    """Store as many sessions as that, {"name": "Ada"} each; return their keys."""

    async def begin() -> str:
        session = SessionStore()
        await session.aset("name", "Ada")
        await session.asave()
        return session.session_key or ""

    return await in_groups(begin() for _ in range(number))


async def change(key: str, name: str) -> None:
    """Change a session elsewhere."""
    session = SessionStore(key)
    await session.aset("name", name)
    await session.asave()


class Crowd:
    """A socket for each of the session keys, open inside ``async with``."""

    def __init__(self, keys: Sequence[str], consumer: Any = Counting) -> None:
        application = LiveSessionMiddlewareStack(consumer.as_asgi())
        cookies = [[(b"cookie", f"sessionid={key}".encode())] for key in keys]
        self.sockets = [Socket(application, "/", cookie) for cookie in cookies]

    async def __aenter__(self) -> Self:
        await in_groups(socket.__aenter__() for socket in self.sockets)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        await in_groups(socket.__aexit__(kind, *error) for socket in self.sockets)

    async def ask(self, do: str) -> list[Any]:
        """Return what each of them answers."""
        return await in_groups(socket.ask(do) for socket in self.sockets)

    async def see(self, name: str) -> None:
        """Wait until all of them do."""
        async with asyncio.timeout(12 * BOUND):
            while {found["name"] for found in await self.ask("get")} != {name}:
                pass


@dataclass
class Load:
    """What a process holds."""

    blocks: int  # of memory
    resident: int  # bytes
    tasks: int
    messages: int  # that wait for a consumer

    @classmethod
    def now(cls) -> "Load":
        """Tell it of this process; a hub has to be there."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sockets = chain.from_iterable(hub()._sockets.values())
        return cls(
            sys.getallocatedblocks(),
            pages * resource.getpagesize(),
            len(asyncio.all_tasks()),
            sum(len(live._inbox._messages or ()) for live in sockets),
        )

    def __sub__(self, former: "Load") -> "Load":
        pairs = zip(astuple(self), astuple(former), strict=True)
        return Load(*(now - then for now, then in pairs))


@dataclass
class Pulse:
    """How an event loop goes on: its longest stall in seconds, the frames answered meanwhile."""

    stall: float = 0.0
    answered: int = 0
    is_over: bool = False

    async def tick(self) -> None:
        while not self.is_over:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            self.stall = max(self.stall, time.monotonic() - before - TICK)

    async def ask(self, socket: Socket) -> None:
        while not self.is_over:
            await socket.ask("how_often")
            self.answered += 1
            await asyncio.sleep(TICK)


@contextlib.asynccontextmanager
async def pulse(socket: Socket) -> AsyncIterator[Pulse]:
    """Feel it, and ask a socket again and again."""
    felt = Pulse()
    feeling = asyncio.gather(felt.tick(), felt.ask(socket))
    try:
        yield felt
    finally:
        felt.is_over = True
        await feeling
