"""The processes that serve the site, each with a way of its own to the server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import free_port

from . import wires

ROOT = Path(__file__).parents[2]
_TRIES = 3
STARTS = 60.0  # seconds, for a process to start or to end on a busy machine


class Worker:
    """A process of the site, ``asgi`` or ``wsgi``, on a port that it keeps when it starts again."""

    def __init__(self, kind: str, number: int, url: str, folder: Path) -> None:
        self.kind = kind
        self.name = f"{kind}{number}"
        self.port = free_port()
        self.prefix = "sync/" if kind == "wsgi" else ""
        self.log = folder / f"{self.name}.log"
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return self.name

    async def start(self) -> "Worker":
        """Start, and wait until it answers; on another port where somebody has taken this one."""
        for _ in range(_TRIES):
            if await self._starts():
                return self
            self.port, said = free_port(), self.log.read_text()
            self.log.unlink()
        raise RuntimeError(said)

    async def _starts(self) -> bool:
        words = [sys.executable, "-m", "tests.soak.serve", self.kind, str(self.port)]
        surroundings = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
            "REDIS_SESSIONS_TEST_URL": self._url,
            "MALLOC_ARENA_MAX": "2",  # or each thread that was busy once keeps memory of its own
        }
        await asyncio.to_thread(self._launch, words, surroundings)
        async with asyncio.timeout(STARTS):
            while not await self._answers():
                if self._process.poll() is not None:
                    return False
                await asyncio.sleep(0.05)
        return True

    def _launch(self, words: list[str], surroundings: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=ROOT, env=surroundings, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    async def _answers(self) -> bool:
        return (await wires.ask(self.port, f"{self.prefix}ping", "")).status == 200

    async def vitals(self) -> dict[str, Any]:
        """Return what the process holds; nothing where it does not answer."""
        answer = await wires.ask(self.port, f"{self.prefix}tell_vitals", "")
        return answer.body if answer.status == 200 else {}

    async def restart(self, *, kill: bool) -> None:
        """End the process, at once or as an init system does, and start it again."""
        await asyncio.to_thread(self.end, kill=kill)
        await self.start()

    def end(self, *, kill: bool = False) -> None:
        """End the process."""
        if self._process is None:
            return
        if not kill:
            self._process.terminate()
        else:
            self._process.kill()
        try:
            self._process.wait(STARTS)
        finally:
            self._process.kill()
            self._process.communicate()
            self._process = None
