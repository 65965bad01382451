"""Serve the site with an engine: ``python -m benchmarks.site ENGINE URL PORT SERVER``."""

import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from .consumers import application
from .engines import ENGINES
from .visitor import leave_users_alone, make_user

WORKERS = 2  # of gunicorn


def site(engine: str, url: str) -> Any:
    """Return the ASGI application."""
    settings.configure(**ENGINES[engine].settings(url, Path(gettempdir())))
    django.setup()
    leave_users_alone()
    make_user()
    both = {"http": get_asgi_application(), "websocket": application(engine)}
    return ProtocolTypeRouter(both)


def uvicorn(engine: str, url: str, port: int) -> None:
    """Serve in this process until SIGTERM."""
    from uvicorn import run

    made = site(engine, url)
    run(made, port=port, lifespan="off", log_level="warning", access_log=False)


def gunicorn(engine: str, url: str, port: int) -> None:
    """Serve in ``WORKERS`` processes until SIGTERM."""
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("workers", WORKERS)
            self.cfg.set("worker_class", "uvicorn_worker.UvicornWorker")
            self.cfg.set("loglevel", "warning")

        def load(self) -> Any:
            return site(engine, url)  # in each worker

    Application().run()


if __name__ == "__main__":
    {"uvicorn": uvicorn, "gunicorn": gunicorn}[sys.argv[4]](*sys.argv[1:3], int(sys.argv[3]))
