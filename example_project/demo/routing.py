"""WebSocket addresses. The Origin check keeps other sites from opening a socket with our cookie."""

from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from redis_sessions.live import LiveSessionMiddlewareStack

from .consumers import LivePanel

websocket = AllowedHostsOriginValidator(
    LiveSessionMiddlewareStack(URLRouter([path("live/", LivePanel.as_asgi())]))
)
