"""The claim view: the page posts a claim that came over its socket, and gets the cookie."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import claims, executors
from .conf import config


@csrf_exempt  # the Origin is checked, and must be there
@require_POST
@never_cache
async def claim(request: HttpRequest) -> HttpResponse:
    """Answer 204 with the session's cookie; 403 for another origin, 410 for a claim without worth.

    The body is a form with the field ``claim``.
    """
    if not _is_of_this_site(request):
        return HttpResponse("The Origin of this request is not this site.\n", status=403)
    text = request.POST.get("claim", "")
    former = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    key = await _session_key(text, former) if claims.is_claim(text) else None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    await session._aget_session()
    if session.session_key is None or session.superseded:
        return HttpResponse("This claim was used, has expired, or is another's.\n", status=410)
    session.modified = True  # so that the middleware sends the cookie
    request.session = session
    return HttpResponse(status=204)


async def _session_key(text: str, former: str | None) -> str | None:
    [stored] = await executors.arun(config().alias, claims.take(text))
    return claims.open_(text, stored, former)


def _is_of_this_site(request: HttpRequest) -> bool:
    """Tell whether the Origin header names this site, or one of CSRF_TRUSTED_ORIGINS."""
    if "Origin" not in request.headers:
        return False
    middleware: Any = CsrfViewMiddleware(lambda _: HttpResponse())
    return bool(middleware._origin_verified(request))
