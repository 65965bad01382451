"""Connections over a fork after their first use, as a preloading application server forks."""

import asyncio
import gc
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings

from redis_sessions.session import SessionStore
from tests.caches import patient_caches


def _stored(name: str) -> str:
    session = SessionStore()
    session["name"] = name
    session.save()
    return session.session_key


async def _read(key: str) -> Any:
    return await SessionStore(key).aget("name")


async def _read_at_once(key: str) -> list[Any]:
    return await asyncio.gather(*[_read(key) for _ in range(10)])


def _exercise(name: str) -> None:
    """Use both halves for a while; every value must be this process's own."""
    key = _stored(name)
    for _ in range(5):
        assert [SessionStore(key)["name"] for _ in range(10)] == [name] * 10
        assert asyncio.run(_read_at_once(key)) == [name] * 10


def _fork(name: str) -> int:
    """Fork a child that exercises sessions, and return its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        _exercise(name)
        gc.collect()
        status = 0
    except BaseException:  # noqa: BLE001 - the child must not go on as the parent
        traceback.print_exc()
    finally:
        os._exit(status)


def _fork_several(number: int) -> list[int]:
    return [_fork(f"child {position}") for position in range(number)]


def _all_succeed(children: list[int]) -> bool:
    return [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)


def preloaded() -> None:
    """Use sessions in every way, fork four children that do so too, and go on meanwhile."""
    _exercise("before")
    key = _stored("parent")
    children = _fork_several(4)
    for _ in range(50):
        assert SessionStore(key)["name"] == "parent"
        assert async_to_sync(_read)(key) == "parent"
    assert _all_succeed(children)
    assert SessionStore(key)["name"] == "parent"


def beside_an_open_loop() -> None:
    """Fork while a loop with connections is open; the children begin loops of their own."""
    key = _stored("parent")
    with asyncio.Runner() as runner:
        assert runner.run(_read_at_once(key)) == ["parent"] * 10
        children = _fork_several(3)
        for _ in range(50):
            assert runner.run(_read(key)) == "parent"
        assert _all_succeed(children)
        assert runner.run(_read_at_once(key)) == ["parent"] * 10


def beside_busy_threads() -> None:
    """Fork while threads are using the connections."""
    key, done = _stored("busy"), threading.Event()

    def stay_busy() -> None:
        while not done.is_set():
            assert SessionStore(key)["name"] == "busy"

    threads = [threading.Thread(target=stay_busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert all(_all_succeed(_fork_several(2)) for _ in range(2))
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _play(scene: Callable[[], None]) -> None:
    settings.CACHES = patient_caches()
    scene()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this platform lacks")
@pytest.mark.parametrize(
    "scene", [preloaded, beside_an_open_loop, beside_busy_threads], ids=lambda scene: scene.__name__
)
def test_forked_processes_never_share_a_connection(scene: Callable[[], None]) -> None:
    clean = multiprocessing.get_context("spawn").Process(target=_play, args=[scene])
    clean.start()
    try:
        clean.join(60)
        assert clean.exitcode == 0
    finally:
        clean.kill()
        clean.join()
        clean.close()
