"""The measurement of faults: some users, a server of their own, and what fails meanwhile."""

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import gettempdir
from threading import Event, Thread
from typing import Any, Self

import redis
from django.core.handlers.wsgi import WSGIHandler

from tests.faults.proxy import RemoteProxy
from tests.servers import Server

from .engines import ENGINES
from .faults import COLUMNS, LENGTHS

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
THREADS = 4
USERS = 5  # of each thread, who ask in turn
WARM_UP = 0.5  # seconds
CALM = 1.0  # seconds without a failure, after which all is over
PATIENCE = 20.0  # seconds to wait for that
RESETS = 20


class Way:
    """A server that keeps what it acknowledged, and a proxy before it."""

    def __init__(self, server: str) -> None:
        self.server = Server(server, None, *DURABLE)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(self.server.stop)
        self.server.start()
        self.proxy = self._stack.enter_context(RemoteProxy(self.server.port))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def settings(self, engine: str) -> dict[str, Any]:
        """Return the settings of a site with an engine; django-redis is as it comes."""
        entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": self.proxy.url}
        return {
            **ENGINES[engine].settings(self.proxy.url, Path(gettempdir())),
            "CACHES": {"default": entry},
            "ROOT_URLCONF": "benchmarks.faulty_pages",
        }


class Faulty:
    """Answers requests for faults."""

    def __init__(self, way: Way) -> None:
        from .visitor import leave_users_alone

        self.way = way
        self._idle = Event()
        leave_users_alone()
        self._handler = WSGIHandler()

    def fault(self, name: str) -> dict[str, Any]:
        """Have a fault happen while users are there; return what they saw."""
        from .faulty_users import User, go_on

        crowds = [[User(self._handler) for _ in range(USERS)] for _ in range(THREADS)]
        users, over = [user for crowd in crowds for user in crowd], Event()
        threads = [Thread(target=go_on, args=(crowd, self._idle, over)) for crowd in crowds]
        for thread in threads:
            thread.start()
        time.sleep(WARM_UP)
        self._happen(name, users)
        ended = time.monotonic()
        while time.monotonic() < max([ended, *(user.failed for user in users)]) + CALM:
            if time.monotonic() > ended + PATIENCE:
                break
            time.sleep(0.01)
        over.set()
        for thread in threads:
            thread.join()
        return _figures(users, ended)

    def _happen(self, name: str, users: list[Any]) -> None:
        seconds = LENGTHS[name]
        if name.startswith("server"):
            self._break_server(name, seconds)
        elif name.startswith("connections"):
            self._kill_idle(users)
        elif name.startswith("reset"):
            for _ in range(RESETS):
                self.way.proxy.set(name.removesuffix(" a reply"), 1)
                time.sleep(0.05)
            self.way.proxy.clear()
        else:
            self.way.proxy.set(name)
            time.sleep(seconds)
            self.way.proxy.clear()

    def _break_server(self, name: str, seconds: float) -> None:
        server = self.way.server
        if "killed" in name:
            server.kill()
            time.sleep(seconds)
            server.start()
        else:
            os.kill(server.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(server.pid, signal.SIGCONT)

    def _kill_idle(self, users: list[Any]) -> None:
        self._idle.set()
        while sum(user.is_idle for user in users) < THREADS:
            time.sleep(0.01)
        with redis.Redis(port=self.way.server.port) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self._idle.clear()


def _figures(users: list[Any], ended: float) -> dict[str, Any]:
    counts: Counter[str] = sum((user.counts for user in users), Counter())
    last = max(user.failed for user in users)
    return {name: counts[name] for name in COLUMNS} | {
        "recovery": max(0.0, last - ended) if last < ended + PATIENCE else None,
        "slowest": max(user.slowest for user in users),
    }
