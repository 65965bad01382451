"""Live sessions: ``scope["session"]`` and ``scope["user"]``, shared by consumers and HTTP.

Wrap a router or a consumer in ``LiveSessionMiddlewareStack``.
"""

from .codes import CloseCode
from .events import SessionEventsMixin, watch
from .middleware import LiveSessionMiddleware, LiveSessionMiddlewareStack
from .users import claim, login, logout

__all__ = [
    "CloseCode",
    "LiveSessionMiddleware",
    "LiveSessionMiddlewareStack",
    "SessionEventsMixin",
    "claim",
    "login",
    "logout",
    "watch",
]
