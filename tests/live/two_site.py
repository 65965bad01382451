"""The site that several server processes serve together.

``python -m tests.live.two_site`` makes its users.
"""

import json
import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from asgiref.sync import async_to_sync, sync_to_async  # noqa: E402
from django.contrib.auth import alogin, alogout, aupdate_session_auth_hash  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import caches  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

from redis_sessions.live import (  # noqa: E402
    LiveSessionMiddlewareStack,
    SessionEventsMixin,
    claim,
    login,
    logout,
)
from tests.consumers import Told, ToldSync  # noqa: E402
from tests.live import pages as visitors_pages  # noqa: E402


def note(what: str, value: Any) -> None:
    """Note in Redis what this process has seen, for the test."""
    caches["sessions"].set(f"{what} {os.getpid()}", value)


class Watching(SessionEventsMixin, Told):
    """Tells its client what others changed, and notes how it ended."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        session = self.scope["session"]
        changed = {key: session.get(key) for key in event["keys"]}
        await self.send_json({"changed": changed, "user": str(self.scope["user"])})

    async def session_ended(self, event: dict[str, Any]) -> None:
        await sync_to_async(note)("ended", (event["code"], event["reason"]))

    async def disconnect(self, code: int) -> None:
        await sync_to_async(note)("disconnected", code)

    async def log_in(self) -> None:
        await login(self.scope, await User.objects.aget(username="ada"))
        await self.send_json({"session_claim": await claim(self.scope)})

    async def log_out(self) -> None:
        await logout(self.scope)


class WatchingSync(SessionEventsMixin, ToldSync):
    """See Watching."""

    def session_changed(self, event: dict[str, Any]) -> None:
        session = self.scope["session"]
        changed = {key: session.get(key) for key in event["keys"]}
        self.send_json({"changed": changed, "user": str(self.scope["user"])})

    def session_ended(self, event: dict[str, Any]) -> None:
        note("ended", (event["code"], event["reason"]))

    def disconnect(self, code: int) -> None:
        note("disconnected", code)

    def log_in(self) -> None:
        async_to_sync(login)(self.scope, User.objects.get(username="ada"))
        self.send_json({"session_claim": async_to_sync(claim)(self.scope)})

    def log_out(self) -> None:
        async_to_sync(logout)(self.scope)


async def log_in(request: HttpRequest) -> HttpResponse:
    await alogin(request, await User.objects.aget(username="ada"))
    return HttpResponse()


async def log_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


async def change_password(request: HttpRequest) -> HttpResponse:
    """Let users change their password, and stay logged in here."""
    user = await request.auser()
    user.set_password("another")
    await user.asave()
    request.user = user  # Django 5.2 asks for it, and would load it synchronously
    await aupdate_session_auth_hash(request, user)
    return HttpResponse()


async def set_expiry(request: HttpRequest) -> HttpResponse:
    await request.session.aset_expiry(json.loads(request.body)["seconds"])
    return HttpResponse()


async def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await request.auser()))


urlpatterns = [
    path("log-in/", log_in),
    path("log-out/", log_out),
    path("change-password/", change_password),
    path("set-expiry/", set_expiry),
    path("who/", who),
    path("sessions/", include("redis_sessions.urls")),
    *visitors_pages.urlpatterns,
]
router = URLRouter(
    [
        path("told/", Told.as_asgi()),
        path("told-sync/", ToldSync.as_asgi()),
        path("watching/", Watching.as_asgi()),
        path("watching-sync/", WatchingSync.as_asgi()),
    ]
)
sockets = AllowedHostsOriginValidator(LiveSessionMiddlewareStack(router))
application = ProtocolTypeRouter({"http": pages, "websocket": sockets})

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    User.objects.create_user("ada")
