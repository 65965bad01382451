"""A site with the page of a user's sessions, and browsers in which somebody is logged in there."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any, Self

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.test import AsyncClient, Client
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from tests.people import BACKEND, FIREFOX

LIST, OTHERS = "/sessions/", "/sessions/end/others/"
LOGIN_PAGE = "{% for message in messages %}{{ message }}{% endfor %}"


def end_of(session_id: str) -> str:
    """Return where the form that ends a session is posted to."""
    return f"/sessions/end/{session_id}/"


def words(page: str) -> str:
    """Return the text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2])).split())


def templates(**own: str) -> list[dict[str, Any]]:
    """Return TEMPLATES with templates of the site's own before those of the package."""
    loaders = [
        ("django.template.loaders.locmem.Loader", {"login.html": LOGIN_PAGE, **own}),
        "django.template.loaders.app_directories.Loader",
    ]
    processors = [
        "django.template.context_processors.request",
        "django.contrib.messages.context_processors.messages",
    ]
    backend = "django.template.backends.django.DjangoTemplates"
    return [{"BACKEND": backend, "OPTIONS": {"loaders": loaders, "context_processors": processors}}]


HALVES: dict[str, tuple[Any, Callable[..., Any]]] = {
    "WSGI": (Client, lambda method: method),
    "ASGI": (AsyncClient, async_to_sync),
}


class Browser:
    """A browser of the site, under WSGI or under ASGI."""

    def __init__(self, half: str = "WSGI", agent: str = FIREFOX, **options: Any) -> None:
        self.half = half
        client_class, self._call = HALVES[half]
        self.client = client_class(**options)
        self.headers = {"User-Agent": agent}
        self.user: Any = None

    def log_in(self, user: User | None = None) -> Self:
        """Log in as a user; Ada where none is given."""
        self.user = user or User.objects.get_or_create(username="ada")[0]
        assert self.post("/in/", pk=str(self.user.pk)).status_code == 200
        return self

    def get(self, url: str = LIST, **query: str) -> Any:
        return self._call(self.client.get)(url, query, headers=self.headers)

    def post(self, url: str, **form: str) -> Any:
        return self._call(self.client.post)(url, form, headers=self.headers)

    def page(self, **query: str) -> str:
        """Return the page of the user's sessions."""
        response = self.get(**query)
        assert response.status_code == 200
        return response.content.decode()

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.client.cookies["sessionid"].value[:14]

    def is_signed_in(self) -> bool:
        return self.get().status_code == 200


Browse = Callable[..., Browser]


def in_rooms(settings: Any) -> None:
    """Make this the site of a test: a fixture."""
    settings.ROOT_URLCONF = __name__
    settings.TEMPLATES = templates()
    settings.LOGIN_URL = "in"


def browsing(request: pytest.FixtureRequest) -> Browse:
    """Make a browser in which a user, Ada where none is given, is logged in: a fixture."""
    return lambda user=None, **options: Browser(request.param, **options).log_in(user)


@csrf_exempt
def _login(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        login(request, User.objects.get(pk=request.POST["pk"]), BACKEND)
    return render(request, "login.html")


urlpatterns = [
    path("sessions/", include("redis_sessions.urls")),
    path("in/", _login, name="in"),
]
