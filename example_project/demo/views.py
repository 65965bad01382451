"""The HTTP side: one page, and the forms on it. Each form redirects to the page."""

from django.contrib import messages
from django.contrib.auth import alogin, alogout
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from .actions import ACTIONS, WRONG_LOGIN, authenticated, perform, shown
from .record import read_record


@require_safe
@never_cache
async def page(request: HttpRequest) -> HttpResponse:
    state = await shown(request.session, await request.auser())
    record = await read_record(state["id"])
    return render(request, "demo/page.html", {**state, "record": record})


@require_POST
async def act(request: HttpRequest, action: str) -> HttpResponse:
    if action not in ACTIONS:
        raise Http404
    problem = await perform(action, request.session, request.POST)
    if problem:
        messages.error(request, problem)
    return redirect("page")


@require_POST
async def log_in(request: HttpRequest) -> HttpResponse:
    user = await authenticated(request.POST)
    if user is None:
        messages.error(request, WRONG_LOGIN)
    else:
        await alogin(request, user)
    return redirect("page")


@require_POST
async def log_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return redirect("page")
