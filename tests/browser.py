"""A browser for the views of the tests, by Django's test clients, under WSGI and under ASGI."""

import json
from http.cookies import Morsel, SimpleCookie
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient, Client

OURS = "redis_sessions.middleware.SessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


class Browser:
    """Visits the sync views under WSGI, and keeps the cookies."""

    at = "/wsgi/"
    client_class: Any = Client

    def __init__(self, **options: Any) -> None:
        self.client = self.client_class(**options)

    def get(self, view: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self.client.get(self.at + view, query, headers=headers)

    def post(self, view: str, **form: Any) -> Any:
        return self.client.post(self.at + view, form)

    def call(self, *calls: list[Any], status: int = 200) -> Any:
        """Have the view call methods of the session: ``["get", "name"]``, and so on."""
        return self.get("calls", calls=json.dumps(calls), status=status)

    def returned(self, *calls: list[Any]) -> list[Any]:
        """Return what the methods returned."""
        return self.call(*calls).json()["returned"]

    @property
    def key(self) -> str | None:
        """The session key in the cookie."""
        cookie = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        return cookie.value if cookie and cookie.value else None

    @key.setter
    def key(self, key: str) -> None:
        self.client.cookies = SimpleCookie({settings.SESSION_COOKIE_NAME: key})


class AsyncBrowser(Browser):
    """Visits the async views under ASGI. Each request has an event loop of its own."""

    at = "/asgi/"
    client_class = AsyncClient

    def get(self, view: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
        return async_to_sync(self.client.get)(self.at + view, query, headers=headers)

    def post(self, view: str, **form: Any) -> Any:
        return async_to_sync(self.client.post)(self.at + view, form)


def cookie_of(response: Any) -> Morsel[str] | None:
    """Return the session cookie that a response sets; None where it says nothing of it."""
    return response.cookies.get(settings.SESSION_COOKIE_NAME)


def deletes_cookie(response: Any) -> bool:
    """Tell whether a response takes the session cookie away."""
    cookie = cookie_of(response)
    return cookie is not None and cookie["max-age"] == 0
