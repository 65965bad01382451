"""The site: pages and consumers that change a session as they are told, and say what it holds.

Who is logged in is known without a database, which is not what is tried here.
"""

import asyncio
import json
import time
from typing import Any

from asgiref.sync import iscoroutinefunction
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.urls import path

from . import vitals

BACKEND = "tests.soak.site.Remembered"


class Remembered:
    """An authentication backend that knows every user by heart."""

    def get_user(self, user_id: Any) -> User:
        return User(pk=int(user_id), username=f"user{user_id}", password="!unusable")

    async def aget_user(self, user_id: Any) -> User:
        """See get_user()."""
        return self.get_user(user_id)


def state(items: Any) -> dict[str, Any]:
    """Return what is told of a session: all that it holds but what belongs to Django."""
    held = dict(items)
    user = held.get(auth.SESSION_KEY)
    values = {key: value for key, value in held.items() if not key.startswith("_")}
    return {**values, **({"user": user} if user is not None else {})}


async def read(request: HttpRequest) -> dict[str, Any]:
    return state(await request.session.aitems())


async def write(request: HttpRequest, **values: Any) -> dict[str, Any]:
    held = state(await request.session.aitems())
    await request.session.aupdate(values)
    return held


async def log_in(request: HttpRequest, user: int) -> dict[str, Any]:
    await auth.alogin(request, Remembered().get_user(user), BACKEND)
    return {}


async def log_out(request: HttpRequest) -> dict[str, Any]:
    await auth.alogout(request)
    return {}


async def rotate(request: HttpRequest) -> dict[str, Any]:
    await request.session.acycle_key()
    return {}


async def expire(request: HttpRequest, seconds: int) -> dict[str, Any]:
    held = state(await request.session.aitems())
    await request.session.aset_expiry(seconds)
    return held


async def ping(request: HttpRequest) -> dict[str, Any]:
    return {}


async def tell_vitals(request: HttpRequest) -> dict[str, Any]:
    return vitals.look()


def read_sync(request: HttpRequest) -> dict[str, Any]:
    return state(request.session.items())


def write_sync(request: HttpRequest, **values: Any) -> dict[str, Any]:
    held = state(request.session.items())
    request.session.update(values)
    return held


def log_in_sync(request: HttpRequest, user: int) -> dict[str, Any]:
    auth.login(request, Remembered().get_user(user), BACKEND)
    return {}


def log_out_sync(request: HttpRequest) -> dict[str, Any]:
    auth.logout(request)
    return {}


def rotate_sync(request: HttpRequest) -> dict[str, Any]:
    request.session.cycle_key()
    return {}


def expire_sync(request: HttpRequest, seconds: int) -> dict[str, Any]:
    held = state(request.session.items())
    request.session.set_expiry(seconds)
    return held


def ping_sync(request: HttpRequest) -> dict[str, Any]:
    return {}


def tell_vitals_sync(request: HttpRequest) -> dict[str, Any]:
    return vitals.look()


def page(act: Any) -> Any:
    """Return the view of an act: its arguments come as JSON, and what it returns leaves so.

    With ``hold``, the view takes so many seconds more: the session is saved behind that.
    """

    async def aview(request: HttpRequest) -> JsonResponse:
        hold, arguments = told(request)
        response = answer(await act(request, **arguments))
        await asyncio.sleep(hold)
        return response

    def view(request: HttpRequest) -> JsonResponse:
        hold, arguments = told(request)
        response = answer(act(request, **arguments))
        time.sleep(hold)
        return response

    return aview if iscoroutinefunction(act) else view


def told(request: HttpRequest) -> tuple[float, dict[str, Any]]:
    arguments = json.loads(request.body)
    return arguments.pop("hold", 0), arguments


def answer(held: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(held)
    response.headers["Content-Length"] = str(len(response.content))  # a browser knows what is whole
    return response


class Socket(AsyncJsonWebsocketConsumer):
    """Answers a frame, ``{}`` or values to write, with what the session held before."""

    async def receive_json(self, content: dict[str, Any]) -> None:
        held = state(self.scope["session"].items())
        self.scope["session"].update(content)
        await self.send_json(held)


class SyncSocket(JsonWebsocketConsumer):
    """See Socket."""

    def receive_json(self, content: dict[str, Any]) -> None:
        held = state(self.scope["session"].items())
        self.scope["session"].update(content)
        self.send_json(held)


ACTS = (ping, read, write, log_in, log_out, rotate, expire, tell_vitals)
SYNC = (ping_sync, read_sync, write_sync, log_in_sync, log_out_sync, rotate_sync, expire_sync)
urlpatterns = [
    *(path(act.__name__, page(act)) for act in ACTS),
    *(path(f"sync/{act.__name__.removesuffix('_sync')}", page(act)) for act in SYNC),
    path("sync/tell_vitals", page(tell_vitals_sync)),
]
