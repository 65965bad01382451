"""Processes and turns: a server, a process for each engine, and rounds in which they alternate.

A round measures every row once, and the engines take turns row by row: what else the machine does
hits them alike.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import Server

from . import cores
from .engines import ENGINES
from .rows import Row

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Samples:
    """What a row gave: for each engine the answers, in the order of the rounds."""

    row: Row
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, engine: str, answer: dict[str, Any]) -> None:
        """Keep an answer of an engine."""
        self.answers.setdefault(engine, []).append(answer)

    def of(self, engine: str, metric: str) -> list[Any]:
        """Return one metric of one engine."""
        return [answer[metric] for answer in self.answers[engine]]


class Worker:
    """A process in which one engine runs."""

    def __init__(self, engine: str, url: str) -> None:
        self.engine = engine
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", engine, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for this process; a worker ends with its input
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request. Raises RuntimeError where the process has ended."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its output has ended as well
        answer = self._process.stdout.readline()
        if not answer:
            status = self._process.wait()
            raise RuntimeError(f"the process of {self.engine!r} ended at {request}: exit {status}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)


class Run:
    """One run of some rows on one server, with a worker and a database for each engine."""

    def __init__(self, server: str, wanted: Sequence[Row]) -> None:
        self.samples = [Samples(row) for row in wanted]
        self._server = Server(server)

    def __enter__(self) -> "Run":
        with ExitStack() as stack:
            stack.callback(self._server.stop)
            with cores.started_on(cores.SERVER):
                self._server.start()
            self._workers = [self._worker(stack, *numbered) for numbered in enumerate(ENGINES)]
            self.versions = self._workers[0].ask({"measure": "versions"})
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def rounds(self, number: int) -> Iterator[int]:
        """Measure, in rounds after a smaller one to warm up; yield the number of each when done."""
        for samples in self.samples:
            for worker in self._workers:
                worker.ask(samples.row.warm_up())
        for done in range(1, number + 1):
            order = self._workers if done % 2 else self._workers[::-1]
            for samples in self.samples:
                if samples.row.timed or done == 1:
                    self._measure(samples, order)
            yield done

    def _worker(self, stack: ExitStack, database: int, engine: str) -> Worker:
        worker = Worker(engine, f"redis://127.0.0.1:{self._server.port}/{database}")
        stack.callback(worker.close)
        return worker

    def _measure(self, samples: Samples, order: Sequence[Worker]) -> None:
        for worker in order:
            samples.add(worker.engine, worker.ask(samples.row.request))
