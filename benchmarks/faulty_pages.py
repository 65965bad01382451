"""The pages of the site for faults: each tells what the session holds, or that it holds nothing."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.urls import path

from .operations import KEY
from .visitor import REMEMBERED, remembered

(_BACKEND,) = REMEMBERED.values()


def read(request: HttpRequest) -> HttpResponse:
    """Tell who is logged in, and a key."""
    return HttpResponse(f"{request.user.pk} {request.session.get(KEY)}")


def write(request: HttpRequest, number: int) -> HttpResponse:
    """Change the key; tell who is logged in, and what it was."""
    response = read(request)
    request.session[KEY] = number
    return response


def log_in(request: HttpRequest) -> HttpResponse:
    """Log in; tell what the key was before."""
    was = request.session.get(KEY)
    login(request, remembered(), _BACKEND)
    return HttpResponse(f"{request.user.pk} {was}")


urlpatterns = [path("read/", read), path("write/<int:number>/", write), path("login/", log_in)]
