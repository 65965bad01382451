"""Live sessions: ``scope["session"]`` and ``scope["user"]``, shared by consumers and HTTP.

Wrap a router or a consumer in ``LiveSessionMiddlewareStack``.
"""

from .codes import CloseCode
from .middleware import LiveSessionMiddleware, LiveSessionMiddlewareStack

__all__ = ["CloseCode", "LiveSessionMiddleware", "LiveSessionMiddlewareStack"]
