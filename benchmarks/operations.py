"""What is measured: what a request does to its session, sync and async. No clock, no processes."""

import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

# Together 197 bytes as JSON: a visitor with a small basket who has logged in.
BASKET = {"basket": {"1042": 2}}
LOGIN = {
    SESSION_KEY: "12345",
    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
    HASH_SESSION_KEY: "4f1c9a7be2d05836" * 4,
}
LOGGED_IN = BASKET | LOGIN
KEY = "visits"  # the key that changes

_numbers = count()


def large(kilobytes: int) -> dict[str, Any]:
    """Return a value of so many kilobytes as JSON: a list of dicts, as a search leaves behind."""
    found, size = [], 2
    while size < kilobytes * 1024:
        number = 1000 + len(found)  # no two alike: pickle would keep one of them
        item = {"id": number, "name": f"compass of brass, {number}", "price": f"{number}.50"}
        found.append(item)
        size += len(json.dumps(item)) + 2
    return {"found": found} if found else {}


class Operation(NamedTuple):
    """One operation. ``holds`` is what is stored of the session before; None: it is a new one."""

    run: Callable[[SessionBase], None]
    arun: Callable[[SessionBase], Awaitable[None]]
    holds: dict[str, Any] | None
    uses_up: bool = False  # its session cannot serve again


def nothing(session: SessionBase) -> None:
    """Leave the session alone: what remains is the measuring itself."""


async def anothing(session: SessionBase) -> None:
    """See nothing()."""


def read(session: SessionBase) -> None:
    """Load the session and look at what ``request.user`` looks at."""
    for key in LOGIN:
        session[key]


async def aread(session: SessionBase) -> None:
    """See read()."""
    for key in LOGIN:
        await session.aget(key)


def save(session: SessionBase) -> None:
    """Read, change one key, save."""
    read(session)
    session[KEY] = next(_numbers)
    session.save()


async def asave(session: SessionBase) -> None:
    """See save()."""
    await aread(session)
    await session.aset(KEY, next(_numbers))
    await session.asave()


def create(session: SessionBase) -> None:
    """Store a new session."""
    session.update(LOGGED_IN)
    session.save()


async def acreate(session: SessionBase) -> None:
    """See create()."""
    await session.aupdate(LOGGED_IN)
    await session.asave()


def login(session: SessionBase) -> None:
    """Read an anonymous session, give it a new key, note the user, save."""
    session["basket"]
    session.cycle_key()
    for key, value in LOGIN.items():  # one by one, as Django's login() does: an engine may look
        session[key] = value
    session.save()


async def alogin(session: SessionBase) -> None:
    """See login()."""
    await session.aget("basket")
    await session.acycle_key()
    for key, value in LOGIN.items():
        await session.aset(key, value)
    await session.asave()


def logout(session: SessionBase) -> None:
    """Read, then end the session."""
    read(session)
    session.flush()


async def alogout(session: SessionBase) -> None:
    """See logout()."""
    await aread(session)
    await session.aflush()


OPERATIONS = {
    "nothing": Operation(nothing, anothing, None),
    "read": Operation(read, aread, LOGGED_IN),
    "save": Operation(save, asave, LOGGED_IN),
    "create": Operation(create, acreate, None),
    "login": Operation(login, alogin, BASKET, uses_up=True),
    "logout": Operation(logout, alogout, LOGGED_IN, uses_up=True),
}
