"""One engine in a process of its own. It measures what it is told, one JSON line in, one out.

``python -m benchmarks.worker ENGINE URL``, where the database at URL is this process's alone. With
``counted`` behind that, round trips and bytes to it are what is measured; with ``faulty SERVER``,
what users see while a server of that name, which is started for this, fails.
"""

import asyncio
import json
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import django
from django.conf import settings

from .clocks import Clocks
from .engines import CLIENT, ENGINES, FLOOR, OTHERS

if TYPE_CHECKING:
    from .stores import Stores


def main(engine: str, url: str, option: str = "", server: str = "") -> None:
    """Answer requests until standard input ends."""
    if option == "faulty":
        face_faults(engine, server)
        return
    with ExitStack() as stack:
        there, proxy = urlsplit(url), None
        if option:
            from tests.proxy import Proxy

            proxy = stack.enter_context(Proxy(there.port))
            there = there._replace(netloc=f"127.0.0.1:{proxy.port}")
        folder = Path(stack.enter_context(TemporaryDirectory()))
        settings.configure(**ENGINES[engine].settings(there.geturl(), folder))
        django.setup()
        runner = stack.enter_context(asyncio.Runner())
        serve(stack.enter_context(bench(engine)(engine, url, runner, Clocks(proxy))))


def face_faults(engine: str, server: str) -> None:
    """Answer requests for faults."""
    from .faulty import Faulty, Way

    with Way(server) as way:
        settings.configure(**way.settings(engine))
        django.setup()
        logging.disable()  # each error would be told at length
        serve(Faulty(way))


def bench(engine: str) -> "type[Stores]":
    """Return what measures an engine. Only that of ours and of its pair imports our package."""
    if engine in {other.name for other in OTHERS}:
        from .stores import Stores

        return Stores
    if engine == FLOOR.name:
        from .floor import Floor

        return Floor
    if engine == CLIENT.name:
        from .command import Client

        return Client
    from .bench import Bench

    return Bench


def serve(bench: Any) -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(bench, request.pop("measure"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
