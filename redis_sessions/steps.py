"""Work of several steps, written once: a generator yields a step, and is sent what came of it.

run() and arun() drive the same generator, so that nothing above has to exist twice.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import router
from django.dispatch import Signal

from . import executors
from .commands import Command
from .conf import config

T = TypeVar("T")


class Step(Protocol):
    """Something to be done that takes I/O."""

    def run(self) -> Any:
        """Do it."""

    async def arun(self) -> Any:
        """See run()."""


Work = Generator[Step, Any, T]


def run(work: Work[T]) -> T:
    """Do all steps, and return what the generator returns. What a step raises, it may catch."""
    try:
        step = next(work)
        while True:
            try:
                answer = step.run()
            except Exception as error:  # noqa: BLE001 - handed on
                step = work.throw(error)
            else:
                step = work.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


async def arun(work: Work[T]) -> T:
    """See run()."""
    try:
        step = next(work)
        while True:
            try:
                answer = await step.arun()
            except Exception as error:  # noqa: BLE001 - handed on
                step = work.throw(error)
            else:
                step = work.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


class Send:
    """Commands that leave together; gives their meanings. Raises SessionStoreUnavailable."""

    def __init__(self, *commands: Command[Any]) -> None:
        self.commands = commands

    def run(self) -> list[Any]:
        return executors.run(config().alias, *self.commands, replicas=config().WAIT_REPLICAS)

    async def arun(self) -> list[Any]:
        """See run()."""
        return await executors.arun(config().alias, *self.commands, replicas=config().WAIT_REPLICAS)


class Pause:
    """Some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self) -> None:
        """Wait."""
        time.sleep(self.seconds)

    async def arun(self) -> None:
        """See run()."""
        await asyncio.sleep(self.seconds)


class FindUser:
    """A user by what the session calls them; gives None where there is none.

    ``fresh`` asks the database that is written to: a replica may not know a new password yet.
    """

    def __init__(self, user_id: str, *, fresh: bool = False) -> None:
        model = get_user_model()
        database = router.db_for_write(model) if fresh else router.db_for_read(model)
        pk = model._meta.pk.to_python(user_id)
        self._found = model._base_manager.using(database).filter(pk=pk)

    def run(self) -> Any:
        return self._found.first()

    async def arun(self) -> Any:
        """See run()."""
        return await self._found.afirst()


class Ask:
    """What a site's function says; called in a thread where a loop is running."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._function, self._args = function, args

    def run(self) -> Any:
        return self._function(*self._args)

    async def arun(self) -> Any:
        """See run()."""
        return await sync_to_async(self._function)(*self._args)


class Tell:
    """A signal."""

    def __init__(self, signal: Signal, sender: Any, **told: Any) -> None:
        self._signal, self._sender, self._told = signal, sender, told

    def run(self) -> None:
        self._signal.send_robust(self._sender, **self._told)

    async def arun(self) -> None:
        """See run()."""
        await self._signal.asend_robust(self._sender, **self._told)
