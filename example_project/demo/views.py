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
    user = await request.auser()
    state = await shown(request.session, user)
    record = await read_record(state["id"])
    context = {**state, "record": record, "is_staff": user.is_staff}
    return render(request, "demo/page.html", context)


def stale(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is not that of the browser: a login has exchanged it since."""
    return render(request, "demo/stale.html", status=403)


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
