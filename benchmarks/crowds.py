"""The measurements of many open sockets: memory of each, and what one costs among the others."""

import asyncio
import gc
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.test import override_settings

from .consumers import application
from .engines import BARE
from .live import Sockets, at_once, resident_bytes, talk
from .operations import KEY
from .sockets import Socket

MORE = 200  # sockets on top, whose memory is measured: the first ones fill what was free anyway
AT_ONCE = 50
CHANGES = 20
_ARRIVES = 0.02  # seconds, in which news of a change mostly come
_PATIENCE = 10  # seconds
_NEVER = 86_400  # seconds: not while this measures


class Crowds(Sockets):
    """Sockets, many of them, each with a session of its own."""

    def crowd(self, opened: int, count: int) -> dict[str, float | None]:
        """Open sockets; return what a frame that writes costs, a change elsewhere, and one more.

        Not while ours reads all live sessions anew, as it does now and then: that would be chance.
        """
        with override_settings(REDIS_SESSIONS={"REVALIDATE": _NEVER}):
            return self._run(self._crowd, opened, count)

    async def _crowd(self, opened: int, count: int) -> dict[str, float | None]:
        every = await self._sockets(opened + MORE, application(self.engine))
        sockets, more = every[:opened], every[opened:]
        await at_once(AT_ONCE, (socket.open for socket in sockets))
        gc.collect()  # so many new objects call for it: in the frames below, it would be chance
        answer = {
            "frame": await self._written(sockets[:AT_ONCE], count),
            "change": await self._changed(sockets[-CHANGES:]),
            "resident": await self._grown(more),
        }
        await at_once(AT_ONCE, (socket.close for socket in every))
        return answer

    async def _grown(self, sockets: list[Socket]) -> float:
        """Return by how many bytes this process grows for each socket that is opened."""
        gc.collect()
        before = resident_bytes()
        await at_once(AT_ONCE, (socket.open for socket in sockets))
        gc.collect()
        return (resident_bytes() - before) / len(sockets)

    async def _written(self, sockets: list[Socket], count: int) -> float:
        frames = max(1, count // len(sockets))
        spent = self.clocks.start()
        await asyncio.gather(*(talk(socket, "write", frames) for socket in sockets))
        return spent(frames * len(sockets))["cpu"]

    async def _changed(self, sockets: list[Socket]) -> float | None:
        """Return what a session's change elsewhere costs, with the frame that reads it.

        What the change itself costs is taken off.
        """
        if self.engine == BARE.name:
            return None
        spent, elsewhere = self.clocks.start(), 0.0
        for number, socket in enumerate(sockets, start=1_000_000):
            elsewhere += await self._change(socket.session_key, number)
            await asyncio.sleep(_ARRIVES)
            await self._sees(socket, str(number))
        return spent(len(sockets))["cpu"] - elsewhere * 1e6 / len(sockets)

    @sync_to_async
    def _change(self, session_key: str, number: int) -> float:
        """Write to a session; return the seconds of CPU of this thread."""
        begin = time.thread_time()
        session: Any = self.SessionStore(session_key)
        session[KEY] = number
        session.save()
        return time.thread_time() - begin

    async def _sees(self, socket: Socket, text: str) -> None:
        async with asyncio.timeout(_PATIENCE):
            while await socket.ask("anew_read") != text:
                pass
