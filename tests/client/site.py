"""A site whose page has the client and nothing else, and whose consumer does as it is told.

Run it with ``python -m tests.client.site PORT``.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import django

django.setup()

import uvicorn  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.contrib.auth import alogin, alogout, get_user_model  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import FileResponse, HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

from redis_sessions import views  # noqa: E402
from redis_sessions.live import LiveSessionMiddlewareStack, claim, login  # noqa: E402

SCRIPT = '<!DOCTYPE html><title>page</title><script src="/static/redis_sessions/live.js"></script>'
MODULE = '<!DOCTYPE html><title>page</title><script type="module" src="/module.js"></script>'
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


class Told(AsyncJsonWebsocketConsumer):
    """``{"do": "who"}`` has the method ``who`` run; ``?close=CODE`` closes what it accepted."""

    async def connect(self) -> None:
        await self.accept()
        wanted = parse_qs(self.scope["query_string"].decode())
        if "close" in wanted:
            await self.close_with(int(wanted["close"][0]))

    async def receive_json(self, content: dict[str, Any]) -> None:
        await getattr(self, content.pop("do"))(**content)

    async def who(self) -> None:
        await self.send_json({"user": str(self.scope["user"])})

    async def log_in(self) -> None:
        await login(self.scope, await get_user_model().objects.aget(username="ada"))
        await self.send_json({"session_claim": await claim(self.scope)})

    async def say(self, text: str) -> None:
        await self.send(text)

    async def close_with(self, code: int) -> None:
        await self.close(code, "because")


async def page(request: HttpRequest) -> HttpResponse:
    # no-store: what is not kept for the way back is torn down when the browser leaves
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HttpResponse(f'{SCRIPT}<script src="/page.js"></script>', headers=headers)


async def module_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(MODULE, headers={"Content-Security-Policy": POLICY})


async def module(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        'import "/static/redis_sessions/live.js"; import "/page.js";',
        content_type="text/javascript",
    )


def page_script(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).with_name("page.js").open("rb"))


async def slow_claim(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0.5)
    return await views.claim(request)


async def moved_claim(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": "/who/"})


async def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await request.auser()), content_type="text/plain")


async def begin(request: HttpRequest) -> HttpResponse:
    await request.session.aset("basket", "tea")
    return HttpResponse(status=204)


async def log_in(request: HttpRequest) -> HttpResponse:
    await alogin(request, await get_user_model().objects.aget(username="ada"))
    return HttpResponse(status=204)


async def log_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse(status=204)


urlpatterns = [
    path("", page),
    path("module/", module_page),
    path("module.js", module),
    path("page.js", page_script),
    path("slow-claim/", slow_claim),
    path("moved-claim/", moved_claim),
    path("who/", who),
    path("begin/", begin),
    path("log-in/", log_in),
    path("log-out/", log_out),
    path("sessions/", include("redis_sessions.urls")),
]

application = ProtocolTypeRouter(
    {
        "http": ASGIStaticFilesHandler(get_asgi_application()),
        "websocket": LiveSessionMiddlewareStack(Told.as_asgi()),
    }
)


def main(port: int) -> None:
    """Serve the site, with one user."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.get_or_create(username="ada")
    uvicorn.run(application, port=port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main(int(sys.argv[1]))
