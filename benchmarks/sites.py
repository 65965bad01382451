"""Processes that serve the site of an engine, as long as they are wanted."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
_STARTS = 60  # seconds, for a process to start or to end on a busy machine


class Sites:
    """The site of an engine, once for each of ``servers``. They share the sessions, and no more."""

    def __init__(self, engine: str, url: str, *servers: str) -> None:
        self.ports = tuple(free_port() for _ in servers)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.site", engine, url, str(port), server],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,  # that of this process is for answers
            )
            for server, port in zip(servers, self.ports, strict=True)
        ]

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _STARTS
        while not all(_answers(port) for port in self.ports):
            ended = any(each.poll() is not None for each in self._processes)
            if ended or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("the site did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(_STARTS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
