"""The measurements of a session engine by itself: operations, and memory in the server."""

import asyncio
import gc
import platform
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from importlib import import_module
from importlib.metadata import version
from itertools import cycle, islice
from typing import Any

import redis
from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from . import cores, operations
from .clocks import Clocks, Spent

SHARED = 50  # sessions, where an operation leaves them as they are
PACKAGES = ("Django", "channels", "asgiref", "django-redis", "redis", "hiredis", "uvicorn")
PACKAGES += ("websockets",)


class Stores:
    """A method without underscore answers one kind of request.

    The database at ``url`` is this process's alone: each measurement empties it first.
    """

    def __init__(self, engine: str, url: str, runner: asyncio.Runner, clocks: Clocks) -> None:
        self.engine = engine
        self.url = url
        self.client = redis.Redis.from_url(url)
        self.runner = runner
        self.clocks = clocks
        self.SessionStore = import_module(settings.SESSION_ENGINE).SessionStore

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part in this process, and of the server."""
        info = self.client.info("server")
        name = "valkey" if "valkey_version" in info else "redis"
        packages = {package: version(package) for package in PACKAGES}
        server = f"{name} {info[f'{name}_version']}"
        return {"Python": platform.python_version(), **packages, "server": server}

    def operation(self, name: str, half: str, tasks: int, count: int) -> Spent:
        """Run an operation ``count`` times, ``tasks`` at once; return what each took."""
        operation = operations.OPERATIONS[name]
        keys = self._session_keys(operation.holds, count if operation.uses_up else SHARED)
        sessions = islice(cycle(keys), count)
        cores.keep_to(cores.CLIENT[half])
        gc.collect()
        if half == "sync":
            return self._sync(operation.run, sessions, count)
        return self.runner.run(self._async(operation.arun, sessions, tasks, count))

    def memory(self, holds: str, count: int) -> dict[str, Any]:
        """Return the server's bytes for each session, whatever its keys, and their encodings."""
        self._session_keys(getattr(operations, holds), count)
        keys = list(self.client.scan_iter(count=1000))
        used = sum(self.client.memory_usage(key, samples=0) for key in keys)
        encodings = {self.client.object("ENCODING", key).decode() for key in keys}
        return {"bytes": used / count, "encoding": "+".join(sorted(encodings))}

    def _session_keys(self, holds: dict[str, Any] | None, number: int) -> list[str | None]:
        """Empty the database and return the keys of new sessions; None stands for one to begin."""
        self.client.flushdb()
        return [None] if holds is None else [self._stored(holds) for _ in range(number)]

    def _stored(self, holds: dict[str, Any]) -> str:
        session = self.SessionStore()
        session.update(holds)
        session.save()
        return session.session_key

    def _sync(
        self, run: Callable[[SessionBase], None], keys: Iterator[str | None], count: int
    ) -> Spent:
        spent = self.clocks.start()
        for key in keys:
            run(self.SessionStore(key))
        return spent(count)

    async def _async(
        self,
        arun: Callable[[SessionBase], Awaitable[None]],
        keys: Iterator[str | None],
        tasks: int,
        count: int,
    ) -> Spent:
        loop = asyncio.get_running_loop()

        async def request(key: str | None) -> None:
            async with ThreadSensitiveContext():  # as Django's ASGI handler does
                await arun(self.SessionStore(key))

        async def visitor() -> None:
            for key in keys:
                await loop.create_task(request(key), context=Context())

        spent = self.clocks.start()
        await asyncio.gather(*(visitor() for _ in range(tasks)))
        return spent(count)
