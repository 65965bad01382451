"""The one page of the site that is measured: a logout."""

from django.contrib.auth import alogout
from django.http import HttpRequest, HttpResponse
from django.urls import path


async def logout(request: HttpRequest) -> HttpResponse:
    """Log out."""
    await alogout(request)
    return HttpResponse(status=204)


urlpatterns = [path("logout/", logout)]
