"""Views of the tests, each twice: at /wsgi/, and awaiting at /asgi/. Use them through Browser."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib import auth, messages
from django.contrib.auth.models import User
from django.core.signing import JSONSerializer
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import URLPattern, path
from django.utils.decorators import sync_and_async_middleware

from redis_sessions.exceptions import SessionStoreUnavailable


def happens(session_key: str | None) -> None:
    """Stand for what a test has happen elsewhere while a view is at work."""


def calls(request: HttpRequest) -> HttpResponse:
    """Call methods of the session, ``[[name, arg, ...], ...]``, and answer what they return.

    Where the name is "happens", that is called instead.
    """
    returned = []
    for name, *args in _calls(request):
        if name == "happens":
            happens(request.session.session_key)
        else:
            returned.append(getattr(request.session, name)(*args))
    return _answer(request, returned)


async def acalls(request: HttpRequest) -> HttpResponse:
    """See calls()."""
    returned = []
    for name, *args in _calls(request):
        if name == "happens":
            await sync_to_async(happens)(request.session.session_key)
        else:
            returned.append(await getattr(request.session, f"a{name}")(*args))
    return _answer(request, returned)


def _calls(request: HttpRequest) -> list[list[Any]]:
    return json.loads(request.GET["calls"])


def _answer(request: HttpRequest, returned: list[Any]) -> HttpResponse:
    return JsonResponse(
        {"key": request.session.session_key, "returned": returned},
        status=int(request.GET["status"]),
        json_dumps_params={"default": list},
    )


def clear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse()


async def aclear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse()


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def auntouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def append(request: HttpRequest) -> HttpResponse:
    """Change a nested value, and say nothing of it."""
    request.session["basket"]["tea"].append("mint")
    return HttpResponse()


async def aappend(request: HttpRequest) -> HttpResponse:
    """See append()."""
    (await request.session.aget("basket"))["tea"].append("mint")
    return HttpResponse()


def answers_for_itself(request: HttpRequest) -> HttpResponse:
    """Do without a session where its server is down."""
    try:
        request.session.get("name")
    except SessionStoreUnavailable:
        return HttpResponse("without")
    return HttpResponse("with")


async def aanswers_for_itself(request: HttpRequest) -> HttpResponse:
    """See answers_for_itself()."""
    try:
        await request.session.aget("name")
    except SessionStoreUnavailable:
        return HttpResponse("without")
    return HttpResponse("with")


def fails(request: HttpRequest) -> HttpResponse:
    request.session["name"] = "lost"
    raise ZeroDivisionError


async def afails(request: HttpRequest) -> HttpResponse:
    await request.session.aset("name", "lost")
    raise ZeroDivisionError


def streams(request: HttpRequest) -> StreamingHttpResponse:
    request.session["before"] = 1

    def lines() -> Any:
        yield b"first "
        request.session["within"] = 2
        request.session.save()
        yield b"second"

    return StreamingHttpResponse(lines())


async def astreams(request: HttpRequest) -> StreamingHttpResponse:
    await request.session.aset("before", 1)

    async def lines() -> AsyncIterator[bytes]:
        yield b"first "
        await request.session.aset("within", 2)
        await request.session.asave()
        yield b"second"

    return StreamingHttpResponse(lines())


def login(request: HttpRequest) -> HttpResponse:
    auth.login(request, User.objects.get(username=request.GET["user"]))
    return HttpResponse()


async def alogin(request: HttpRequest) -> HttpResponse:
    await auth.alogin(request, await User.objects.aget(username=request.GET["user"]))
    return HttpResponse()


def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse()


async def alogout(request: HttpRequest) -> HttpResponse:
    await auth.alogout(request)
    return HttpResponse()


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


async def awhoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


def change_password(request: HttpRequest) -> HttpResponse:
    request.user.set_password("another")
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return HttpResponse()


async def achange_password(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    user.set_password("another")
    await user.asave()
    request.user = user  # Django 5.2 asks for it, and would load it synchronously
    await auth.aupdate_session_auth_hash(request, user)
    return HttpResponse()


def say(request: HttpRequest) -> HttpResponse:
    messages.success(request, request.GET["text"])
    return HttpResponse()


async def asay(request: HttpRequest) -> HttpResponse:
    return say(request)


def said(request: HttpRequest) -> HttpResponse:
    return HttpResponse(", ".join(map(str, messages.get_messages(request))))


async def asaid(request: HttpRequest) -> HttpResponse:
    await request.session.aget("_messages")
    return said(request)


def token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


async def atoken(request: HttpRequest) -> HttpResponse:
    return token(request)


def only_a_theme(data: Mapping[str, Any]) -> bool:
    """Tell whether a session is obsolete for a site to which a theme is not worth keeping."""
    return not set(data) - {"theme"}


@sync_and_async_middleware
def without_session(get_response: Any) -> Any:
    """Take the session away, as a middleware for machines might."""

    def sync(request: HttpRequest) -> Any:
        del request.session
        return get_response(request)

    async def awaiting(request: HttpRequest) -> Any:
        del request.session
        return await get_response(request)

    return awaiting if iscoroutinefunction(get_response) else sync


class Restless(JSONSerializer):
    """Writes the same value in another way each time, as one that encrypts does."""

    def dumps(self, obj: Any) -> bytes:
        return super().dumps(obj) + os.urandom(8).hex().translate(_SPACES).encode()


_SPACES = str.maketrans("0123456789abcdef", " \t\n\r" * 4)


def _pair(name: str) -> list[URLPattern]:
    return [path(f"wsgi/{name}", globals()[name]), path(f"asgi/{name}", globals()[f"a{name}"])]


urlpatterns = [
    *_pair("calls"),
    *_pair("clear"),
    *_pair("untouched"),
    *_pair("append"),
    *_pair("answers_for_itself"),
    *_pair("fails"),
    *_pair("streams"),
    *_pair("login"),
    *_pair("logout"),
    *_pair("whoami"),
    *_pair("change_password"),
    *_pair("say"),
    *_pair("said"),
    *_pair("token"),
]
