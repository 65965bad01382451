"""Saving without a call: before a frame leaves, after an event was handled, from other tasks."""

import asyncio
import logging
import random
import weakref
from collections.abc import Callable
from typing import Any

from .. import breakers
from ..conf import config
from ..exceptions import LockLost, SessionGone, SessionStoreUnavailable
from ..listeners import end
from ..session import SessionStore

logger = logging.getLogger("redis_sessions")

_SOON = 0.1  # seconds until a change outside of a handler is saved
_PAUSE = 0.5  # seconds at most between tries to save while the server is away
_LAST = 2.5  # seconds for the last save, where the server is away when the client leaves
_LAST_PAUSE = 0.25  # seconds between tries of that

_waiting: set["Saver"] = set()  # of this process, while the server is away


class Saver:
    """Saves one live session whenever there is something to save.

    ``waits()`` tells whether the consumer waits for an event, ``due()`` is called when something
    was done to the session meanwhile, ``saved()`` after each save, ``failed(error)`` where a save
    in the background failed for good.
    """

    def __init__(
        self,
        session: SessionStore,
        waits: Callable[[], bool],
        due: Callable[[], None],
        saved: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.has_saved = False
        self._session = session
        self._waits = waits
        self._due = due
        self._saved = saved
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._check: asyncio.TimerHandle | None = None
        self._is_finished = False
        self._users: weakref.WeakSet[asyncio.Task[Any]] | None = None  # made at first use
        session.on_use = self._used

    @property
    def is_saving(self) -> bool:
        """Whether a save is under way in the background."""
        return self._task is not None and not self._task.done()

    async def save(self, has_left: Callable[[], bool] | None = None) -> bool:
        """Save what was changed before; while the server is away, keep it and try again.

        False where ``has_left()`` says that nobody waits for that any more; without it, there is
        one try. Returns also when a save that was under way is done. Raises SessionGone, TypeError,
        and after one try SessionStoreUnavailable.
        """
        try:
            while self._session.is_saving or self._has_changes():
                try:
                    await self.save_now()
                except SessionStoreUnavailable as error:
                    if not self._has_changes():
                        break  # what was under way was a touch
                    if has_left is None:
                        raise
                    await self._wait(error, has_left)
                    if has_left():
                        return False
                else:
                    break  # what changed meanwhile has its own turn
            return True
        finally:
            _waiting.discard(self)

    async def _wait(self, error: SessionStoreUnavailable, has_left: Callable[[], bool]) -> None:
        """Wait until the server may be back. A process says once an outage that sessions do."""
        if not _waiting:
            logger.warning("Session %s waits to be saved: %s", self._session.id, error)
        _waiting.add(self)
        await _pause()
        while (
            breakers.would_refuse(config().alias) and not has_left()
        ):  # cheaper than to be refused
            await _pause()

    async def save_now(self) -> None:
        """Save once. Raises SessionStoreUnavailable, SessionGone, TypeError."""
        self.has_saved = True
        had_changes = self._session._modified  # those made in place are found again anyway
        self._session.modified = False  # before the wait, during which there may be new changes
        try:
            await self._session.asave()
        except BaseException:
            if had_changes:
                self._session.modified = True
            raise
        self._saved()

    def save_soon(self) -> None:
        """Save in the background, if anything changed."""
        try:
            if not self._is_finished and not self.is_saving and self._has_changes():
                self._task = asyncio.ensure_future(self._save_in_background())
        except Exception as error:  # noqa: BLE001 - to compare is to serialise
            self._failed(error)

    async def finish(self, *, keep: bool) -> None:
        """Save a last time where the session is to be kept, behind a save that is under way."""
        self._session.on_use, self._is_finished = None, True
        if self._check is not None:
            self._check.cancel()
        try:
            if keep and (self.is_saving or self._has_changes()):
                await self._save_at_last()
        except (LockLost, SessionGone, SessionStoreUnavailable) as error:
            logger.error("The last changes of session %s are lost: %s", self._session.id, error)
        finally:
            if self._task is not None:
                await end(self._task)

    async def _save_at_last(self) -> None:
        """Save for the last time; a server that is away has a moment to come back.

        Raises SessionStoreUnavailable, SessionGone.
        """
        deadline = self._loop.time() + _LAST
        while True:
            try:
                return await self.save_now()
            except SessionStoreUnavailable:
                if not self._has_changes() or self._loop.time() >= deadline:
                    raise
            await asyncio.sleep(_LAST_PAUSE)

    def _has_changes(self) -> bool:
        session = self._session
        if not session.modified:
            return False
        return session.session_key is not None or not session.is_obsolete()

    async def _save_in_background(self) -> None:
        try:
            while self._has_changes() and await self.save(lambda: self._is_finished):
                pass
        except LockLost:
            return  # the block that held the lock raises it, in whatever task that is
        except Exception as error:  # noqa: BLE001 - the consumer's, who made the change
            self._failed(error)

    def _used(self) -> None:
        """Note that a value is read or set: outside of a handler, see later what became of it."""
        if not self._waits():
            return
        try:
            task = asyncio.current_task()
        except RuntimeError:  # a thread
            self._loop.call_soon_threadsafe(self._check_later)
            return
        if task is self._task:
            return
        self._check_later()
        if task is not None:
            self._follow(task)

    def _follow(self, task: asyncio.Task[Any]) -> None:
        """Have a task that uses the session looked at when it ends."""
        if self._users is None:
            self._users = weakref.WeakSet()
        if task not in self._users:
            self._users.add(task)
            task.add_done_callback(lambda _: self._is_finished or self._due())

    def _check_later(self) -> None:
        if self._check is None:
            self._check = self._loop.call_later(_SOON, self._check_now)

    def _check_now(self) -> None:
        try:
            self._due()
        finally:
            self._check = None  # only now: to look is no use


async def _pause() -> None:
    await asyncio.sleep(random.uniform(_PAUSE / 2, _PAUSE))  # noqa: S311
