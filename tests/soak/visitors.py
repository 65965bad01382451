"""The visitors: each has a session after the other, used by several tabs at once."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic

from .acts import DONE, LINGERS, NOTHING, REFUSED, STALE, Acts
from .model import Key, Kind, Model, View
from .wires import LOST, Socket
from .workers import Worker

SHARED = "shared"  # what all tabs write
PAGES = ("page 1", "page 2")  # tabs of HTTP, and what each of them writes
SOCKETS = ("async", "sync")  # tabs with a socket
ENDS = ("logout", "logout", "expiry", "forgotten")
ENDED = {4400, 4401, 4402, 4403, 4404, 4405, 4406}  # closes that say: this key is not good any more
PAUSE = (0.02, 0.25)  # seconds that a tab waits between two things that it does


class Visitor:
    """Somebody who begins sessions, uses them, and ends them, until ``over`` is set."""

    def __init__(
        self,
        number: int,
        model: Model,
        workers: Sequence[Worker],
        over: asyncio.Event,
        seed: int,
        former: list[Key],
    ) -> None:
        self.chance = random.Random(seed * 1000 + number)
        self.model = model
        self.acts = Acts(model, workers, self.chance)
        self.current: Key | None = None
        self._user = number + 1
        self._sites = [worker for worker in workers if worker.kind == "asgi"]
        self._over = over
        self._former = former  # keys that are not good any more, of all visitors

    async def live(self) -> None:
        """Have one session after the other."""
        while not self._over.is_set():
            self.current = await self.acts.begin()
            if self.current is None:
                await self._pause()
                continue
            async with asyncio.TaskGroup() as tabs:
                pages = [tabs.create_task(self._page(page)) for page in PAGES]
                sockets = [tabs.create_task(self._socket(path)) for path in SOCKETS]
                await self._go_through([*pages, *sockets])

    async def _go_through(self, tabs: Sequence[asyncio.Task[None]]) -> None:
        """Exchange the key a few times, with and without a login, and then end the session."""
        for user in self.chance.sample([None, None, self._user], 3):
            await self._pause(6)
            if self._over.is_set():
                return  # it stays, to be looked at in the end
            key = self.current
            fresh = await self.acts.rotate(key, user)
            self._former.append(key)
            self.current = fresh
            if fresh is None:  # the answer was lost, and the key with it
                return
        await self._pause(6)
        await self._end(self.chance.choice(ENDS), tabs)

    async def _end(self, how: str, tabs: Sequence[asyncio.Task[None]]) -> None:
        key = self.current
        if how == "expiry":
            self.current = None
            await asyncio.wait(tabs)  # nobody is to renew it
            await asyncio.sleep(LINGERS / 2)
            while await self.acts.expire(key, 2) == NOTHING:
                await self._pause()
        if how == "logout":
            await self.acts.leave(key)
        self.current = None
        self._former.append(key)

    async def _page(self, name: str) -> None:
        """Read and write by HTTP, this tab's own value or the one that all of them write."""
        while (key := self.current) is not None and not self._over.is_set():
            match self.chance.randrange(4):
                case 0:
                    await self.acts.read(key)
                case 1:
                    await self.acts.write(key, SHARED)
                case _:
                    await self.acts.write(key, name)
            await self._pause()

    async def _socket(self, path: str) -> None:
        """Read and write over a socket, and open another where it was closed."""
        while (key := self.current) is not None and not self._over.is_set():
            worker, began = self.chance.choice(self._sites), monotonic()
            socket = Socket(worker.port, path, key.text)
            try:
                async with socket:
                    by, is_there = f"{worker} {path} socket", True
                    while is_there and self.current is key and not self._over.is_set():
                        is_there = await self._frame(socket, key, path, by, began)
                        await self._pause()
            except TimeoutError:
                text = f"{worker} {path} socket does not answer"
                self.model.find(Kind.STUCK, key.session, monotonic(), text)
            except LOST:
                if socket.code in ENDED:
                    self.model.refused(key, monotonic(), f"{worker} {path} socket, {socket.code},")
            await self._pause()

    async def _frame(self, socket: Socket, key: Key, own: str, by: str, opened: float) -> bool:
        """Send a frame that reads or writes; tell whether the session was there."""
        name, began = self.chance.choice([None, own, own, SHARED]), monotonic()
        write = None if name is None else self.acts.begin_write(key, name)
        try:
            held = await socket.ask(**({} if write is None else {name: write.value}))
        except BaseException:
            if write is not None:
                self.acts.settle(write, key, NOTHING, began)
                write.given_up(monotonic() + LINGERS)
            raise
        self.model.counts["frames"] += 1
        stale = min(STALE, began - opened)  # what was there at the connect was read then
        is_there = self.model.judge(key, held, View(by, began, monotonic(), stale, own))
        if write is not None:
            self.acts.settle(write, key, DONE if is_there else REFUSED, began)
        return is_there

    async def _pause(self, times: float = 1) -> None:
        await asyncio.sleep(self.chance.uniform(*PAUSE) * times)
