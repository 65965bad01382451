"""One engine in a process of its own. It measures what it is told, one JSON line in, one out.

``python -m benchmarks.worker ENGINE URL``, where the database at URL is this process's alone. With
``counted`` behind that, round trips to it are what is measured.
"""

import asyncio
import json
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import django
from django.conf import settings

from tests.proxy import Proxy

from .clocks import Clocks
from .engines import ENGINES
from .live import Sockets


def main(engine: str, url: str, counted: str = "") -> None:
    """Answer requests until standard input ends."""
    with ExitStack() as stack:
        there, proxy = urlsplit(url), None
        if counted:
            proxy = stack.enter_context(Proxy(there.port))
            there = there._replace(netloc=f"127.0.0.1:{proxy.port}")
        settings.configure(**ENGINES[engine].settings(there.geturl()))
        django.setup()
        runner = stack.enter_context(asyncio.Runner())
        serve(Sockets(engine, url, runner, Clocks(proxy)))


def serve(bench: Sockets) -> None:
    """Answer each line of standard input."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(bench, request.pop("measure"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
