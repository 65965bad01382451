"""Processes and turns: a server, processes for each engine, and rounds in which they alternate.

A round measures every row once, and the engines take turns row by row: what else the machine does
hits them alike.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from tests.servers import Server

from . import cores, rivals
from .engines import ENGINES, OTHERS, OURS
from .rows import Place, Row

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

    def __init__(self, engine: str, url: str, *options: str) -> None:
        self.engine = engine
        self._process = subprocess.Popen(
            rivals.command(engine, url, *options),
            env=rivals.environment(engine),
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
    """One run of some rows on one server, with workers and databases of their own for each engine.

    A worker starts when it is first asked. ``absent`` tells which rivals do not take part, and why.
    """

    def __init__(self, server: str, wanted: Sequence[Row]) -> None:
        self.samples = [Samples(row) for row in wanted]
        self.absent: dict[str, str] = {}
        self._server = Server(server, None, "--databases", str(len(ENGINES) * len(Place)))
        self._workers: dict[tuple[str, Place], Worker] = {}

    def __enter__(self) -> "Run":
        with ExitStack() as stack:
            stack.callback(self._server.stop)
            with cores.started_on(cores.SERVER):
                self._server.start()
            self._stack = stack
            self.versions = self._worker(OURS.name, Place.KEPT).ask({"measure": "versions"})
            self._try_engines()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _try_engines(self) -> None:
        """Have each engine do everything once. A rival that cannot is left out of all rows."""
        wanted = {name for samples in self.samples for name in samples.row.engines}
        for engine in wanted - {rival.name for rival in OTHERS}:
            self._worker(engine, Place.KEPT)  # all begin at once, and not one after the other
        absent: set[str] = set()
        for engine in (engine for name, engine in ENGINES.items() if name in wanted):
            try:
                if engine in OTHERS:
                    rivals.attempt(engine.name, self._url(engine.name, Place.KEPT))
                self.versions |= self._worker(engine.name, Place.KEPT).ask({"measure": "check"})
            except rivals.Unusable as error:
                self.absent[engine.title] = str(error)
                absent.add(engine.name)
        for samples in self.samples:
            engines = tuple(name for name in samples.row.engines if name not in absent)
            samples.row = replace(samples.row, engines=engines)

    def rounds(self, number: int) -> Iterator[int]:
        """Measure, in rounds after a smaller one to warm up; yield the number of each when done."""
        for samples in self.samples:
            self._warm_up(samples.row)
        for done in range(1, number + 1):
            for samples in self.samples:
                if samples.row.is_due(done):
                    self._measure(samples, samples.row.engines[:: 1 if done % 2 else -1])
            yield done

    def _warm_up(self, row: Row) -> None:
        if row.place not in {Place.FRESH, Place.FAULTY}:
            for engine in row.engines:
                self._worker(engine, row.place).ask(row.warm_up())

    def _measure(self, samples: Samples, engines: Sequence[str]) -> None:
        row = samples.row
        for engine in engines:
            if row.place is Place.FRESH:
                with closing(self._start(engine, row.place)) as worker:
                    samples.add(engine, worker.ask(row.request))
            else:
                samples.add(engine, self._worker(engine, row.place).ask(row.request))

    def _worker(self, engine: str, place: Place) -> Worker:
        if (engine, place) not in self._workers:
            worker = self._workers[engine, place] = self._start(engine, place)
            self._stack.callback(worker.close)
        return self._workers[engine, place]

    def _start(self, engine: str, place: Place) -> Worker:
        options = {Place.COUNTED: ["counted"], Place.FAULTY: ["faulty", self._server.name]}
        return Worker(engine, self._url(engine, place), *options.get(place, []))

    def _url(self, engine: str, place: Place) -> str:
        database = list(product(ENGINES, Place)).index((engine, place))
        return f"redis://127.0.0.1:{self._server.port}/{database}"
