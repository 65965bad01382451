"""Which cores are for whom. The server has one of its own, where there are two or more.

A reply costs its reader half as much where it comes from the same core, and which core that is
would be chance. So sync code keeps off the server's core. Async code may have all cores: a site's
threads are not tied to one either, and what they cost one another is part of the figure.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

ALL = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER = ALL[-1:]
CLIENT = {"sync": ALL[:-1] or ALL, "async": ALL}


def keep_to(cores: list[int]) -> None:
    """Run this thread, and what it starts, on ``cores``; where the system cannot, do nothing."""
    if cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def started_on(cores: list[int]) -> Iterator[None]:
    """Have the processes that are started in here run on ``cores``."""
    keep_to(cores)
    try:
        yield
    finally:
        keep_to(ALL)
