"""A load of writers that know what their sessions must hold: in threads, in tasks, on sockets.

A writer counts up one number in a session of its own: it reads, writes one more, and takes a save
that returned (or a frame that answered) for acknowledged.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from redis_sessions import connections
from redis_sessions.exceptions import NotReplicated, SessionStoreUnavailable
from redis_sessions.live import LiveSessionMiddlewareStack
from redis_sessions.session import SessionStore
from tests.live.visitors import Socket
from tests.sentinels import eventually

PAUSE = 0.005  # seconds between two calls of a writer


class Bumper(AsyncJsonWebsocketConsumer):
    """Stores the number that it gets, and answers with the one that was there before."""

    async def receive_json(self, content: int) -> None:
        before = self.scope["session"]["n"]
        self.scope["session"]["n"] = content
        await self.send_json(before)


class Writer:
    """What a writer did, and what it saw."""

    def __init__(self, kind: str) -> None:
        self.kind, self.last = kind, 0
        self.acknowledged: list[int] = []
        self.successes: list[float] = []  # when
        self.errors: list[tuple[float, str]] = []  # how long each took, and what it was
        self.lost: list[int] = []  # what was acknowledged, and was not there any more
        self.wrong: list[int] = []  # what was never written, and was read
        session = SessionStore()
        session["n"] = 0
        session.save()
        self.key = str(session.session_key)

    def next(self) -> int:
        self.last += 1
        return self.last

    def saw(self, number: int) -> None:
        """Compare what was read with what must be there."""
        if number > self.last:
            self.wrong.append(number)
        while self.acknowledged and self.acknowledged[-1] > number:
            self.lost.append(self.acknowledged.pop())

    def back(self, since: float) -> float | None:
        """Return the seconds from then to the next success; None where there is none yet."""
        return next((moment - since for moment in self.successes if moment > since), None)

    @contextmanager
    def call(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except SessionStoreUnavailable as error:
            self.errors.append((time.monotonic() - started, type(error).__name__))
        else:
            self.acknowledged.append(self.last)
            self.successes.append(time.monotonic())


class Load:
    """Writers of each kind, who work until the end of ``with``. What else they meet is raised."""

    def __init__(self, threads: int = 2, tasks: int = 4, sockets: int = 4) -> None:
        self.writers = [
            Writer(kind)
            for kind, number in (("sync", threads), ("async", tasks), ("live", sockets))
            for _ in range(number)
        ]
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(threads + 1)
        self._futures: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._futures = [
            self._pool.submit(self._in_a_thread, one) for one in self.writers if one.kind == "sync"
        ]
        self._futures.append(self._pool.submit(lambda: asyncio.run(self._in_a_loop())))
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown()
        connections.close()
        for future in self._futures:
            future.result()

    def all(self, condition: Callable[[Writer], Any]) -> None:
        """Wait until that is true of each writer."""
        eventually(lambda: self._goes_on() and all(condition(one) for one in self.writers))

    def _goes_on(self) -> bool:
        for future in self._futures:
            if future.done():
                future.result()
        return True

    def _in_a_thread(self, writer: Writer) -> None:
        while not self._stopped.wait(PAUSE):
            with writer.call():
                session = SessionStore(writer.key)
                writer.saw(session["n"])
                session["n"] = writer.next()
                session.save()

    async def _in_a_loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for writer in self.writers:
                if writer.kind != "sync":
                    group.create_task(self._as_task(writer, writer.kind == "live"))

    async def _as_task(self, writer: Writer, is_live: bool) -> None:
        cookie = f"{settings.SESSION_COOKIE_NAME}={writer.key}".encode()
        application = LiveSessionMiddlewareStack(Bumper.as_asgi())
        if not is_live:
            while not self._stopped.is_set():
                with writer.call():
                    await self._save(writer)
                await asyncio.sleep(PAUSE)
            return
        async with Socket(application, "/", [(b"cookie", cookie)]) as socket:
            while not self._stopped.is_set():
                with writer.call():
                    await socket.send_json_to(writer.next())
                    writer.saw(await socket.receive_json_from())
                await asyncio.sleep(PAUSE)

    async def _save(self, writer: Writer) -> None:
        session = SessionStore(writer.key)
        writer.saw(await session.aget("n"))
        await session.aset("n", writer.next())
        await session.asave()


def figures(load: Load, since: float) -> dict[str, dict[str, Any]]:
    """Return what is worth telling of each kind of writer, from a moment on."""
    told = {}
    for kind in ("sync", "async", "live"):
        if not (writers := [one for one in load.writers if one.kind == kind]):
            continue
        errors = [error for one in writers for error in one.errors]
        told[kind] = {
            "seconds to the first success": round(max(one.back(since) for one in writers), 2),
            "errors": len(errors),
            "of them not replicated": sum(name == NotReplicated.__name__ for _, name in errors),
            "slowest error": round(max([seconds for seconds, _ in errors], default=0), 2),
            "lost": sum(len(one.lost) for one in writers),
            "wrong": sum(len(one.wrong) for one in writers),
        }
    return told
