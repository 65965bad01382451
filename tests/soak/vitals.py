"""What a process holds of what may leak: tasks, objects, files, memory."""

import asyncio
import gc
import os
import threading
from collections import Counter
from pathlib import Path

_OURS = ("LiveSession", "Turn", "SessionStore", "Saver", "Hub", "Listener", "Wire")
_MORE = {"threads": min(32, (os.cpu_count() or 1) + 4)}  # asyncio's executor keeps those it made
_PAGE = os.sysconf("SC_PAGE_SIZE")


def look() -> dict[str, int]:
    """Return how much of everything there is in this process, which must have nothing else to do.

    To look at all objects holds those that another thread is just making: ``tuple()`` then fails.
    """
    gc.collect()
    found = Counter(type(each).__name__ for each in gc.get_objects())
    return {
        "pid": os.getpid(),
        "tasks": _tasks(),
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "kilobytes": _resident(),
        **{name: found[name] for name in _OURS},
    }


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # a thread of WSGI
        return 0


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE // 1024


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return what is more than it was before, or than it may be."""
    most = {name: count + _MORE.get(name, 0) for name, count in before.items() if name != "pid"}
    if "kilobytes" in most:  # what was freed lies between what was not
        most["kilobytes"] = int(before["kilobytes"] * 1.2)
    return [f"{name}: {before[name]} -> {after[name]}" for name in most if after[name] > most[name]]
