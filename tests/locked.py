"""Blocks under the lock of a session, in either half."""

import time
from collections.abc import Callable
from typing import Any

from redis_sessions.session import SessionStore


class Locked:
    """Runs a block under the lock of a session: ``do(Locked(session).run, block)``."""

    def __init__(self, session: SessionStore, **arguments: Any) -> None:
        self.session, self.arguments = session, arguments

    def run(self, block: Callable[[], Any] = lambda: None) -> Any:
        with self.session.lock(**self.arguments) as session:
            assert session is self.session
            return block()

    async def arun(self, block: Callable[[], Any] = lambda: None) -> Any:
        async with self.session.alock(**self.arguments) as session:
            assert session is self.session
            return block()


def lock_of(session: SessionStore) -> str:
    """Return the key of a session's lock in the server."""
    return f"session:{{{session.id}}}:lock"


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
