"""Has the faults of a plan happen: to the server, on the way to it, to the workers."""

import asyncio
import os
import signal
from collections.abc import Sequence
from time import monotonic

import redis

from tests.faults.proxy import RemoteProxy
from tests.servers import Server

from .model import Model
from .plan import EVERYBODY, ON_THE_WAY, Fault
from .workers import Worker


class Weather:
    """The faults, one after the other. Worker n has the way of ``ways[n]`` to the server."""

    def __init__(
        self, model: Model, server: Server, ways: Sequence[RemoteProxy], workers: Sequence[Worker]
    ) -> None:
        self.model = model
        self.server = server
        self.ways = ways
        self.workers = workers

    async def rage(self, faults: Sequence[Fault]) -> None:
        """Have all of them happen, and wait for their end."""
        began = monotonic()
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at - monotonic()))
            self.model.weather.append((monotonic(), str(fault)))
            await self._happen(fault)

    @classmethod
    def knows(cls, name: str) -> bool:
        """Tell whether it can have this fault happen."""
        return name in ON_THE_WAY or hasattr(cls, _method(name))

    async def _happen(self, fault: Fault) -> None:
        if fault.name in ON_THE_WAY:
            await self._on_the_way(fault)
        else:
            await getattr(self, _method(fault.name))(fault)

    async def _on_the_way(self, fault: Fault) -> None:
        ways = self.ways if fault.worker == EVERYBODY else [self.ways[fault.worker]]
        for way in ways:
            await asyncio.to_thread(way.set, fault.name)
        await asyncio.sleep(fault.seconds)
        for way in ways:
            await asyncio.to_thread(way.clear)

    async def _server_killed(self, fault: Fault) -> None:
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.server.start)

    async def _server_stalled(self, fault: Fault) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        os.kill(self.server.pid, signal.SIGCONT)

    async def _connections_killed(self, fault: Fault) -> None:
        await asyncio.to_thread(self._kill, "normal")

    async def _listeners_killed(self, fault: Fault) -> None:
        await asyncio.to_thread(self._kill, "pubsub")

    def _kill(self, kind: str) -> None:
        with redis.Redis(port=self.server.port) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    async def _worker_killed(self, fault: Fault) -> None:
        await self.workers[fault.worker].restart(kill=True)

    async def _worker_stopped(self, fault: Fault) -> None:
        await self.workers[fault.worker].restart(kill=False)


def _method(name: str) -> str:
    return f"_{name.replace(' ', '_')}"
