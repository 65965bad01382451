"""The ASGI application that real servers serve in the tests."""

import os

from asgiref.sync import sync_to_async
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
pages = get_asgi_application()

from django.core.cache import caches  # noqa: E402
from django.urls import path  # noqa: E402

from redis_sessions.live import LiveSessionMiddlewareStack  # noqa: E402
from tests.consumers import Counter, Told, ToldSync  # noqa: E402


class Noting(Told):
    """Notes in Redis how it was disconnected, for the test to see."""

    async def disconnect(self, code: int) -> None:
        await sync_to_async(caches["sessions"].set)("disconnected", code)


router = URLRouter(
    [
        path("told/", Noting.as_asgi()),
        path("told-sync/", ToldSync.as_asgi()),
        path("counter/", Counter.as_asgi()),
    ]
)
sockets = AllowedHostsOriginValidator(LiveSessionMiddlewareStack(router))
application = ProtocolTypeRouter({"http": pages, "websocket": sockets})
