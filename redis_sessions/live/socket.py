"""The live session: one socket's session, kept in step with its record until one of them ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import get_random_string

from ..conf import config
from ..exceptions import SessionGone, SessionStoreUnavailable
from ..record import Record, Unreadable
from ..session import SessionStore
from .codes import CloseCode
from .cookies import session_headers
from .hub import hub
from .saver import Saver
from .turns import Inbox, Turn
from .verdicts import verdict

logger = logging.getLogger("redis_sessions")

Message = MutableMapping[str, Any]

SCOPE_KEY = "redis_sessions.live"  # where a scope holds its LiveSession

_GRACE = 5.0  # seconds for a client that does not read, once its session has ended
_BEGIN = {"websocket.accept", "http.response.start"}
_CARRY_COOKIES = {"websocket.accept", "websocket.http.response.start", "http.response.start"}
_OF_THE_USER = {SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY}


class LiveSession:
    """The session of one connection, between the server's and the consumer's ends of it."""

    watches = False  # whether the consumer wants to be told what happens to the session
    resolve_user: Callable[[], Coroutine[Any, Any, None]] | None = None

    def __init__(
        self,
        session: SessionStore,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.session = session
        self._cookies = scope["cookies"]
        self._is_socket = scope["type"] == "websocket"
        self._send = send
        self._inbox = Inbox(receive, self._before, self._handled)
        self._saver = Saver(
            session, lambda: self._inbox.is_idle, self._due, self._saved, self._failed
        )
        self._tasks: list[asyncio.Task[None]] = []  # few, and an empty set is four times as large
        self._sending: tuple[asyncio.Timeout, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._joined: str | None = None
        self._news: tuple[Record | Unreadable | None, str] | None = None
        self._reread_after = 0  # the version of our own for which a record was read once more
        self.has_answered = False  # accepted the socket, or begun a response
        self._is_closed = self._is_gone = self._has_begun = False
        session.ends_when_emptied = False  # a socket that is open could not tell its new key
        session.writer = get_random_string(8)

    async def open(self) -> None:
        """Load the session, listening before it is read. Raises SessionStoreUnavailable."""
        if self._is_socket and self.session.id is not None:
            await self._join(self.session.id)
        await self.session._aget_session()
        await self._follow()
        if self._joined is not None and self.session.superseded:
            hub().look(self._joined)

    async def finish(self) -> None:
        """Save a last time, when the consumer is done, and stop listening."""
        self._inbox.close()
        try:
            await self._saver.finish(keep=not self._is_closed)
        finally:
            try:
                await asyncio.gather(*self._tasks, return_exceptions=True)
            finally:  # a server that has no more patience cancels here
                if self._timer is not None:  # the last save may have set it
                    self._timer.cancel()
                await self._join(None)

    def receive(self) -> Turn:
        """Return a future for the next message; that somebody waits for it says: all is handled."""
        return self._inbox.receive()

    async def send(self, message: Any) -> None:
        """Save what changed, and then send. What is sent after the session ended is dropped.

        Raises SessionGone under HTTP, where there is no socket to close.
        """
        if self._is_closed or self._is_gone or not await self._save():
            return
        if message["type"] in _CARRY_COOKIES:
            written = self._saver.has_saved
            headers = session_headers(self._cookies, self.session, is_written=written)
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        if message["type"] in _BEGIN:
            self.has_answered = True
        await self._deliver(message, None)

    async def _deliver(self, message: Message, grace: float | None) -> None:
        """Hand a message to the server. It waits for who does not read: at the end not for long."""
        try:
            async with asyncio.timeout(grace) as patience:
                self._sending = (*self._sending, patience)
                await self._send(message)
        except TimeoutError:
            if not patience.expired():  # the server's own
                raise
            logger.info("A client of session %s does not read: given up.", self._joined)
        finally:
            self._sending = tuple(other for other in self._sending if other is not patience)

    async def _save(self) -> bool:
        """Save before a message leaves; tell whether it may leave.

        Raises SessionStoreUnavailable where there is no open socket yet, whose client would wait.
        """
        is_open = self._is_socket and self.has_answered
        try:
            is_saved = await self._saver.save(self._inbox.has_left if is_open else None)
        except SessionGone as error:
            self._failed(error)
            if self._is_socket:
                return False
            raise
        return is_saved and not self._is_closed  # during the save

    # Between two events

    def _handled(self) -> None:
        """Save, and take news in, now that the consumer waits."""
        if self._is_closed:
            return
        has_none = self.session.session_key is None or self.session._ended
        if self._joined is not None and has_none:
            self.close(CloseCode.LOGGED_OUT)  # the consumer has flushed or deleted it
            return
        if not self._is_gone:
            self._saver.save_soon()
        self._take_in()

    def _due(self) -> None:
        """Do the same where a task or a thread did something while the consumer waits."""
        is_under_way = self.session.session_key is None and not self.session.is_obsolete()
        if self._inbox.is_idle and not is_under_way:  # flushed, and the next one is being made
            self._handled()
        else:
            self._saver.save_soon()

    async def _before(self, message: Message) -> None:
        """Prepare for a message of the client: read what was heard, renew the expiry."""
        self._has_begun = True
        for _ in range(2):  # what the listening connection has received already comes first
            await asyncio.sleep(0)
        if self._joined is not None:
            await hub().settle(self, self._joined)
            if self._news is not None and self.session.is_saving:
                await self.session.saved()
            self._take_in()
        if message["type"] == "websocket.receive" and config().rolling:
            try:
                await self._saver.save_now()  # a save without changes is a touch, where one is due
            except (SessionGone, SessionStoreUnavailable) as error:
                self._failed(error)

    def _saved(self) -> None:
        if self.session.id == self._joined:
            self._set_timer()
        elif self._is_socket:
            self._start(self._follow_if_possible())
        self._take_in()

    def _failed(self, error: Exception) -> None:
        """Close where the session is gone; else the consumer gets the error."""
        if isinstance(error, SessionStoreUnavailable):
            logger.info("Session %s is not renewed: %s", self.session.id, error)
        elif not isinstance(error, SessionGone) or not self._is_socket:
            self._inbox.fail(error)
        elif self._joined is None:
            self.close(CloseCode.ENDED)
        else:
            self._is_gone = True
            hub().look(self._joined)  # why it is gone

    # News of the session

    async def _follow(self) -> None:
        """Listen to the session that this object has now, and look at it when it expires."""
        if self._is_socket and self.session.id != self._joined:
            await self._join(self.session.id)
        self._set_timer()

    async def _follow_if_possible(self) -> None:
        try:
            await self._follow()
        except SessionStoreUnavailable as error:  # the next save tries again
            logger.info("Session %s is not listened to: %s", self.session.id, error)

    async def _join(self, session_id: str | None) -> None:
        former, self._joined, self._news = self._joined, session_id, None
        try:
            if session_id is not None:
                await hub().join(self, session_id)
        except BaseException:
            self._joined = None
            raise
        finally:
            if former is not None:
                await hub().leave(self, former)

    def _set_timer(self) -> None:
        """Look at the session when it expires. Where that is put off, the timer finds out."""
        seconds, loop = self.session.expires_in, asyncio.get_running_loop()
        if self._joined is None or seconds is None:
            return
        when = loop.time() + max(0, seconds)
        if self._timer is not None and when < self._timer.when():
            self._timer.cancel()
            self._timer = None
        self._timer = self._timer or loop.call_at(when, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if (self.session.expires_in or 0) > 0:
            self._set_timer()
        else:
            hub().look(self._joined or "")

    def take(self, record: Record | Unreadable | None, hint: str) -> None:
        """Take in what the record has become, as soon as the consumer waits."""
        self._news = (record, hint or (self._news[1] if self._news else ""))
        self._take_in()

    def _take_in(self) -> None:
        if self._news is None or self._is_closed or self.session.is_saving:
            return
        record, hint = self._news
        is_told_end = record is None and hint  # which waits for no handler
        if not self._inbox.is_idle and not is_told_end:
            return
        if self.session.id != self._joined:  # the consumer left it
            return
        self._news, self._is_gone = None, False
        code = verdict(self.session, record, hint)
        if code is not None:
            self.close(code)
        elif isinstance(record, Record):
            self._refresh(record)

    def _refresh(self, record: Record) -> None:
        written = self.session.written
        if self.session.is_older(record) and self._reread_after != written:
            self._reread_after = written  # it was read before our own last save
            hub().look(self._joined or "")
            return
        try:
            changed = self.session.refresh(record)
        except Unreadable:
            self.close(CloseCode.ENDED)
            return
        except TypeError as error:  # the consumer holds what cannot be stored
            self._news = (record, "")
            self._inbox.fail(error)
            return
        self._set_timer()
        if changed & _OF_THE_USER and self.resolve_user is not None:
            self._start(self.resolve_user())
        if changed and self.watches:
            self._inbox.put({"type": "session.changed", "keys": sorted(changed)})

    def close(self, code: CloseCode) -> None:
        """Close the socket, and have the consumer's ``disconnect()`` run."""
        if self._is_closed:
            return
        self._is_closed = True
        for patience in self._sending:
            patience.reschedule(asyncio.get_running_loop().time() + _GRACE)
        if self.watches:
            self._inbox.put({"type": "session.ended", **code.ending})
        self._start(self._send_close(code))
        self._inbox.put({"type": "websocket.disconnect", **code.ending})

    @property
    def has_begun(self) -> bool:
        """Whether the consumer has had a message of its socket."""
        return self._is_socket and self._has_begun

    def give_up(self) -> None:
        """Close, since the consumer ended for want of the server; its last changes are tried."""
        self._start(self._send_close(CloseCode.UNAVAILABLE))

    async def _send_close(self, code: CloseCode) -> None:
        try:
            if not self.has_answered:  # a page sees a code only of a socket that was accepted
                await self._deliver({"type": "websocket.accept"}, _GRACE)
            await self._deliver({"type": "websocket.close", **code.ending}, _GRACE)
        except Exception as error:  # noqa: BLE001 - the client left; servers raise what they like
            logger.info("A socket of session %s was closed already: %r", self._joined, error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
