"""The measurements of a session engine by itself: operations, and memory in the server."""

import asyncio
import gc
import platform
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from contextvars import Context
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle, islice
from typing import Any, Self

import redis
from asgiref.sync import ThreadSensitiveContext
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from . import cores, operations, trial
from .clocks import Clocks, Spent
from .engines import ENGINES
from .operations import Operation

SHARED = 50  # sessions, where an operation leaves them as they are
PACKAGES = ("Django", "channels", "asgiref", "django-redis", "redis", "hiredis", "uvicorn")
PACKAGES += ("websockets", "uvloop", "httptools", "gunicorn")


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
        self.database = apps.get_model(ENGINES[engine].model) if ENGINES[engine].model else None
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        if self.database:
            trial.make_tables()
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part in this process, and of the server."""
        info = self.client.info("server")
        name = "valkey" if "valkey_version" in info else "redis"
        packages = {package: found for package in PACKAGES if (found := _version(package))}
        server = f"{name} {info[f'{name}_version']}"
        return {"Python": platform.python_version(), **packages, "server": server}

    def check(self) -> dict[str, str]:
        """Have the engine do everything once, and tell which version of its package did."""
        package = ENGINES[self.engine].package
        trial.check_origin(self.SessionStore, package)
        for name, operation in operations.OPERATIONS.items():
            for half in ("sync", "async"):
                (key,) = self._session_keys(operation.holds, 1)
                trial.check(self, name, half, key)
        return {package: version(package)} if package else {}

    def operation(self, name: str, half: str, tasks: int, count: int, kilobytes: int = 0) -> Spent:
        """Run an operation ``count`` times, ``tasks`` at once; return what each took.

        With ``kilobytes`` each session holds one large value as well.
        """
        operation = self._operation(name)
        holds = operation.holds and operation.holds | operations.large(kilobytes)
        keys = self._session_keys(holds, count if operation.uses_up else SHARED)
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

    def _operation(self, name: str) -> Operation:
        return operations.OPERATIONS[name]

    def _begin(self, key: str | None) -> SessionBase:
        return self.SessionStore(key)

    def _session_keys(self, holds: dict[str, Any] | None, number: int) -> list[str | None]:
        """Empty the database and return the keys of new sessions; None stands for one to begin."""
        self.client.flushdb()
        if self.database:
            self.database.objects.all().delete()
        return [None] if holds is None else [self._stored(holds) for _ in range(number)]

    def _stored(self, holds: dict[str, Any]) -> str:
        session = self.SessionStore()
        session.update(holds)
        session.save()
        return session.session_key

    def _sync(
        self, run: Callable[[SessionBase], None], keys: Iterator[str | None], count: int
    ) -> Spent:
        begin = self._begin
        spent = self.clocks.start()
        for key in keys:
            run(begin(key))
        return spent(count)

    async def _async(
        self,
        arun: Callable[[SessionBase], Awaitable[None]],
        keys: Iterator[str | None],
        tasks: int,
        count: int,
    ) -> Spent:
        loop, begin = asyncio.get_running_loop(), self._begin

        async def request(key: str | None) -> None:
            async with ThreadSensitiveContext():  # as Django's ASGI handler does
                await arun(begin(key))

        async def visitor() -> None:
            for key in keys:
                await loop.create_task(request(key), context=Context())

        spent = self.clocks.start()
        await asyncio.gather(*(visitor() for _ in range(tasks)))
        return spent(count)


def _version(package: str) -> str | None:
    """Return the version of a package; None for one that is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
