"""Processes of the tests' own that hold a lock."""

import asyncio
import os
import signal
from typing import Any

import django
from django.conf import settings

from redis_sessions.session import SessionStore
from tests.caches import patient_caches
from tests.locked import Locked, until


def _set_up() -> None:
    django.setup()
    settings.CACHES = patient_caches()


def hold_for_ever(half: str, key: str, inside: Any) -> None:
    """Take the lock, change the session, say so, and stay."""
    _set_up()
    session = SessionStore(key)

    async def hold() -> None:
        async with session.alock(timeout=3):
            session["n"] = 1000
            inside.set()
            await asyncio.sleep(600)

    if half == "async":
        asyncio.run(hold())
    with session.lock(timeout=3):
        session["n"] = 1000
        inside.set()
        signal.pause()


def have_a_fork_hold(key: str) -> None:
    """Use a lock, and fork a child that holds it until it is extended."""
    _set_up()
    session = SessionStore(key)
    Locked(session).run()  # starts the thread that extends
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    with session.lock(timeout=3) as mine:
        lease, first = mine._hold._lease, mine._hold._lease._until
        until(lambda: lease._until > first)
    os._exit(0)
