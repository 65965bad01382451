"""The hub: one object per event loop that hears of changes to live sessions and reads them anew.

What a message says is only a hint: the record decides. So a lost message costs time, never truth.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .. import connections, executors, operations
from ..commands import Command, records
from ..conf import config
from ..exceptions import SessionStoreUnavailable
from ..listeners import end
from ..record import Record, Unreadable
from ..shards import listener
from .codes import CloseCode

if TYPE_CHECKING:
    from .socket import LiveSession

logger = logging.getLogger("redis_sessions")

_BATCH = 100  # records a round trip
_SLICE = 50  # sockets that are told before the loop turns: each may wake a consumer
_PACE = 0.005  # seconds between two reads: what comes thick and fast is read together
_PAUSE = 0.5  # seconds between tries to read while the server is away

_SAVED = "saved"  # what a message says that tells nothing of an end


class _Hint:
    """A session that is to be read anew: why, if that was said, and when it was."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.done = asyncio.Event()


_News = tuple[Record | Unreadable | None, str]  # what was read, and why

_hubs: dict[asyncio.AbstractEventLoop, "Hub"] = {}


class Hub:
    """The live sessions of one event loop, by id."""

    def __init__(self) -> None:
        self._alias = config().alias
        self._sockets: dict[str, set[LiveSession]] = {}
        self._hints: dict[str, _Hint] = {}  # by id: what is to be read
        self._reading: dict[str, _Hint] = {}
        self._news: dict[str, _News] = {}  # what was read, and not all sockets were told yet
        self._told = 0
        self._waits = self._has_told = False  # for a server that is away; that it is logged
        self._wake, self._arrival = asyncio.Event(), asyncio.Event()
        self._listener = listener(self._alias, self._heard, self._resumed)
        works = (self._refresh, self._pass_on, self._patrol)
        self._tasks = [asyncio.ensure_future(_again_and_again(work)) for work in works]
        self._ending: asyncio.Task[None] | None = None

    async def join(self, live: "LiveSession", session_id: str) -> None:
        """Listen to a session on behalf of a socket; what is read afterwards misses nothing.

        Raises SessionStoreUnavailable.
        """
        sockets = self._sockets.setdefault(session_id, set())
        before = len(sockets)
        sockets.add(live)
        self._tally(session_id, before, len(sockets))
        try:
            await self._listener.subscribe(operations.channel(session_id))
        except BaseException:
            await self.leave(live, session_id)
            raise

    async def leave(self, live: "LiveSession", session_id: str) -> None:
        """Stop listening on behalf of a socket; the last one takes the hub with it."""
        sockets = self._sockets.get(session_id, set())
        before = len(sockets)
        sockets.discard(live)
        self._tally(session_id, before, len(sockets))
        if not sockets and self._sockets.pop(session_id, None) is not None:
            if session_id in self._hints:
                self._hints.pop(session_id).done.set()
            self._news.pop(session_id, None)
            self._listener.unsubscribe(operations.channel(session_id))
        if not self._sockets:
            await self._stop()

    def _tally(self, session_id: str, before: int, after: int) -> None:
        """Have the server know how many sockets there are: see operations.tallies()."""
        had, has = operations.tallies(session_id, before), operations.tallies(session_id, after)
        for channel in has - had:
            self._listener.add(channel)
        for channel in had - has:
            self._listener.unsubscribe(channel)

    def look(self, session_id: str, reason: str = "") -> None:
        """Have a session read anew."""
        if session_id in self._sockets:
            hint = self._hints.setdefault(session_id, _Hint(reason))
            hint.reason = reason or hint.reason
            self._wake.set()

    async def settle(self, live: "LiveSession", session_id: str) -> None:
        """Wait until all that was heard of a session before was read, and tell this socket."""
        hint = self._hints.get(session_id) or self._reading.get(session_id)
        if hint is not None and not self._waits:
            with contextlib.suppress(TimeoutError):  # a server that is away holds nobody up
                await asyncio.wait_for(hint.done.wait(), _PAUSE)
        self._give(live, session_id)

    async def _stop(self) -> None:
        """End for good, also where who waits for it is cancelled."""
        if self._ending is None:
            _hubs.pop(asyncio.get_running_loop(), None)
            self._ending = asyncio.ensure_future(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        for task in self._tasks:
            await end(task)
        await self._listener.stop()

    def _heard(self, channel: str, payload: bytes) -> None:
        session_id = records.session_id(channel)
        word, _, writer = payload.decode("ascii", "replace").partition(" ")
        sockets = self._sockets.get(session_id, ())
        if any(live.session.writer != writer for live in sockets):
            self.look(session_id, "" if word == _SAVED else word)

    def _resumed(self) -> None:
        for session_id in self._sockets:
            self.look(session_id)

    async def _patrol(self) -> None:
        """Read everything anew now and then: this bounds what a lost message can do."""
        await asyncio.sleep(config().REVALIDATE)
        self._resumed()

    async def _refresh(self) -> None:
        """Read what is to be read, in batches: many changes of a session are one read."""
        await self._wake.wait()
        while self._hints:
            hints = dict(list(self._hints.items())[:_BATCH])
            for session_id in hints:
                del self._hints[session_id]
            await self._read(hints)
            await asyncio.sleep(_PACE)
        self._wake.clear()

    async def _read(self, hints: dict[str, _Hint]) -> None:
        self._reading, failed = hints, {}
        try:
            found = await self._peek([operations.peek(session_id) for session_id in hints])
            for (session_id, hint), record in zip(hints.items(), found, strict=True):
                if isinstance(record, SessionStoreUnavailable):
                    failed[session_id] = hint
                    self._tell_once(record)
                else:
                    self._arrived(session_id, record, hint.reason)
        except Exception:
            self._put_back(hints)
            raise
        finally:
            self._reading = {}
            for hint in hints.values():
                hint.done.set()
        await self._try_again(failed, all_failed=len(failed) == len(hints))

    async def _peek(self, batch: list[Command[Any]]) -> list[Any]:
        """Read records; each that cannot be read now is a SessionStoreUnavailable.

        In a cluster one master may be away, and the sessions of the others go on.
        """
        try:
            return await executors.arun(self._alias, *batch)
        except SessionStoreUnavailable as error:
            if not connections.is_cluster(self._alias):
                return [error] * len(batch)
        each = (executors.arun(self._alias, command) for command in batch)
        found = []
        for reply in await asyncio.gather(*each, return_exceptions=True):
            if isinstance(reply, BaseException) and not isinstance(reply, SessionStoreUnavailable):
                raise reply
            found.append(reply if isinstance(reply, SessionStoreUnavailable) else reply[0])
        return found

    async def _try_again(self, failed: dict[str, _Hint], *, all_failed: bool) -> None:
        self._waits = all_failed
        if all_failed:
            self._put_back(failed)
            await asyncio.sleep(_PAUSE)
        elif failed:
            asyncio.get_running_loop().call_later(_PAUSE, self._put_back, failed)
        else:
            self._has_told = False

    def _tell_once(self, error: SessionStoreUnavailable) -> None:
        """Log that sessions cannot be read: once an outage."""
        if not self._has_told:
            logger.warning("Live sessions wait to be read: %s", error)
        self._has_told = True

    def _put_back(self, hints: dict[str, _Hint]) -> None:
        for session_id, hint in hints.items():
            self.look(session_id, self._hints.get(session_id, hint).reason or hint.reason)

    def _arrived(self, session_id: str, record: Record | Unreadable | None, reason: str) -> None:
        if session_id in self._sockets:
            _, former = self._news.get(session_id, (None, ""))
            self._news[session_id] = (record, reason or former)
            self._arrival.set()

    async def _pass_on(self) -> None:
        """Tell the sockets what was read: the newest of each session, however often it was read."""
        await self._arrival.wait()
        self._arrival.clear()
        for session_id, news in list(self._news.items()):
            await self._tell(session_id)
            if self._news.get(session_id) is news:
                del self._news[session_id]

    async def _tell(self, session_id: str) -> None:
        for live in list(self._sockets.get(session_id, ())):
            self._give(live, session_id)
            self._told += 1
            if self._told % _SLICE == 0:
                await asyncio.sleep(0)

    def _give(self, live: "LiveSession", session_id: str) -> None:
        """Tell a socket, unless it has left meanwhile. One that fails is closed; others go on."""
        if session_id not in self._news or live not in self._sockets.get(session_id, ()):
            return
        try:
            live.take(*self._news[session_id])
        except Exception:
            logger.exception("A socket cannot take in what session %s has become.", session_id)
            live.close(CloseCode.ENDED)


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    """Do something for ever. Whatever goes wrong with it once must not leave all sockets deaf."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("The live sessions of an event loop go on after an error.")
            await asyncio.sleep(_PAUSE)


def hub() -> Hub:
    """Return the hub of the running event loop; the first socket starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for closed in [other for other in _hubs if other.is_closed()]:
            del _hubs[closed]
        _hubs[loop] = Hub()
    return _hubs[loop]
