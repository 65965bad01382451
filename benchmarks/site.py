"""A process that serves the site with an engine: ``python -m benchmarks.site ENGINE URL PORT``."""

import sys

import django
import uvicorn
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from .consumers import application
from .engines import ENGINES
from .visitor import make_user


def main(engine: str, url: str, port: str) -> None:
    """Serve until SIGTERM."""
    settings.configure(**ENGINES[engine].settings(url))
    django.setup()
    make_user()
    site = {"http": get_asgi_application(), "websocket": application(engine)}
    uvicorn.run(ProtocolTypeRouter(site), port=int(port), lifespan="off", log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
