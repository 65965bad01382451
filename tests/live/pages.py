"""The HTTP side of the visitors' site."""

import json
from typing import Any

from django.contrib.auth import alogin, get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path


async def show(request: HttpRequest) -> JsonResponse:
    return JsonResponse(dict(await request.session.aitems()))


async def change(request: HttpRequest) -> HttpResponse:
    values: dict[str, Any] = json.loads(request.body)
    await request.session.aupdate(values)
    return HttpResponse()


def change_in_a_thread(request: HttpRequest) -> HttpResponse:
    request.session.update(json.loads(request.body))
    return HttpResponse()


async def end(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse()


async def rotate(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    return HttpResponse()


async def log_in(request: HttpRequest) -> HttpResponse:
    user = await get_user_model().objects.aget(username="ada")
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


urlpatterns = [
    path("show/", show),
    path("change/", change),
    path("change-in-a-thread/", change_in_a_thread),
    path("end/", end),
    path("rotate/", rotate),
    path("log-in/", log_in),
]
