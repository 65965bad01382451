"""What visitors do, with the verdict of the model on every answer."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from typing import Any

from . import wires
from .model import USER, Key, Kind, Model, View
from .registers import Write
from .wires import Answer
from .workers import Worker

HOLDS = (0, 0, 0, 0.02, 0.2)  # seconds between a page's reading and its save
STALE = 15.0  # seconds that an open socket may be behind, while faults keep news from it
LINGERS = 8.0  # seconds that a socket which was lost may go on to save

NOTHING, DONE, REFUSED = "nothing is known", "done", "refused"


class Acts:
    """One visitor's ways to use the site."""

    def __init__(self, model: Model, workers: Sequence[Worker], chance: random.Random) -> None:
        self.model = model
        self.workers = workers
        self.chance = chance
        self._number = 0

    async def read(self, key: Key, worker: Worker | None = None) -> str:
        """Read by HTTP, from any worker where none is named."""
        return (await self._page("read", key, worker))[0]

    async def write(self, key: Key, name: str) -> str:
        """Write one value by HTTP."""
        write = self.begin_write(key, name)
        values = {name: write.value, "hold": self.chance.choice(HOLDS)}
        outcome, began = await self._page("write", key, None, **values)
        self.settle(write, key, outcome, began)
        return outcome

    async def begin(self) -> Key | None:
        """Begin a session; None where it is not known whether that was done."""
        session = self.model.begin()
        key = Key("", session)
        write = self.begin_write(key, "first")
        answer, _ = await self._ask("write", key, None, owner=session.owner, first=write.value)
        if answer.status != 200 or not answer.cookie:
            return None
        write.acknowledged(monotonic())
        key.text = answer.cookie
        return key

    async def rotate(self, key: Key, user: int | None) -> Key | None:
        """Exchange the key, with a login where a user is named; None where the new one is lost."""
        key.leaving, write = monotonic(), None
        if user is not None:
            write = key.session.registers[USER].begin(str(user), key.leaving)
        path, arguments = ("rotate", {}) if user is None else ("log_in", {"user": user})
        answer, by = await self._ask(path, key, None, **arguments)
        if answer.status != 200 or not answer.cookie:
            return None
        key.gone = monotonic()
        if write is not None:
            write.acknowledged(key.gone)
        self.model.note(key.session, key.gone, f"{by} exchanged it for {answer.cookie[14:18]}")
        return Key(answer.cookie, key.session)

    async def leave(self, key: Key) -> None:
        """Log out until it is certain that the session ended."""
        while not await self._log_out(key):
            self.model.counts["logouts to be repeated"] += 1
            await asyncio.sleep(0.1)

    async def _log_out(self, key: Key) -> bool:
        key.session.leaving = min(key.session.leaving, monotonic())
        answer, by = await self._ask("log_out", key, None)
        if answer.status == 200:
            key.session.gone = min(key.session.gone, monotonic())
            self.model.note(key.session, key.session.gone, f"{by} with {key.text[14:18]} ended it")
        return answer.status == 200

    async def expire(self, key: Key, seconds: int) -> str:
        """Have the session expire so soon, if nobody writes to it again."""
        session = key.session
        session.leaving = min(session.leaving, monotonic() + seconds - 1)  # whole seconds count
        outcome, _ = await self._page("expire", key, None, seconds=seconds)
        if outcome == DONE:
            session.gone = monotonic() + seconds + 1
        return outcome

    def begin_write(self, key: Key, name: str) -> Write:
        self._number += 1
        return self.model.begin_write(key, name, self._number, monotonic())

    def settle(self, write: Write, key: Key, outcome: str, began: float) -> None:
        """Note what became of a write."""
        now = monotonic()
        if outcome == DONE:
            write.acknowledged(now)
            self.model.counts["acknowledged writes"] += 1
            self.model.written(key, began, now, f"{write.value}")
        else:
            write.given_up(now)
            self.model.counts["writes without an answer"] += 1
        self.model.note(key.session, now, f"{write.value} from {began:.3f}: {outcome}")

    async def _page(
        self, path: str, key: Key, worker: Worker | None, **arguments: Any
    ) -> tuple[str, float]:
        """Ask for a page that tells what the session held; return what became of it, and when."""
        began = monotonic()
        answer, by = await self._ask(path, key, worker, **arguments)
        view = View(by, began, monotonic())
        if answer.status == 400:
            self.model.refused(key, view.ended, by)
            return REFUSED, began
        if answer.status != 200:
            return NOTHING, began
        was_there = self.model.judge(key, answer.body, view)
        if was_there and answer.cookie not in {None, key.text}:
            self.model.find(Kind.READ, key.session, view.ended, f"{by} set another cookie")
        return (DONE if was_there else REFUSED), began

    async def _ask(
        self, path: str, key: Key, worker: Worker | None, **arguments: Any
    ) -> tuple[Answer, str]:
        worker = worker or self.chance.choice(self.workers)
        began, by = monotonic(), f"{worker} /{path}"
        try:
            answer = await wires.ask(worker.port, f"{worker.prefix}{path}", key.text, **arguments)
        except TimeoutError:
            self.model.find(Kind.STUCK, key.session, monotonic(), f"{by} does not answer")
            return Answer(0), by
        self._count(answer, monotonic() - began)
        if answer.status not in {0, 200, 400, 503}:
            text = f"{by} answered {answer.status}: {answer.body[:500]}"
            self.model.find(Kind.STUCK, key.session, monotonic(), text)
        if answer.cookie == "" and not (path == "log_out" or key.may_be_gone(monotonic())):
            self.model.find(Kind.READ, key.session, monotonic(), f"{by} deleted the cookie")
        return answer, by

    def _count(self, answer: Answer, seconds: float) -> None:
        self.model.counts["requests"] += 1
        if answer.status in {0, 503}:
            self.model.counts["503" if answer.status else "requests to a worker that ended"] += 1
        self.model.slowest = max(self.model.slowest, seconds)
