"""Decorators for views and for a consumer's handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import isawaitable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from .locks import PATIENCE, TIMEOUT
from .session import SessionStore

Function = Callable[..., Any]
Held = tuple[float, float, str]  # the arguments of lock()


def serialized_by_session(
    view: Function | None = None, *, timeout: float = TIMEOUT, blocking_timeout: float = PATIENCE
) -> Function:
    """Have a view run under the lock of its session, one call after the other.

    For functions, methods of class-based views, and handlers of consumers; sync and async. With or
    without arguments, which are those of ``session.lock()``. The lock ends when the view returns: a
    streaming response and a template that is rendered later are not under it.
    """
    if view is None:
        return lambda given: serialized_by_session(
            given, timeout=timeout, blocking_timeout=blocking_timeout
        )
    held = (timeout, blocking_timeout, _name(view))

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        async with _session(args).alock(*held):
            return await view(*args, **kwargs)

    def called(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is not None:  # dispatch() of a view with async methods
            return awaited(*args, **kwargs)
        with _session(args).lock(*held):
            answer = view(*args, **kwargs)
        return _under_lock(answer, args, held) if isawaitable(answer) else answer

    return wraps(view)(awaited if iscoroutinefunction(view) else called)


async def _under_lock(answer: Awaitable[Any], args: tuple[Any, ...], held: Held) -> Any:
    """Await what dispatch() has only begun, where that is called before a loop runs."""
    async with _session(args).alock(*held):
        return await answer


def _name(view: Any) -> str:
    view = getattr(view, "func", view)  # a method that method_decorator() has bound
    return f"{view.__module__}.{view.__qualname__}"


def _session(args: tuple[Any, ...]) -> SessionStore:
    """Return the session of a request, or of a consumer."""
    for given in args[:2]:  # a method has its view in front of the request
        if isinstance(given, HttpRequest):
            return given.session  # type: ignore[return-value]
        if isinstance(getattr(given, "scope", None), dict) and "session" in given.scope:
            return given.scope["session"]  # type: ignore[no-any-return]
    raise TypeError("serialized_by_session needs a request or a consumer as first argument.")
