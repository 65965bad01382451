"""A run from its begin to its verdict."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import redis

from tests.faults.proxy import RemoteProxy
from tests.servers import Server

from . import vitals
from .acts import NOTHING, Acts
from .ghosts import Ghost, Passer
from .model import Key, Kind, Model
from .plan import plan
from .visitors import Visitor
from .weather import Weather
from .workers import Worker

KINDS = ("asgi", "wsgi", "asgi", "wsgi")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
SETTLES = 25.0  # seconds, for what is left of the load to be gone
FORMER = 200  # keys that are no good any more, looked at in the end
CROWD = 80  # more than a pool has connections
CROWDS = 2  # one after the other
PAUSE = 800  # milliseconds, in which all of the crowd have sent their commands


@dataclass(frozen=True)
class Load:
    """How much is done, and for how long."""

    seconds: float
    seed: int
    visitors: int = 8
    warm_up: float = 2.0


class Soak:
    """The server, its workers, the visitors and what they found."""

    def __init__(self, load: Load, server: str = "valkey") -> None:
        self.load = load
        self.model = Model()
        self.faults = plan(load.seed, load.seconds, len(KINDS))
        self.former: list[Key] = []  # keys that are not good any more
        self.before: dict[str, dict[str, int]] = {}
        self.after: dict[str, dict[str, int]] = {}
        self._server = Server(server, None, *DURABLE)
        self._seeds = 0

    async def run(self) -> Model:
        """Do it all, and return what was found."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="redis-sessions-soak-")))
            stack.callback(self._server.stop)
            self._server.start()
            self.ways = [stack.enter_context(RemoteProxy(self._server.port)) for _ in KINDS]
            pairs = zip(KINDS, self.ways, strict=True)
            self.workers = [Worker(kind, n, way.url, folder) for n, (kind, way) in enumerate(pairs)]
            for worker in self.workers:
                stack.callback(worker.end)
            await asyncio.gather(*(worker.start() for worker in self.workers))
            await self._measure()
            self._read_logs()
        return self.model

    async def _measure(self) -> None:
        await self._visit(self.load.warm_up, [])
        await self._crowd()
        self.before = await self._look()
        await self._visit(self.load.seconds, self.faults)
        await self._crowd()
        await self._compare()

    async def _visit(self, seconds: float, faults: Sequence[Any]) -> None:
        """Have the visitors there for so long, or until all faults are over; then look at all."""
        over = asyncio.Event()
        self._seeds += 1
        some = (self.model, self.workers, over)
        seed = self.load.seed * 10 + self._seeds
        visitors = [Visitor(n, *some, seed, self.former) for n in range(self.load.visitors)]
        others = [Ghost(*some, seed, self.former), Passer(*some, seed, self.former)]
        began = monotonic()
        async with asyncio.TaskGroup() as group:
            for each in (*visitors, *others):
                group.create_task(each.live())
            await Weather(self.model, self._server, self.ways, self.workers).rage(faults)
            await asyncio.sleep(max(0.0, began + seconds - monotonic()))
            over.set()
        await self._look_at_all(visitors)

    async def _look_at_all(self, visitors: Sequence[Visitor]) -> None:
        """Have every worker read every session that is there, and many of those that are not."""
        there = [visitor for visitor in visitors if visitor.current is not None]
        for worker in self.workers:
            for visitor in there:
                await self._insist(visitor.acts, visitor.current, worker)
        for key in self.former[-FORMER:]:
            await visitors[0].acts.read(key)

    async def _insist(self, acts: Acts, key: Key, worker: Worker) -> None:
        """Have a worker read a session; ask again for a while where it cannot yet."""
        deadline = monotonic() + SETTLES
        while await acts.read(key, worker) == NOTHING:
            if monotonic() > deadline:
                text = f"{worker} does not serve, {SETTLES:.0f} s after the last fault"
                self.model.find(Kind.STUCK, key.session, monotonic(), text)
                return
            await asyncio.sleep(0.1)

    async def _crowd(self) -> None:
        """Have each pool of threads asked by many at once: it has all its connections then."""
        acts = Acts(self.model, self.workers, random.Random(0))
        key = await acts.begin()
        pools = [worker for worker in self.workers if worker.kind == "wsgi"]
        for worker in pools * CROWDS if key else ():
            with redis.Redis(port=self._server.port) as client:
                client.client_pause(PAUSE)
            await asyncio.gather(*(acts.read(key, worker) for _ in range(CROWD)))

    async def _look(self) -> dict[str, dict[str, int]]:
        await asyncio.sleep(1.0)
        found = {worker.name: await worker.vitals() for worker in self.workers}
        with redis.Redis(port=self._server.port) as client:
            found["server"] = {"connections": len(client.client_list())}
        return found

    async def _compare(self) -> None:
        """Wait until there is no more of anything than before; else note what is left."""
        deadline = monotonic() + SETTLES
        while True:
            self.after = await self._look()
            grown = {
                name: vitals.grown(before, self.after[name]) for name, before in self.before.items()
            }
            left = [f"{name}: {', '.join(words)}" for name, words in grown.items() if words]
            if not left or monotonic() > deadline:
                break
        for text in left:
            self.model.find(Kind.LEFT, None, monotonic(), text)

    def _read_logs(self) -> None:
        """Note what a worker said that nobody foresaw."""
        for worker in self.workers:
            said = worker.log.read_text()
            for word in ("Traceback", "never retrieved", "was destroyed", "never awaited"):
                if word in said:
                    where = said.index(word)
                    text = f"{worker} said: {said[max(0, where - 500) : where + 3000]}"
                    self.model.find(Kind.STUCK, None, monotonic(), text)
                    break
