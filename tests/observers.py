"""What tests look with: the batches that leave for the server, the commands that arrive there."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_sessions import executors
from redis_sessions.commands import Command
from redis_sessions.session import SessionStore

Batch = tuple[Command[Any], ...]


def recorded_batches(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Return a list that grows with each batch of commands; they run all the same."""
    batches: list[Batch] = []
    run, arun = executors.run, executors.arun

    def recording_run(alias: str, *commands: Command[Any], **options: Any) -> list[Any]:
        batches.append(commands)
        return run(alias, *commands, **options)

    async def recording_arun(alias: str, *commands: Command[Any], **options: Any) -> list[Any]:
        batches.append(commands)
        return await arun(alias, *commands, **options)

    monkeypatch.setattr(executors, "run", recording_run)
    monkeypatch.setattr(executors, "arun", recording_arun)
    return batches


def commands_run(client: redis.Redis) -> int:
    """Return how many commands the server has run since it started, for anyone."""
    stats = client.info("commandstats")
    return sum(stat["calls"] for name, stat in stats.items() if name != "cmdstat_info")


def contents(client: redis.Redis) -> dict[bytes, tuple[bytes, int]]:
    """Return every key of the server with the bytes it holds and when it expires."""
    return {key: (client.dump(key), client.pexpiretime(key)) for key in client.scan_iter()}


@contextlib.contextmanager
def nothing_stored(client: redis.Redis) -> Iterator[None]:
    """Fail where anything is stored, changed, removed, or given another expiry."""
    before = contents(client)
    yield
    assert contents(client) == before, "something was stored"


@contextlib.contextmanager
def no_commands(client: redis.Redis) -> Iterator[None]:
    """Fail where any command reaches the server."""
    before = commands_run(client)
    yield
    assert commands_run(client) == before, "a command reached the server"


def again(session: SessionStore) -> SessionStore:
    """Return another object for the same session, as the next request has."""
    return SessionStore(session.session_key)
