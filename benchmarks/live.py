"""The measurements of sockets: connects, frames, memory, and what a consumer gets to see."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async

from . import cores
from .clocks import Spent
from .consumers import application
from .engines import BARE
from .logout import logouts
from .operations import KEY
from .sites import Sites
from .sockets import Socket
from .stores import Stores
from .visitor import make_user, session_of

WARM = 50  # sockets that open and close before memory is measured
_ARRIVES = 0.2  # seconds in which news of a change have long come

Call = Callable[[], Awaitable[Any]]


class Sockets(Stores):
    """Stores, and the sockets of the same engine."""

    @cached_property
    def _holds(self) -> dict[str, Any]:
        return session_of(make_user())

    def connect(self, user: bool, tasks: int, count: int) -> Spent:
        """Open ``count`` sockets, ``tasks`` at once; return what each took."""
        return self._run(self._connect, application(self.engine, user=user), tasks, count)

    def frame(self, name: str, tasks: int, count: int) -> Spent:
        """Have ``count`` frames answered, over ``tasks`` sockets at once; return what each took."""
        return self._run(self._frames, name, tasks, count)

    def resident(self, count: int) -> dict[str, float]:
        """Return by how many bytes this process grows for each of ``count`` open sockets."""
        return self._run(self._resident, count)

    def promise(self, name: str) -> dict[str, bool]:
        """Tell whether an open socket and what is written elsewhere go together."""
        return {"holds": self._run(getattr(self, f"_{name}"))}

    def logout(self, count: int) -> dict[str, float | None]:
        """Return how long a logout takes to close a socket in another process."""
        with Sites(self.engine, self.url, "uvicorn", "uvicorn") as sites:
            return self._run(logouts, sites, lambda: self._stored(self._holds), count)

    def _run(self, measure: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        self.client.flushdb()
        cores.keep_to(cores.CLIENT["async"])
        return self.runner.run(measure(*args))

    async def _sockets(self, number: int, application: Any) -> list[Socket]:
        """Return sockets, each with a session of its own, and leave no rubbish."""
        stored = sync_to_async(lambda: [self._stored(self._holds) for _ in range(number)])
        sockets = [Socket(application, key) for key in await stored()]
        gc.collect()
        return sockets

    async def _connect(self, application: Any, tasks: int, count: int) -> Spent:
        first, *others = sockets = await self._sockets(count + 1, application)
        await first.open()  # what all sockets share is there already
        spent = self.clocks.start()
        await at_once(tasks, (socket.open for socket in others))
        took = spent(count)
        await self._end(sockets)
        return took

    async def _end(self, sockets: Sequence[Socket]) -> None:
        """Close sockets; each must have been open until now."""

        async def end(socket: Socket) -> None:
            assert await socket.ask("read") == ("read" if self.engine == BARE.name else "0")
            await socket.close()

        await at_once(WARM, (partial(end, socket) for socket in sockets))

    async def _frames(self, name: str, tasks: int, count: int) -> Spent:
        frames = max(1, count // tasks)
        sockets = await self._sockets(tasks, application(self.engine))
        await at_once(tasks, (socket.open for socket in sockets))
        spent = self.clocks.start()
        answers = await asyncio.gather(*(talk(each, name, frames) for each in sockets))
        took = spent(frames * tasks)
        visits = str(frames if name.endswith("write") else 0)
        assert set(answers) == {name if self.engine == BARE.name else visits}, answers
        await at_once(tasks, (socket.close for socket in sockets))
        stored = await self._stored_in(sockets[0].session_key)
        assert self.engine == BARE.name or str(stored[KEY]) == visits, stored
        return took

    async def _resident(self, count: int) -> dict[str, float]:
        behind = application(self.engine)
        for number in (WARM, count):
            sockets = await self._sockets(number, behind)
            before = resident_bytes()
            await at_once(WARM, (socket.open for socket in sockets))
            gc.collect()
            grown = resident_bytes() - before
            await self._end(sockets)
        return {"resident": grown / count}

    async def _seen(self) -> bool:
        """Whether the next frame reads what was written elsewhere."""
        async with self._open_one() as socket:
            await self._write_elsewhere(socket.session_key, **{KEY: 100})
            return await socket.ask("read") == "100"

    async def _kept(self) -> bool:
        """Whether what was written elsewhere outlives a frame that writes."""
        async with self._open_one() as socket:
            await self._write_elsewhere(socket.session_key, name="Grace")
            await socket.ask("write")
            return "name" in await self._stored_in(socket.session_key)

    @asynccontextmanager
    async def _open_one(self) -> AsyncIterator[Socket]:
        (socket,) = await self._sockets(1, application(self.engine))
        await socket.open()
        yield socket
        await socket.close()

    @sync_to_async
    def _stored_in(self, session_key: str) -> dict[str, Any]:
        return dict(self.SessionStore(session_key).items())

    @sync_to_async
    def _write_elsewhere(self, session_key: str, **values: Any) -> None:
        session = self.SessionStore(session_key)
        session.update(values)
        session.save()
        time.sleep(_ARRIVES)


async def at_once(tasks: int, calls: Iterable[Call]) -> None:
    shared = iter(calls)

    async def work() -> None:
        for call in shared:
            await call()

    await asyncio.gather(*(work() for _ in range(tasks)))


async def talk(socket: Socket, text: str, frames: int) -> str:
    for _ in range(frames):
        answer = await socket.ask(text)
    return answer


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
