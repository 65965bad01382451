"""The live session: one socket's session, kept in step with its record and saved without a call."""

import asyncio
import logging
import weakref
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
from .turns import Inbox, Turn
from .verdicts import verdict

logger = logging.getLogger("redis_sessions")

Message = MutableMapping[str, Any]

SCOPE_KEY = "redis_sessions.live"  # where a scope holds its LiveSession

_CARRY_COOKIES = {"websocket.accept", "websocket.http.response.start", "http.response.start"}
_OF_THE_USER = {SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY}
_SOON = 0.1  # seconds until a change outside of a handler is saved
_PAUSE = 1.0  # seconds between tries to save while the server is away


class LiveSession:
    """The session of one connection, between the server's and the consumer's ends of it."""

    watches = False  # whether the consumer wants to be told what happens to the session
    resolve_user: Callable[[], Coroutine[Any, Any, None]] | None = None

    def __init__(
        self,
        session: SessionStore,
        cookies: dict[str, str],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.session = session
        self._cookies = cookies
        self._send = send
        self._inbox = Inbox(receive, self._before, self._handled)
        self._tasks: set[asyncio.Task[None]] = set()
        self._saving: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._joined: str | None = None
        self._news: tuple[Record | Unreadable | None, str] | None = None
        self._changed: set[str] = set()
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._check: asyncio.TimerHandle | None = None
        self._users: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        session.on_use = self._used
        session.ends_when_emptied = False  # a socket that is open could not tell its new key
        session.writer = get_random_string(8)

    # For the consumer

    def receive(self) -> Turn:
        """Return a future for the next message; that somebody waits for it says: all is handled."""
        return self._inbox.receive()

    async def send(self, message: Any) -> None:
        """Save what changed, and then send. What is sent after the session ended is dropped."""
        if self._is_closed:
            return
        try:
            await self.save()
        except SessionGone:
            self._lose()
            return
        if message["type"] in _CARRY_COOKIES:
            headers = session_headers(self._cookies, self.session)
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await self._send(message)

    # From the first to the last

    async def open(self) -> None:
        """Load the session, listening before it is read. Raises SessionStoreUnavailable."""
        if self.session.id is not None:
            await self._join(self.session.id)
        await self.session._aget_session()
        if self.session.superseded:
            self.session._session_cache = self.session._forget()
        await self._follow()

    async def finish(self) -> None:
        """Save a last time, when the consumer is done, and stop listening."""
        self._inbox.close()
        for timer in (self._timer, self._check):
            if timer is not None:
                timer.cancel()
        if self._saving is not None:
            self._saving.cancel()
        try:
            if not self._is_closed and self._has_changes():
                await self._save()
        except (SessionGone, SessionStoreUnavailable) as error:
            logger.error("The last changes of session %s are lost: %s", self.session.id, error)
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._join(None)

    async def _join(self, session_id: str | None) -> None:
        """Listen to this session, and no longer to the one before."""
        former, self._joined = self._joined, session_id
        if session_id is not None:
            await hub().join(self, session_id)
        if former is not None:
            await hub().leave(self, former)

    async def _follow(self) -> None:
        """Listen to the session that this object has now."""
        if self.session.id != self._joined:
            await self._join(self.session.id)
        self._set_timer()

    def _set_timer(self) -> None:
        """Look at the session when it expires."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = self.session.expires_in
        if self._joined is not None and seconds is not None:
            loop, joined = asyncio.get_running_loop(), self._joined
            self._timer = loop.call_later(seconds, lambda: hub().look(joined))

    # Save

    async def save(self) -> None:
        """Save what changed; while the server is away, keep it and try again."""
        while self._has_changes():
            try:
                await self._save()
            except SessionStoreUnavailable as error:
                logger.error("Session %s waits to be saved: %s", self.session.id, error)
                await asyncio.sleep(_PAUSE)

    def _has_changes(self) -> bool:
        session = self.session
        if not session.modified:
            return False
        return session.session_key is not None or not session.is_obsolete()

    async def _save(self) -> None:
        self.session.modified = False  # before the wait, during which there may be new changes
        try:
            await self.session.asave()
        except BaseException:
            self.session.modified = True
            raise
        await self._follow()
        self._take_in()

    async def _save_handled(self) -> None:
        """Save after an event was handled."""
        try:
            await self.save()
        except SessionGone:
            self._lose()
        except Exception as error:  # noqa: BLE001 - a value that cannot be stored is the consumer's
            self._inbox.fail(error)

    # Between two events

    def _used(self) -> None:
        """Note that a value is read or set: outside of a handler, see later what became of it."""
        if not self._inbox.is_idle or self._is_closed:
            return
        try:
            task = asyncio.current_task()
        except RuntimeError:  # a thread
            self._loop.call_soon_threadsafe(self._check_later)
            return
        self._check_later()
        if task is not None and task not in self._users:
            self._users.add(task)
            task.add_done_callback(lambda _: self._handled())

    def _check_later(self) -> None:
        if self._check is None:
            self._check = self._loop.call_later(_SOON, self._check_now)

    def _check_now(self) -> None:
        self._handled()
        self._check = None  # what checking reads is no use

    def _handled(self) -> None:
        """Save, take news in and tell them, now that the consumer waits."""
        if self._is_closed:
            return
        if self._joined is not None and self.session.session_key is None:
            self.close(CloseCode.LOGGED_OUT)  # the consumer has flushed it
            return
        if self._has_changes() and (self._saving is None or self._saving.done()):
            self._saving = self._start(self._save_handled())
        self._take_in()

    async def _before(self, message: Message) -> None:
        """Prepare for a message of the client: read what was heard, renew the expiry."""
        for _ in range(2):  # what the listening connection has received already comes first
            await asyncio.sleep(0)
        if self._joined is not None:
            await hub().settled(self._joined)
        if message["type"] == "websocket.receive" and config().rolling:
            await self._touch()

    async def _touch(self) -> None:
        try:
            await self._save()
        except SessionGone:
            self._lose()
        except SessionStoreUnavailable as error:
            logger.warning("The expiry of session %s is not renewed: %s", self.session.id, error)

    # News

    def take(self, record: Record | Unreadable | None, hint: str) -> None:
        """Take in what the record has become, as soon as the consumer waits."""
        self._news = (record, hint or (self._news[1] if self._news else ""))
        self._take_in()

    def _take_in(self) -> None:
        if self._news is None or not self._inbox.is_idle or self.session.is_saving:
            return
        (record, hint), self._news = self._news, None
        code = verdict(self.session, record, hint)
        if code is not None:
            self.close(code)
        elif isinstance(record, Record):
            self._refresh(record)

    def _refresh(self, record: Record) -> None:
        if self.session.is_older(record):  # it was read before our own last save
            hub().look(self._joined or "")
            return
        changed = self.session.refresh(record)
        self._set_timer()
        if changed & _OF_THE_USER and self.resolve_user is not None:
            self._start(self.resolve_user())
        if changed and self.watches:
            self._inbox.put({"type": "session.changed", "keys": sorted(changed)})

    def _lose(self) -> None:
        """Find out why a save was refused, and close."""
        if self._joined is None:
            self.close(CloseCode.ENDED)
        else:
            hub().look(self._joined)

    def close(self, code: CloseCode) -> None:
        """Close the socket, and have the consumer's ``disconnect()`` run."""
        if self._is_closed:
            return
        self._is_closed = True
        reason = code.name.lower().replace("_", " ")
        if self.watches:
            self._inbox.put({"type": "session.ended", "code": code.number, "reason": reason})
        message = {"code": code.number, "reason": reason}
        self._start(self._send_close({"type": "websocket.close", **message}))
        self._inbox.put({"type": "websocket.disconnect", **message})

    async def _send_close(self, message: Message) -> None:
        try:
            await self._send(message)
        except Exception as error:  # noqa: BLE001 - the client left; servers raise what they like
            logger.info("A socket of session %s was closed already: %r", self._joined, error)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
