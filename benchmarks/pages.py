"""The pages of the site: with a session read, written, or logged in; and one without.

Below ``sync/`` are the same for WSGI.
"""

from django.contrib.auth import alogin, alogout, login
from django.http import HttpRequest, HttpResponse
from django.urls import path

from .operations import KEY
from .visitor import REMEMBERED, remembered

(_BACKEND,) = REMEMBERED.values()


def plain_sync(request: HttpRequest) -> HttpResponse:
    """Know no session."""
    return _answer("plain")


async def plain(request: HttpRequest) -> HttpResponse:
    """See plain_sync()."""
    return _answer("plain")


def read_sync(request: HttpRequest) -> HttpResponse:
    """Read who is logged in, and a key."""
    return _answer(f"{request.user.pk} {request.session[KEY]}")


async def read(request: HttpRequest) -> HttpResponse:
    """See read_sync()."""
    user = await request.auser()
    return _answer(f"{user.pk} {await request.session.aget(KEY)}")


def write_sync(request: HttpRequest) -> HttpResponse:
    """Change a key."""
    request.session[KEY] += 1
    return _answer(f"wrote {request.session[KEY]}")


async def write(request: HttpRequest) -> HttpResponse:
    """See write_sync()."""
    number = await request.session.aget(KEY) + 1
    await request.session.aset(KEY, number)
    return _answer(f"wrote {number}")


def login_sync(request: HttpRequest) -> HttpResponse:
    """Log in."""
    login(request, remembered(), _BACKEND)
    return _answer("in")


async def log_in(request: HttpRequest) -> HttpResponse:
    """See login_sync()."""
    await alogin(request, remembered(), _BACKEND)
    return _answer("in")


async def logout(request: HttpRequest) -> HttpResponse:
    """Log out."""
    await alogout(request)
    return HttpResponse(status=204)


def _answer(text: str) -> HttpResponse:
    return HttpResponse(text, headers={"Content-Length": str(len(text))})


urlpatterns = [
    path("plain/", plain),
    path("read/", read),
    path("write/", write),
    path("login/", log_in),
    path("logout/", logout),
    path("sync/plain/", plain_sync),
    path("sync/read/", read_sync),
    path("sync/write/", write_sync),
    path("sync/login/", login_sync),
]
