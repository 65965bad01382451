"""The ASGI application: HTTP goes to Django, a WebSocket to the consumer."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
http = ASGIStaticFilesHandler(get_asgi_application())  # sets Django up: the rest comes after

from channels.routing import ProtocolTypeRouter  # noqa: E402

from .routing import websocket  # noqa: E402

application = ProtocolTypeRouter({"http": http, "websocket": websocket})
