"""Which faults come when: made from a seed, the same each time. No I/O."""

import random
from dataclasses import dataclass

from tests.faults.kinds import FAULTS

EVERYBODY = -1
STEADY = 2  # workers that are never restarted, so that what they leave behind would show
OF_THE_SERVER = {  # seconds that a fault lasts, from and to; 0 is a moment
    "server killed": (0.1, 1.5),
    "server stalled": (0.3, 2.0),
    "connections killed": (0, 0),
    "listeners killed": (0, 0),
}
OF_A_WORKER = {"worker killed": (0, 0), "worker stopped": (0, 0)}
ON_THE_WAY = {
    **dict.fromkeys(("reset before", "reset within", "reset after"), (0.05, 0.5)),
    **dict.fromkeys(("black hole", "latency 50 ms", "latency 2 s"), (0.5, 2.5)),
    **dict.fromkeys(("refused", "max clients", "byte by byte"), (0.2, 1.0)),
    **dict.fromkeys(("LOADING", "READONLY", "OOM", "BUSY", "NOSCRIPT"), (0.5, 2.0)),
}
LENGTHS = {**OF_THE_SERVER, **OF_A_WORKER, **ON_THE_WAY}
PAUSES = (0.1, 1.5)  # seconds between the end of a fault and the next

assert set(ON_THE_WAY) <= set(FAULTS)


@dataclass(frozen=True)
class Fault:
    """A fault, ``at`` so many seconds of a run, for ``seconds``, of one worker or EVERYBODY."""

    at: float
    name: str
    seconds: float
    worker: int = EVERYBODY

    def __str__(self) -> str:
        whose = "" if self.worker == EVERYBODY else f", worker {self.worker}"
        length = f", {self.seconds:.2f} s" if self.seconds else ""
        return f"{self.name}{whose}{length}"


def plan(seed: int, seconds: float, workers: int) -> list[Fault]:
    """Return the faults of a run; each comes once before one comes again."""
    chance, names = random.Random(seed), []
    faults: list[Fault] = []
    at = chance.uniform(*PAUSES)
    while True:
        names = names or chance.sample(sorted(LENGTHS), len(LENGTHS))
        name = names.pop()
        length = round(chance.uniform(*LENGTHS[name]), 3)
        if at + length > seconds:
            return faults
        faults.append(Fault(round(at, 3), name, length, _worker(name, workers, chance)))
        at += length + chance.uniform(*PAUSES)


def _worker(name: str, workers: int, chance: random.Random) -> int:
    if name in OF_THE_SERVER:
        return EVERYBODY
    if name in OF_A_WORKER:
        return chance.randrange(STEADY, workers)
    return chance.choice([EVERYBODY, *range(workers)])
