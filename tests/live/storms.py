"""A process of its own that changes sessions faster than anybody reads them.

It gets a Job on its standard input, says when it begins, and at the end how many seconds it took.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from typing import Any

from redis_sessions import codec, executors, operations, tokens
from redis_sessions.commands import Command
from redis_sessions.data import Delta

BATCH = 100  # changes that leave together
BEGUN = b"begun\n"
LAST = "last"  # what the key "name" holds after the storm


@dataclass
class Job:
    """``changes`` in turn to the sessions with these keys, ``rate`` a second, 0 for all it can.

    A ``bare`` one only says that something was changed.
    """

    keys: list[str]
    changes: int
    rate: int = 10_000
    bare: bool = False


@dataclass
class Storm:
    """A storm that rages, and is ``over`` at its end."""

    job: Job
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """How many changes a second it was."""
        return self.job.changes / self.seconds


@contextlib.asynccontextmanager
async def raging(job: Job) -> AsyncIterator[Storm]:
    """Have it rage from here on, and wait for its end; then every session holds LAST."""
    storm, pipe = Storm(job), asyncio.subprocess.PIPE
    words = (sys.executable, "-m", "tests.live.storms")
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, env=environment)
    following = asyncio.ensure_future(_follow(process, storm))
    try:
        await storm.begun.wait()
        yield storm
        await following
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait([following])


async def _follow(process: asyncio.subprocess.Process, storm: Storm) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asdict(storm.job)).encode() + b"\n")
        assert await process.stdout.readline() == BEGUN
        storm.begun.set()
        storm.seconds = float(await process.stdout.readline())
        await process.wait()
    finally:  # whoever waits sees the error at the end
        storm.begun.set()
        storm.over.set()


def rage(job: Job) -> float:
    """Do it; return the seconds that it took."""
    keys, started = cycle(job.keys), time.monotonic()
    for done in range(0, job.changes, BATCH):
        some = islice(keys, BATCH)
        _send(_said(some) if job.bare else _saves(some, done))
        if job.rate:
            time.sleep(max(0.0, started + (done + BATCH) / job.rate - time.monotonic()))
    seconds = time.monotonic() - started
    for start in range(0, len(job.keys), BATCH):
        _send(_saves(job.keys[start : start + BATCH], LAST))
    return seconds


def _send(batch: Iterable[Command[Any]]) -> None:
    executors.run("sessions", *batch)


def _saves(keys: Iterable[str], value: Any) -> Iterator[Command[Any]]:
    from django.contrib.sessions.serializers import JSONSerializer

    changed = {codec.field_name("name"): codec.encode(value, JSONSerializer())}
    for text in keys:
        key, delta = tokens.split_key(text), Delta(changed, [], False, {})
        assert key is not None
        yield operations.save(key, 3600, None, delta, empty=False, writer="storm")


def _said(keys: Iterable[str]) -> Iterator[Command[Any]]:
    for text in keys:
        channel = operations.channel(text[:14])
        yield Command(("PUBLISH", channel, "saved storm"), int, int)


if __name__ == "__main__":
    import django

    django.setup()
    ordered = Job(**json.loads(sys.stdin.readline()))
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.flush()
    sys.stdout.write(f"{rage(ordered)}\n")
