"""One session for Channels consumers and HTTP: ``scope["session"]`` and ``scope["user"]``, live.

Wrap a router or consumer in ``LiveSessionMiddlewareStack``, as in Channels' ``AuthMiddlewareStack``.
"""

from .codes import CloseCode
from .middleware import LiveSessionMiddleware, LiveSessionMiddlewareStack

__all__ = ["CloseCode", "LiveSessionMiddleware", "LiveSessionMiddlewareStack"]
