"""The live session: one socket's session, saved without a call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..exceptions import SessionGone, SessionStoreUnavailable
from ..session import SessionStore
from .codes import CloseCode
from .cookies import session_headers
from .turns import Turn

logger = logging.getLogger("redis_sessions")

Message = MutableMapping[str, Any]

_CARRY_COOKIES = {"websocket.accept", "websocket.http.response.start", "http.response.start"}
_PAUSE = 1.0  # seconds between tries to save while the server is away


class LiveSession:
    """The session of one connection, between the server's and the consumer's ends of it."""

    def __init__(
        self,
        session: SessionStore,
        cookies: dict[str, str],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.session = session
        self._cookies = cookies
        self._receive = receive
        self._send = send
        self._saving: asyncio.Task[None] | None = None
        self._turn: Turn | None = None
        self._is_closed = False
        session.ends_when_emptied = False  # a socket that is open could not tell its new key

    def receive(self) -> Turn:
        """Return a future for the next message; that somebody waits for it says: all is handled."""
        self._turn = Turn(self._receive, self._handled)
        return self._turn

    async def send(self, message: Any) -> None:
        """Save what changed, and then send. What is sent after the session ended is dropped."""
        if self._is_closed:
            return
        try:
            await self.save()
        except SessionGone:
            await self._end()
            return
        if message["type"] in _CARRY_COOKIES:
            headers = session_headers(self._cookies, self.session)
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await self._send(message)

    async def save(self) -> None:
        """Save what changed; while the server is away, keep it and try again."""
        while self._has_changes():
            try:
                await self._save()
            except SessionStoreUnavailable as error:
                logger.error("Session %s waits to be saved: %s", self.session.id, error)
                await asyncio.sleep(_PAUSE)

    async def finish(self) -> None:
        """Save a last time, when the consumer is done."""
        if self._saving is not None:
            self._saving.cancel()
        if not self._is_closed and self._has_changes():
            try:
                await self._save()
            except (SessionGone, SessionStoreUnavailable) as error:
                logger.error("The last changes of session %s are lost: %s", self.session.id, error)

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

    def _handled(self, turn: Turn) -> None:
        """Save in the background, after an event was handled."""
        idle = self._saving is None or self._saving.done()
        if idle and not self._is_closed and self._has_changes():
            self._saving = asyncio.ensure_future(self._save_after(turn))

    async def _save_after(self, turn: Turn) -> None:
        try:
            await self.save()
        except SessionGone:
            await self._end()
        except Exception as error:  # noqa: BLE001 - a value that cannot be stored is the consumer's
            turn.fail(error)

    async def _end(self) -> None:
        """Close the socket and have the consumer's ``disconnect()`` run."""
        self._is_closed = True
        code, reason = CloseCode.SESSION_ENDED, "The session ended."
        await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        if self._turn is not None:
            message = {"type": "websocket.disconnect", "code": int(code), "reason": reason}
            self._turn.give(message)
