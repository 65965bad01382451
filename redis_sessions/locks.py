"""``session.lock()`` and ``session.alock()``: one at a time reads, changes and writes a session.

The lock is a lease on the server, and proves itself at each save: one that was lost stores nothing.
"""

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from . import operations, steps
from .commands.locks import Grant
from .commands.records import Outcome
from .consequences import SessionConsequences
from .exceptions import (
    LockLost,
    NotReplicated,
    SessionGone,
    SessionLocked,
    SessionRotated,
    SessionStoreUnavailable,
)
from .leases import Lease, described
from .record import Record, Unreadable
from .steps import Pause, Send, Work

if TYPE_CHECKING:
    from .data import SessionData

logger = logging.getLogger("redis_sessions")

TIMEOUT = 10.0  # seconds until the lock of a process that died is free
PATIENCE = 5.0  # seconds to wait for a lock
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.05  # seconds between two tries


class SessionLocking(SessionConsequences):
    """A session that can be locked."""

    _hold: "Hold | None" = None

    @contextmanager
    def lock(
        self, timeout: float = TIMEOUT, blocking_timeout: float = PATIENCE, what: str = ""
    ) -> Iterator[Self]:
        """Let nobody else lock this session within the ``with`` block.

        The session is read anew when the block begins, and saved when it ends. A block that raises
        stores nothing of what it had not saved itself. A session that has no key yet needs no lock.

        ``timeout`` is how many seconds after a crash of this process the lock is free; while it is
        held it is extended. ``blocking_timeout`` is how many seconds to wait for it. ``what`` tells
        those who wait what it is held for.

        Raises SessionLocked where another holds it all that time, SessionGone and SessionRotated
        where the session has ended or has another key, SessionStoreUnavailable, and at the end
        LockLost where the lock was lost and so nothing stored.
        """
        hold = Hold(self, timeout, blocking_timeout, what)
        try:
            steps.run(hold.begin())
            yield self
            steps.run(hold.save())
        except BaseException as error:
            steps.run(hold.abort(error))
            raise
        steps.run(hold.end())

    @asynccontextmanager
    async def alock(
        self,
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - of the lock
        blocking_timeout: float = PATIENCE,
        what: str = "",
    ) -> AsyncIterator[Self]:
        """See lock()."""
        hold = Hold(self, timeout, blocking_timeout, what)
        try:
            await steps.arun(hold.begin())
            yield self
            await steps.arun(hold.save())
        except BaseException as error:
            await _to_the_end(hold.abort(error))
            raise
        await _to_the_end(hold.end())


async def _to_the_end(work: Work[None]) -> None:
    """Do all steps before a cancellation is heeded: the lock would stay otherwise."""
    task, cancelled = asyncio.ensure_future(steps.arun(work)), None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        task.result()
    else:
        raise cancelled from (None if task.cancelled() else task.exception())


class _Both:
    """A step that exists as two functions."""

    def __init__(self, function: Callable[[], Any], twin: Callable[[], Awaitable[Any]]) -> None:
        self._function, self._twin = function, twin

    def run(self) -> Any:
        return self._function()

    async def arun(self) -> Any:
        """See run()."""
        return await self._twin()


