"""Those who stay for a moment, and ghosts: they hold keys that are not good any more."""

import asyncio
import random
from collections.abc import Sequence
from math import inf
from time import monotonic

from .acts import Acts
from .model import Key, Model, View
from .visitors import PAUSE, SHARED, SOCKETS
from .wires import LOST, Socket
from .workers import Worker


class Passer:
    """Begins a session, ends it, looks whether it is gone, and does so again until ``over``."""

    def __init__(
        self,
        model: Model,
        workers: Sequence[Worker],
        over: asyncio.Event,
        seed: int,
        former: list[Key],
    ) -> None:
        self.chance = random.Random(-seed)
        self.acts = Acts(model, workers, self.chance)
        self._over = over
        self._former = former

    async def live(self) -> None:
        """Come and go."""
        while not self._over.is_set():
            await asyncio.sleep(self.chance.uniform(*PAUSE))
            key = await self.acts.begin()
            if key is None:
                continue
            await self.acts.leave(key)
            self._former.append(key)
            await self.acts.read(key)


class Ghost:
    """Tries keys that are not good any more, or never were, until ``over`` is set."""

    def __init__(
        self,
        model: Model,
        workers: Sequence[Worker],
        over: asyncio.Event,
        seed: int,
        former: list[Key],
    ) -> None:
        self.chance = random.Random(seed)
        self.model = model
        self.acts = Acts(model, workers, self.chance)
        self._sites = [worker for worker in workers if worker.kind == "asgi"]
        self._over = over
        self._former = former

    async def live(self) -> None:
        """Try one after the other."""
        while not self._over.is_set():
            await asyncio.sleep(self.chance.uniform(*PAUSE))
            if self._former:
                await self._try(self._forged(*self.chance.choices(self._former[-300:], k=2)))

    def _forged(self, one: Key, other: Key) -> Key:
        """Return a key as it was, or with the secret of another."""
        self.model.counts["keys that are no good"] += 1
        if one is other or self.chance.random() < 0.7:
            return one
        session = self.model.begin()
        session.gone = session.leaving = -inf
        return Key(one.text[:14] + other.text[14:], session)

    async def _try(self, key: Key) -> None:
        match self.chance.randrange(3):
            case 0:
                await self.acts.read(key)
            case 1:
                await self.acts.write(key, SHARED)
            case _:
                await self._open(key)

    async def _open(self, key: Key) -> None:
        worker, began = self.chance.choice(self._sites), monotonic()
        try:
            async with Socket(worker.port, self.chance.choice(SOCKETS), key.text) as socket:
                held = await socket.ask()
                view = View(f"{worker} socket of a ghost", began, monotonic())
                self.model.judge(key, held, view)
        except LOST:
            return
