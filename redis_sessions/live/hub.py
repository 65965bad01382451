"""The hub: one object per event loop that hears of changes to live sessions and reads them anew.

What a message says is only a hint: the record decides. So a lost message costs time, never truth.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from .. import executors, operations
from ..conf import config
from ..exceptions import SessionStoreUnavailable
from ..listeners import Listener

if TYPE_CHECKING:
    from .socket import LiveSession

logger = logging.getLogger("redis_sessions")

_BATCH = 100  # records a round trip
_PACE = 0.005  # seconds between two reads: what comes thick and fast is read together
_PAUSE = 1.0  # seconds between tries to read while the server is away

_hubs: dict[asyncio.AbstractEventLoop, "Hub"] = {}


class Hub:
    """The live sessions of one event loop, by id."""

    def __init__(self) -> None:
        self._alias = config().alias
        self._sockets: dict[str, set[LiveSession]] = {}
        self._hints: dict[str, str] = {}  # id -> what the last message said, to be read
        self._reading: set[str] = set()
        self._wake = asyncio.Event()
        self._refreshed = asyncio.Event()
        self._listener = Listener(self._alias, self._heard, self._resumed)
        self._tasks = [asyncio.ensure_future(work) for work in (self._refresh(), self._patrol())]

    async def join(self, live: "LiveSession", session_id: str) -> None:
        """Listen to a session on behalf of a socket; what is read afterwards misses nothing.

        Raises SessionStoreUnavailable.
        """
        self._sockets.setdefault(session_id, set()).add(live)
        try:
            await self._listener.subscribe(operations.channel(session_id))
        except BaseException:
            await self.leave(live, session_id)
            raise

    async def leave(self, live: "LiveSession", session_id: str) -> None:
        """Stop listening on behalf of a socket; the last one takes the hub with it."""
        sockets = self._sockets.get(session_id, set())
        sockets.discard(live)
        if not sockets and self._sockets.pop(session_id, None) is not None:
            self._hints.pop(session_id, None)
            self._listener.unsubscribe(operations.channel(session_id))
        if not self._sockets:
            await self._stop()

    def look(self, session_id: str, hint: str = "") -> None:
        """Have a session read anew."""
        if session_id in self._sockets:
            self._hints[session_id] = hint or self._hints.get(session_id, "")
            self._wake.set()

    async def settled(self, session_id: str) -> None:
        """Wait until nothing that was heard of a session is still to be read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):  # a server that is away holds nobody up
                while session_id in self._hints or session_id in self._reading:
                    self._refreshed.clear()
                    await self._refreshed.wait()

    async def _stop(self) -> None:
        _hubs.pop(asyncio.get_running_loop(), None)
        for task in self._tasks:
            task.cancel()
        await self._listener.stop()

    def _heard(self, channel: str, payload: bytes) -> None:
        session_id = channel[channel.index("{") + 1 : -1]
        hint, _, writer = payload.decode("ascii", "replace").partition(" ")
        sockets = self._sockets.get(session_id, ())
        if any(live.session.writer != writer for live in sockets):
            self.look(session_id, hint)

    def _resumed(self) -> None:
        for session_id in self._sockets:
            self.look(session_id)

    async def _patrol(self) -> None:
        """Read everything anew now and then: this bounds what a lost message can do."""
        while True:
            await asyncio.sleep(config().REVALIDATE)
            self._resumed()

    async def _refresh(self) -> None:
        """Read what is to be read, in batches: many changes of a session are one read."""
        while True:
            await self._wake.wait()
            while self._hints:
                hints = dict(list(self._hints.items())[:_BATCH])
                for session_id in hints:
                    del self._hints[session_id]
                await self._read(hints)
                await asyncio.sleep(_PACE)
            self._wake.clear()

    async def _read(self, hints: dict[str, str]) -> None:
        self._reading = set(hints)
        try:
            batch = [operations.peek(session_id) for session_id in hints]
            records = await executors.arun(self._alias, *batch)
        except SessionStoreUnavailable as error:
            logger.warning("%d live sessions wait to be read: %s", len(hints), error)
            self._hints = hints | self._hints
            await asyncio.sleep(_PAUSE)
        else:
            for (session_id, hint), record in zip(hints.items(), records, strict=True):
                for live in list(self._sockets.get(session_id, ())):
                    live.take(record, hint)
        finally:
            self._reading = set()
            self._refreshed.set()


def hub() -> Hub:
    """Return the hub of the running event loop; the first socket starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for closed in [other for other in _hubs if other.is_closed()]:
            del _hubs[closed]
        _hubs[loop] = Hub()
    return _hubs[loop]