class Hold:
    """One ``with`` block."""

    def __init__(
        self, session: Any, timeout: float, blocking_timeout: float, what: str
    ) -> None:  # a SessionStore, which stands above this module
        if timeout <= 0 or blocking_timeout < 0:
            raise ValueError("timeout has to be above 0, and blocking_timeout not below.")
        self.owner = _runner()
        self._session = session
        self._seconds, self._patience, self._what = timeout, blocking_timeout, what
        self._lease: Lease | None = None
        self._is_new = False  # nobody else can have it
        self._entered: SessionData | None = None
        self._before: dict[Any, Any] = {}  # what a session held that is stored nowhere
        self._has_written = False

    def begin(self) -> Work[None]:
        """Take the lock, and the session as it is then."""
        session = self._session
        yield _Both(session._get_session, session._aget_session)
        if session.superseded:
            raise SessionRotated
        if session._hold is not None and session._hold.owner == self.owner:
            return  # the block around this one sees to everything
        if session.key is None or session._emptied:
            self._is_new, self._before = True, deepcopy(dict(session._at_hand()))
            return
        self._lease = Lease(session.id, self._seconds, self._what)
        yield from self._take()
        yield _Both(self._lease.keep, self._lease.akeep)
        session._hold, session._holder = self, self._lease.holder
        if session.modified:  # before: what the block itself does can be told from it then
            yield _Both(session.save, session.asave)
        self._entered = session._at_hand()

    def _take(self) -> Work[None]:
        deadline, pause = monotonic() + self._patience, _FIRST_PAUSE
        while True:
            is_last = monotonic() >= deadline
            grant: Grant = yield _Both(self._ask, self._aask)
            if grant.outcome is Outcome.DONE:
                return
            if is_last:
                raise SessionLocked(
                    f"Session {self._session.id} is locked by {described(grant.holder)};"
                    f" waited {self._patience:g} s."
                )
            seconds = min(pause * random.uniform(0.5, 1), max(0, deadline - monotonic()))  # noqa: S311
            yield Pause(seconds)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask(self) -> Grant:
        asked = monotonic()
        [grant] = self._session._run(self._command())
        if self._is_outdated(grant):
            [grant] = self._session._run(self._command())
        return self._answered(grant, asked)

    async def _aask(self) -> Grant:
        async with self._session._lock:  # what a save under way writes would be missed
            asked = monotonic()
            [grant] = await self._session._arun(self._command())
            if self._is_outdated(grant):
                [grant] = await self._session._arun(self._command())
            return self._answered(grant, asked)

    def _is_outdated(self, grant: Grant) -> bool:
        """Tell whether meanwhile another thread or task has learnt what the record holds now.

        Where it was a failover that lost that, to ask again gives the same, and that is taken.
        """
        return isinstance(grant.record, Record) and self._session.is_older(grant.record)

    def _command(self) -> Any:
        lease = self._lease
        if lease is None or self._session.key is None or self._session._ended:
            raise SessionGone  # another task has ended it meanwhile
        return operations.lock(self._session.key, lease.holder, lease.milliseconds)

    def _answered(self, grant: Grant, asked: float) -> Grant:
        if grant.outcome is Outcome.ROTATED:
            raise SessionRotated
        if grant.outcome is Outcome.LOCKED:
            return grant
        record = grant.record
        if not isinstance(record, Record) or operations.has_expired(record):
            raise SessionGone
        try:
            self._session.refresh(record)
        except Unreadable as reason:
            raise SessionGone(f"Session {self._session.id} cannot be read: {reason}.") from reason
        if self._lease is not None:
            self._lease.renewed(asked)
        return grant

    def save(self) -> Work[None]:
        """Store what the block has changed. Raises LockLost."""
        session = self._session
        if not self._is_to_save():
            return
        before = session.written
        yield _Both(session.save, session.asave)
        self._has_written = session.written != before

    def _is_to_save(self) -> bool:
        session = self._session
        if session._begins_anew():
            return self._is_new and not session.is_obsolete()
        return (self._is_new or self._lease is not None) and not session._ended

    def _is_same(self) -> bool:
        """Tell whether the block has neither ended the session nor left it for another."""
        lease, session = self._lease, self._session
        return lease is not None and session.id == lease.session_id and not session._ended

    def end(self) -> Work[None]:
        """Give the lock back. Raises LockLost where it was lost and nothing was written since."""
        if self._lease is None:
            return
        held = yield from self._give_back(self._lease)
        if held > 0 or self._has_written or not self._is_same():
            return
        if held < 0 or self._lease.is_over:  # else it was given back twice, after a lost reply
            self._forget_changes()
            raise LockLost

    def abort(self, error: BaseException) -> Work[None]:
        """Take back what the block has changed and not saved, and give the lock back.

        Where the server is away, that has to run out: nobody is to wait for it a second time.
        """
        if self._lease is not None or self._is_new:
            self._forget_changes()
        if self._lease is not None:
            yield from self._give_back(self._lease, is_worth_it=not _is_away(error))

    def _forget_changes(self) -> None:
        """Have nobody save later, without the lock, what was meant to be saved under it."""
        session, data = self._session, self._session._at_hand()
        if self._entered is None and not self._is_new:
            return  # the block was not entered
        if session.key is None or session._emptied:  # nothing of it is stored
            session._session_cache = session._new_data()
            session._session_cache.update(self._before)
        elif not session._ended:
            known = self._entered if data.replaces and self._is_same() else data
            if known is None or known.replaces:
                del session._session_cache  # to be read anew
            else:
                session._session_cache = session._new_data(known.as_stored())

    def _give_back(self, lease: Lease, *, is_worth_it: bool = True) -> Work[int]:
        if self._session._hold is self:
            self._session._hold = self._session._holder = None
        yield _Both(lease.drop, lease.adrop)
        if not is_worth_it:
            return 0
        try:
            [held] = yield Send(lease.unlocking())
        except SessionStoreUnavailable as error:
            logger.warning("The lock of session %s has to run out: %s", lease.session_id, error)
            return 0
        return int(held)


def _is_away(error: BaseException) -> bool:
    """Tell whether an error says that the server cannot be asked."""
    return isinstance(error, SessionStoreUnavailable) and not isinstance(error, NotReplicated)


def _runner() -> object:
    """Return the task, or in sync code the thread, that runs this."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.get_ident()
