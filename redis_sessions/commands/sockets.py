"""How the open sockets of a session are counted: by who listens to its channels."""

from collections.abc import Sequence
from operator import mul
from typing import Any

from . import Command

_DIGITS = 10  # of the number of sockets that one process has for one session
CHANNELS = 1 + _DIGITS  # of a session


def channels(record: str) -> list[str]:
    """Return the channels whose subscribers tell how many sockets a session has.

    A process with one socket listens to the record's own channel. With more, it also listens to
    those that stand for the binary digits of the others: 1, 2, 4 and so on. Nothing is published
    there. So what a process counts goes with its connection, however that ends.
    """
    return [f"{record}:sockets:{2**digit}" for digit in range(_DIGITS)]


def count(records: Sequence[str]) -> Command[list[int]]:
    """Count the open sockets of sessions."""
    names = [name for record in records for name in (record, *channels(record))]
    return Command(("PUBSUB", "NUMSUB", *names), _tallied, list)


def _tallied(reply: list[Any]) -> list[int]:
    weights, numbers = [1, *(2**digit for digit in range(_DIGITS))], reply[1::2]
    return [
        sum(map(mul, weights, numbers[start : start + len(weights)]))
        for start in range(0, len(numbers), len(weights))
    ]
