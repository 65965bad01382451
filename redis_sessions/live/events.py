"""How a consumer is told what happens to its session elsewhere."""

from typing import Any

from .socket import SCOPE_KEY


def watch(scope: Any) -> None:
    """Have the consumer of this scope told.

    It gets ``session_changed(event)`` with ``event["keys"]``, the sorted names of what was changed
    elsewhere, and before the socket is closed ``session_ended(event)`` with ``event["code"]`` and
    ``event["reason"]``. Both need a handler then. Changes that come while an event is handled are
    told together.
    """
    scope[SCOPE_KEY].watches = True


class SessionEventsMixin:
    """A consumer, async or sync, that is told what happens to its session. See watch()."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Run the consumer."""
        watch(scope)
        return await super().__call__(scope, receive, send)  # type: ignore[misc]
