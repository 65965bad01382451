"""What stands above and below the tables: versions, machine, effort; and all of it as JSON."""

import os
import platform
from collections.abc import Sequence
from typing import Any

from . import cores
from .engines import ENGINES
from .rounds import Samples


def load() -> list[float]:
    """Return how many processes wanted to run, on average of the last 1, 5 and 15 minutes."""
    return [round(average, 2) for average in os.getloadavg()]


def machine() -> dict[str, Any]:
    """Return what tells this machine from another, how its cores are shared out, and its load."""
    shares = {"server": cores.SERVER, **cores.CLIENT}
    release = ".".join(platform.release().split(".")[:2])  # the rest names whose machine it is
    name = f"{platform.system()} {release}, {platform.machine()}"
    return {"platform": name, "cores": shares, "load": load()}


def head(facts: dict[str, Any]) -> str:
    """Return the lines above the tables: what was measured with what."""
    shares, absent = facts["machine"]["cores"], facts["absent"]
    return "\n".join(
        (
            ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
            f"{facts['machine']['platform']}, load {facts['machine']['load'][0]}",
            "cores: " + ", ".join(f"{whose} {numbers}" for whose, numbers in shares.items()),
            *(f"not measured: {title}: {why}" for title, why in absent.items()),
        )
    )


def foot(facts: dict[str, Any]) -> str:
    """Return the line below the tables: how they came about."""
    effort = f"{facts['rounds']} rounds in {facts['seconds']:.0f} s"
    return (
        "\nMedians, and quartiles in brackets; the ratio is taken round by round."
        f" {effort}; load now {facts['load_after'][0]}."
    )


def document(samples: Sequence[Samples], facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, for JSON; the answers are in the order of the rounds."""
    measured = [
        {
            "part": entry.row.part,
            "group": entry.row.group,
            "name": entry.row.name,
            "request": entry.row.request,
            "samples": entry.answers,
        }
        for entry in samples
    ]
    titles = {engine.name: [engine.title, engine.sockets] for engine in ENGINES.values()}
    return facts | {"engines": titles, "rows": measured}
