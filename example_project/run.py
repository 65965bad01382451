#!/usr/bin/env python
"""Start the demo site with all it needs, and take all of it away again at Ctrl-C."""

import argparse
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import django
import uvicorn
from django.core.management import call_command
from embedded import redis_url


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run(options.host, options.port)
    except KeyboardInterrupt:
        print("\nStopped.")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to serve (%(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="0: any free one (%(default)s)")
    return parser.parse_args()


def interrupt(signum: int, frame: object) -> None:
    """End by SIGTERM as by Ctrl-C: a killed process would leave Valkey and files behind."""
    raise KeyboardInterrupt


def run(host: str, port: int) -> None:
    with (
        listen(host, port) as listener,
        tempfile.TemporaryDirectory(prefix="sessions-demo-") as directory,
        redis_url(Path(directory)) as url,
    ):
        configure(host, url, directory)
        prepare_database()
        announce(host, listener.getsockname()[1])
        serve(listener)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0]
        sys.exit(
            f"Cannot serve at {host}, port {port}: {reason.rstrip('.')}.\n"
            "Choose another port with --port; --port 0 finds a free one."
        )


def configure(host: str, url: str, directory: str) -> None:
    """Tell the settings, which read the environment, where things are."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"
    os.environ.setdefault("DEMO_DATABASE", f"{directory}/demo.sqlite3")
    os.environ["DEMO_HOST"] = host
    os.environ["REDIS_URL"] = url
    django.setup()


def prepare_database() -> None:
    from django.contrib.auth.models import User

    call_command("migrate", verbosity=0, interactive=False)
    if not User.objects.filter(username="demo").exists():
        User.objects.create_superuser("demo", password="demo")


def announce(host: str, port: int) -> None:
    address = f"[{host}]" if ":" in host else host
    print(f"The demo is at http://{address}:{port}/ until Ctrl-C ends all of it.", flush=True)


def serve(listener: socket.socket) -> None:
    from demo.asgi import application

    config = uvicorn.Config(
        application, log_level="warning", lifespan="off", timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
