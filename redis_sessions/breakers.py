"""A server that fails one call after another is left alone, and asked now and then.

One breaker for each alias that is in trouble, in each process, for its threads and event loops
together. While all is well there is none, and a call looks at an empty dict. It also is where an
outage is logged: once, however many calls fail of it.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

from django.core.signals import setting_changed

from .exceptions import SessionStoreUnavailable
from .faults import NONE_FREE, Fault

logger = logging.getLogger("redis_sessions")

LIMIT = 2  # calls that failed, each begun after the one before had failed; then it is open
PAUSE = 0.5  # seconds between two calls that ask nevertheless
LEASE = 1.0  # seconds until another may ask, where who does so has not come back
TOLD = 60.0  # seconds until a refusal is logged again

troubled: dict[str, "Breaker"] = {}  # by alias
_unlogged: ContextVar[bool] = ContextVar("unlogged", default=False)
_told: dict[tuple[str, str], float] = {}  # when a refusal was logged, by alias and name


class _State:
    lock = threading.Lock()


class Breaker:
    """What is known of a server since the first call that failed."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.failures = 0
        self.refused = 0  # calls that failed at once
        self.message = ""
        self._counted = since  # when the last one failed that counts
        self._ask_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once."""
        return self.failures >= LIMIT

    @property
    def is_due(self) -> bool:
        """Whether the next call asks."""
        return monotonic() >= self._ask_at

    def ask(self) -> None:
        """Note that a call asks now; until it has failed, no other does."""
        self._ask_at = monotonic() + LEASE

    def count(self, started: float, message: str) -> bool:
        """Note a failure; tell whether it has opened the breaker.

        Of calls that were under way at once, one counts: it may be one thing of which all failed.
        """
        was_open, now = self.is_open, monotonic()
        if started >= self._counted or not self.failures:
            self.failures += 1
            self._counted = now
        self.message, self._ask_at = message, now + PAUSE
        return self.is_open and not was_open


def admit(alias: str) -> bool:
    """Tell whether this call is the one that asks a server which is left alone.

    Raises SessionStoreUnavailable where it is left alone, and another asks or did so just now.
    """
    with _State.lock:
        breaker = troubled.get(alias)
        if breaker is None or not breaker.is_open:
            return False
        if breaker.is_due:
            breaker.ask()
            return True
        breaker.refused += 1
    raise SessionStoreUnavailable(f"{breaker.message} It is left alone for a moment.")


def would_refuse(alias: str) -> bool:
    """Tell whether a call would fail at once."""
    breaker = troubled.get(alias)
    return breaker is not None and breaker.is_open and not breaker.is_due


def failed(alias: str, started: float, fault: Fault, message: str) -> None:
    """Note that a call which began at ``started`` has failed, all tries included."""
    if not fault.stops:
        if fault is not NONE_FREE:
            answered(alias)  # it is there, and refuses
        tell(alias, fault, message)
        return
    with _State.lock:
        breaker = troubled.get(alias)
        is_first = breaker is None
        if breaker is None:
            breaker = troubled[alias] = Breaker(started)
        has_opened = breaker.count(started, message)
    if is_first and not _unlogged.get():
        logger.error("%s", message)
    if has_opened and not _unlogged.get():
        logger.error(
            "%s is left alone: calls fail at once, and one in %s seconds asks whether it is back.",
            _server(alias),
            PAUSE,
        )


def answered(alias: str) -> None:
    """Note that the server has answered."""
    with _State.lock:
        breaker = troubled.pop(alias, None)
    if breaker is not None:
        logger.warning(
            "%s answers again, %.1f seconds after the first call"
            " that failed; %d calls failed at once.",
            _server(alias),
            monotonic() - breaker.since,
            breaker.refused,
        )


def gone(alias: str) -> None:
    """Forget a server that nobody is to ask any more."""
    with _State.lock:
        breaker = troubled.pop(alias, None)
    if breaker is not None:
        logger.warning("%s has left the cluster, and is not asked any more.", _server(alias))


@contextmanager
def unlogged() -> Iterator[None]:
    """Log no failure of a call in here: the caller tells of it."""
    token = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(token)


def tell(alias: str, fault: Fault, message: str) -> None:
    """Log a refusal, unless that was done a short while ago."""
    if _unlogged.get():
        return
    now = monotonic()
    with _State.lock:
        is_known = now - _told.get((alias, fault.name), -TOLD) < TOLD
        if not is_known:
            _told[alias, fault.name] = now
    if not is_known:
        logger.error("%s", message)


def name_of(alias: str, node: str) -> str:
    """Return the name of a node's own breaker: when one is left alone, the others are not."""
    return f"{alias}, {node}"


def _server(name: str) -> str:
    """Say in words what has the breaker of this name."""
    alias, _, node = name.rpartition(", ")
    if alias:
        return f"The node {node} of CACHES[{alias!r}]"
    return f"The session server of CACHES[{name!r}]"


def forget() -> None:
    """Begin anew: nothing is known of any server."""
    troubled.clear()
    _told.clear()


def _renew(*, setting: str, **_: Any) -> None:
    if setting == "CACHES":
        forget()


def _after_fork() -> None:
    _State.lock = threading.Lock()  # another thread of the parent may have held it
    forget()


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_renew, dispatch_uid="redis_sessions.breakers")
