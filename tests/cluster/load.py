"""Load on sessions, sync and async, and a model that knows what each of them has to hold."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore

PAUSE = 0.002  # seconds between two saves of a worker: the machine has other work


class Counter:
    """A session that counts up. One worker writes it."""

    def __init__(self) -> None:
        session = SessionStore()
        session["n"] = 0
        session.save()
        self.key, self.id = session.session_key, session.id
        self.tried = self.acknowledged = 0
        self.acknowledged_at = 0.0

    def found(self) -> int:
        """Return what the server holds."""
        return SessionStore(self.key)["n"]


class Load:
    """Workers, and what they met with: errors by time, and how long the longest call took."""

    def __init__(self, number: int) -> None:
        self.counters = [Counter() for _ in range(number)]
        self.saves = 0
        self.errors: list[tuple[float, Counter]] = []
        self.slowest = 0.0
        self._wrong: list[BaseException] = []
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        half = len(self.counters) // 2
        works: list[Callable[[], None]] = [
            lambda: self._count_all(self.counters[:half]),
            lambda: asyncio.run(self._acount_all(self.counters[half:])),
        ]
        threads = [threading.Thread(target=self._guard, args=[work]) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        for error in self._wrong:
            raise error

    def acknowledged(self) -> dict[Counter, int]:
        """Return what the server has acknowledged by now."""
        return {counter: counter.acknowledged for counter in self.counters}

    def tell(self, since: float = 0.0) -> None:
        """Print the figures, for ``pytest -rP``; the last error is so many seconds after."""
        last = max((when - since for when, _ in self.errors), default=0.0)
        print(  # noqa: T201
            f"{self.saves} saves, {len(self.errors)} errors, the last after {last:.2f} s;"
            f" the slowest call took {self.slowest:.3f} s"
        )

    def has_saved_all_since(self, moment: float) -> bool:
        return all(counter.acknowledged_at > moment for counter in self.counters)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised where the load is awaited
            self._wrong.append(error)

    def _count_all(self, counters: list[Counter]) -> None:
        while not self._over.is_set():
            for counter in counters:
                with self._noted(counter):
                    session = SessionStore(counter.key)
                    session["n"] = counter.tried
                    session.save()
                time.sleep(PAUSE)

    async def _acount_all(self, counters: list[Counter]) -> None:
        async def count(counter: Counter) -> None:
            while not self._over.is_set():
                with self._noted(counter):
                    session = SessionStore(counter.key)
                    await session.aset("n", counter.tried)
                    await session.asave()
                await asyncio.sleep(PAUSE * len(counters))

        await asyncio.gather(*map(count, counters))

    @contextmanager
    def _noted(self, counter: Counter) -> Iterator[None]:
        counter.tried += 1
        started = time.monotonic()
        try:
            yield
        except SessionStoreUnavailable:
            self.errors.append((time.monotonic(), counter))
        else:
            counter.acknowledged, counter.acknowledged_at = counter.tried, time.monotonic()
            self.saves += 1
        self.slowest = max(self.slowest, time.monotonic() - started)


def lost(found: dict[Counter, int], promised: dict[Counter, int]) -> dict[Any, Any]:
    """Return the counters that hold less than was promised, with both numbers."""
    return {one.id: (found[one], least) for one, least in promised.items() if found[one] < least}
