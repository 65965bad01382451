"""One engine in a process of its own. It measures what it is told, one JSON line in, one out.

``python -m benchmarks.worker ENGINE URL``, where the database at URL is this process's alone: each
measurement empties it first.
"""

import asyncio
import gc
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from importlib import import_module
from importlib.metadata import version
from itertools import cycle, islice
from typing import Any

import django
import redis
from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from . import cores, operations
from .engines import ENGINES

SHARED = 50  # sessions, where an operation leaves them as they are
PACKAGES = ("Django", "asgiref", "django-redis", "redis", "hiredis")


class Bench:
    """The measurements of one engine. A method without underscore answers one kind of request."""

    def __init__(self, client: redis.Redis, runner: asyncio.Runner) -> None:
        self.client = client
        self.runner = runner
        self.SessionStore = import_module(settings.SESSION_ENGINE).SessionStore

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part in this process, and of the server."""
        info = self.client.info("server")
        name = "valkey" if "valkey_version" in info else "redis"
        packages = {package: version(package) for package in PACKAGES}
        server = f"{name} {info[f'{name}_version']}"
        return {"Python": platform.python_version(), **packages, "server": server}

    def operation(self, name: str, half: str, tasks: int, count: int) -> dict[str, float]:
        """Run an operation ``count`` times, ``tasks`` at once; return microseconds for each.

        ``cpu`` is the time of this process in all its threads, calls into the system included.
        """
        operation = operations.OPERATIONS[name]
        keys = self._session_keys(operation.holds, count if operation.uses_up else SHARED)
        sessions = islice(cycle(keys), count)
        cores.keep_to(cores.CLIENT[half])
        gc.collect()
        if half == "sync":
            seconds = self._sync(operation.run, sessions)
        else:
            seconds = self.runner.run(self._async(operation.arun, sessions, tasks))
        return {metric: spent / count * 1e6 for metric, spent in seconds.items()}

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
        self, run: Callable[[SessionBase], None], keys: Iterator[str | None]
    ) -> dict[str, float]:
        stop = _start()
        for key in keys:
            run(self.SessionStore(key))
        return stop()

    async def _async(
        self, arun: Callable[[SessionBase], Awaitable[None]], keys: Iterator[str | None], tasks: int
    ) -> dict[str, float]:
        loop = asyncio.get_running_loop()

        async def request(key: str | None) -> None:
            async with ThreadSensitiveContext():  # as Django's ASGI handler does
                await arun(self.SessionStore(key))

        async def visitor() -> None:
            for key in keys:
                await loop.create_task(request(key), context=Context())

        stop = _start()
        await asyncio.gather(*(visitor() for _ in range(tasks)))
        return stop()


def _start() -> Callable[[], dict[str, float]]:
    """Start the clocks; what is returned reads them, in seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    return lambda: {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def main(engine: str, url: str) -> None:
    """Answer requests until standard input ends."""
    settings.configure(**ENGINES[engine].settings(url))
    django.setup()
    with redis.Redis.from_url(url) as client, asyncio.Runner() as runner:
        bench = Bench(client, runner)
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(bench, request.pop("measure"))(**request)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
