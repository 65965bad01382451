"""Processes of the tests' own that do things to a session at the same moment."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import django
from django.conf import settings

from redis_sessions.exceptions import SessionGone
from tests.caches import patient_caches

Do = Callable[..., Any]
# Made with a half and a session key: it prepares itself up to its yield, acts behind that, and
# returns the session's key then.
Act = Callable[[Do, str], Generator[None, None, str]]

_barriers: dict[int, Any] = {}


def _begin(barriers: dict[int, Any]) -> None:
    django.setup()
    settings.CACHES = patient_caches()
    _barriers.update(barriers)


class Processes:
    """A few processes with Django's settings and connections of their own."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        barriers = {parties: context.Barrier(parties, timeout=60) for parties in (2, number)}
        self.number = number
        self._pool = ProcessPoolExecutor(
            number, mp_context=context, initializer=_begin, initargs=[barriers]
        )

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def at_once(self, half: str, keys: Sequence[str], *acts: Act) -> list[tuple[str, ...]]:
        """Do ``acts`` to each of the sessions, each act in a process, session by session.

        Returns for every session its key and, behind it, what each act returned, or the name of the
        SessionGone that it raised.
        """
        futures = [self._pool.submit(_perform, half, keys, act, len(acts)) for act in acts]
        return list(zip(keys, *[future.result() for future in futures], strict=True))


def _perform(half: str, keys: Sequence[str], act: Act, parties: int) -> list[str]:
    if half == "sync":
        return [_act(_call, act, key, parties) for key in keys]
    with asyncio.Runner() as runner:
        return [_act(lambda *args: runner.run(_acall(*args)), act, key, parties) for key in keys]


def _act(do: Do, act: Act, key: str, parties: int) -> str:
    steps = act(do, key)
    next(steps)
    _barriers[parties].wait()
    time.sleep(random.random() / 2000)
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    except SessionGone as error:
        return type(error).__name__
    raise AssertionError("an act yields once")


def _call(method: Callable[..., Any], *args: Any) -> Any:
    return method(*args)


async def _acall(method: Any, *args: Any) -> Any:
    return await getattr(method.__self__, f"a{method.__name__}")(*args)
