"""Leases: the locks that this process holds, made to last until they are given back.

In sync code one thread of the process extends them all, under an event loop a task each.
"""

import asyncio
import logging
import os
import platform
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf
from time import monotonic

from . import executors, operations, tokens
from .commands import Command, locks
from .conf import config
from .exceptions import SessionStoreUnavailable
from .listeners import end

logger = logging.getLogger("redis_sessions")

_TOKEN_LENGTH = 20  # characters of [0-9a-z]: 103 bits


def holder_text(what: str) -> str:
    """Return what a lock holds: a token, and who has it since when."""
    token, host = tokens.random_text(_TOKEN_LENGTH), platform.node() or "?"
    text = f"{token} {operations.now()} {os.getpid()} {host} {what}"
    return text.encode("utf-8", "replace").decode()  # a name may hold half a character


def described(holder: bytes) -> str:
    """Say who holds a lock, and since when; what is stored may be anything."""
    text = "".join(letter if letter.isprintable() else "?" for letter in _text(holder))
    _, since, pid, host, what = (*text.split(" ", 4), *[""] * 5)[:5]
    if not (since.isascii() and since.isdigit() and len(since) < 12):
        return "somebody unknown"
    moment = datetime.fromtimestamp(int(since), UTC)
    doing = f", {what}," if what else ""
    return f"process {pid} on {host}{doing} since {moment:%Y-%m-%d %H:%M:%S} UTC"


def _text(stored: bytes) -> str:
    return stored[:300].decode("utf-8", "replace")


class Lease:
    """A lock that is held for ``seconds`` from when it was taken, or extended last."""

    def __init__(self, session_id: str, seconds: float, what: str) -> None:
        self.session_id = session_id
        self.holder = holder_text(what)
        self.seconds = seconds
        self.interval = seconds / 3  # one extension may fail
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def milliseconds(self) -> int:
        """How long the server is to keep it."""
        return max(1, int(self.seconds * 1000))

    @property
    def is_over(self) -> bool:
        """Whether it may have run out, by the clock of this process."""
        return monotonic() >= self._until

    def renewed(self, asked: float) -> None:
        """Note that the server was asked at that time, and has agreed."""
        self._until = asked + self.seconds

    def keep(self) -> None:
        """Extend it from now on."""
        _keeper.add(self)

    async def akeep(self) -> None:
        """See keep()."""
        self._task = asyncio.ensure_future(self._extend_on_and_on())

    def drop(self) -> None:
        """Extend it no more."""
        _keeper.remove(self)

    async def adrop(self) -> None:
        """See drop()."""
        if self._task is not None:
            await end(self._task)

    def unlocking(self) -> Command[int]:
        """Return what gives it back."""
        return locks.unlock(operations.channel(self.session_id), self.holder)

    def extension(self) -> Command[bool]:
        """Return what extends it."""
        record = operations.channel(self.session_id)
        return locks.extend(record, self.holder, self.milliseconds)

    def extended(self, asked: float, *, is_held: bool) -> None:
        """Take in what became of an extension."""
        self.renewed(asked if is_held else -inf)

    async def _extend_on_and_on(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            asked = monotonic()
            try:
                [is_held] = await executors.arun(config().alias, self.extension())
            except SessionStoreUnavailable as error:
                _warn([self], error)
            else:
                self.extended(asked, is_held=is_held)


def _warn(leases: Sequence[Lease], error: Exception) -> None:
    names = ", ".join(lease.session_id for lease in leases)
    logger.warning("The lock of session %s could not be extended: %s", names, error)


class Keeper:
    """The thread that extends what sync code holds; it starts with the first, and stays."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Lease, float] = {}
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Extend a lease whenever that is due."""
        due = monotonic() + lease.interval
        with self._changed:
            self._due[lease] = due
            if self._thread is None:
                name = "redis_sessions locks"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                thread.start()  # may fail: then the next lease tries again
                self._thread = thread
            elif due < self._wakes_at:
                self._changed.notify()

    def remove(self, lease: Lease) -> None:
        """Leave a lease alone."""
        with self._changed:
            self._due.pop(lease, None)

    def _run(self) -> None:
        while True:
            leases = self._wait()
            try:
                self._extend(leases)
            except SessionStoreUnavailable as error:
                _warn(leases, error)
            except Exception:
                logger.exception("The thread that extends locks goes on after an error.")

    def _wait(self) -> list[Lease]:
        with self._changed:
            while True:
                now = monotonic()
                if due := [lease for lease, at in self._due.items() if at <= now]:
                    self._due |= {lease: now + lease.interval for lease in due}
                    return due
                self._wakes_at = min(self._due.values(), default=inf)
                self._changed.wait(None if self._wakes_at == inf else self._wakes_at - now)

    def _extend(self, leases: Sequence[Lease]) -> None:
        asked = monotonic()
        replies = executors.run(config().alias, *(lease.extension() for lease in leases))
        for lease, is_held in zip(leases, replies, strict=True):
            lease.extended(asked, is_held=is_held)


_keeper = Keeper()


def _after_fork() -> None:
    global _keeper  # noqa: PLW0603 - its thread is the parent's
    _keeper = Keeper()


os.register_at_fork(after_in_child=_after_fork)
