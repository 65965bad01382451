"""One command alone, an HGETALL of a session: ours, and redis-py's clients with their defaults."""

from functools import cached_property
from typing import Any

import redis.asyncio

from redis_sessions import executors, operations
from redis_sessions.commands import Command, as_is, nothing
from redis_sessions.conf import config

from .operations import LOGGED_IN, Operation
from .stores import Stores

_FIELDS = len(LOGGED_IN)


def _hgetall(session: Any) -> Command[Any]:
    return Command(("HGETALL", operations.channel(session.id)), as_is, nothing)


def _ours(session: Any) -> None:
    assert len(executors.run(config().alias, _hgetall(session))[0]) > _FIELDS


async def _aours(session: Any) -> None:
    assert len((await executors.arun(config().alias, _hgetall(session)))[0]) > _FIELDS


OURS = Operation(_ours, _aours, LOGGED_IN)


class Client(Stores):
    """redis-py's clients: sync, and async with as many connections as tasks ask for."""

    def check(self) -> dict[str, str]:
        """See that both halves get what ours has stored."""
        ((key,), run) = self._session_keys(LOGGED_IN, 1), self._operation("command")
        run.run(self._begin(key))
        self.runner.run(run.arun(self._begin(key)))
        return {}

    def _operation(self, name: str) -> Operation:
        assert name == "command", name
        return Operation(self._run, self._arun, LOGGED_IN)

    def _run(self, session: Any) -> None:
        assert len(self.client.hgetall(operations.channel(session.id))) > _FIELDS

    async def _arun(self, session: Any) -> None:
        assert len(await self._aclient.hgetall(operations.channel(session.id))) > _FIELDS

    @cached_property
    def _aclient(self) -> Any:
        client = redis.asyncio.Redis.from_url(self.url)
        self.stack.callback(lambda: self.runner.run(client.aclose()))
        return client
