"""Serve the site in this process: ``python -m tests.soak.serve asgi|wsgi PORT``.

It ends with its standard input at the latest: with the process that started it.
"""

import os
import socket
import sys
import threading
from typing import Any

import django


def asgi(port: int) -> None:
    """Serve pages and sockets with uvicorn until SIGTERM."""
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.core.asgi import get_asgi_application
    from django.urls import path
    from uvicorn import run

    from redis_sessions.live import LiveSessionMiddlewareStack

    pages = get_asgi_application()
    from .site import Socket, SyncSocket

    router = URLRouter([path("async", Socket.as_asgi()), path("sync", SyncSocket.as_asgi())])
    both = {"http": pages, "websocket": LiveSessionMiddlewareStack(router)}
    application = ProtocolTypeRouter(both)
    options: dict[str, Any] = {"lifespan": "off", "log_level": "warning", "access_log": False}
    run(application, host="127.0.0.1", port=port, timeout_graceful_shutdown=3, **options)


def wsgi(port: int) -> None:
    """Serve pages, each request in a thread of its own, until SIGTERM."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing of each request."""

    class Server(ThreadedWSGIServer):
        request_queue_size = socket.SOMAXCONN

    application = get_wsgi_application()
    server = Server(("127.0.0.1", port), Handler)
    server.set_app(application)
    server.serve_forever()


def end_with_input() -> None:
    """Wait for the end of standard input, and end the process."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    django.setup()
    {"asgi": asgi, "wsgi": wsgi}[sys.argv[1]](int(sys.argv[2]))
