"""Sealed sessions behind Django: logins, changed passwords, pages of staff and of users."""

import json
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path

from redis_sessions import users
from tests.sealed import ENCRYPT, everything

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def show(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.session.items()))


def put(request: HttpRequest) -> HttpResponse:
    request.session.update(request.POST.dict())
    return HttpResponse()


def change(request: HttpRequest) -> HttpResponse:
    request.user.set_password("another")
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse()


urlpatterns = [
    path("show/", show),
    path("put/", put),
    path("change/", change),
    path("login/", LoginView.as_view(next_page="/show/")),
    path("admin/", admin.site.urls),
    path("sessions/", include("redis_sessions.urls")),
]


@pytest.fixture(autouse=True)
def _encrypting(settings: Any) -> None:
    settings.REDIS_SESSIONS = ENCRYPT


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="secret")


def browser() -> Client:
    """Return the browser of ada, who had a basket before she logged in."""
    client = Client()
    client.post("/put/", {"basket": "tea from far away"})
    client.post("/login/", {"username": "ada", "password": "secret"})
    return client


def test_a_basket_from_before_the_login_is_there_after_it(ada, redis_client: redis.Redis) -> None:
    client = browser()
    assert client.get("/show/").json()["basket"] == "tea from far away"
    client.post("/put/", {"more": "and a cup"})
    assert client.get("/show/").json().items() >= {"basket": "tea from far away"}.items()
    assert not [word for word in (b"tea", b"cup") if word in everything(redis_client)]


def test_a_changed_password_ends_the_other_sessions(ada) -> None:
    one, other = browser(), browser()
    assert users.count(ada) == 2
    assert one.post("/change/").status_code == 200
    assert one.get("/show/").json()["basket"] == "tea from far away"
    assert other.get("/show/").json() == {}
    assert users.count(ada) == 1


def test_a_deleted_user_leaves_nothing(ada, redis_client: redis.Redis) -> None:
    browser()
    ada.delete()
    assert redis_client.dbsize() == 0


def test_a_user_sees_their_sessions_and_ends_the_others(ada) -> None:
    one, other = browser(), browser()
    shown = one.get("/sessions/").content.decode()
    assert other.session.id in shown
    assert one.post("/sessions/end/others/").status_code == 302
    assert other.get("/show/").json() == {}
    assert one.get("/show/").json()["basket"] == "tea from far away"


def test_staff_see_and_end_a_sealed_session(ada) -> None:
    client, root = browser(), Client()
    root.force_login(User.objects.create_superuser("root"))
    (found,) = users.sessions_of(ada)
    shown = root.get(f"/admin/redis_sessions/activesession/{found.id}/").content.decode()
    assert "basket" in shown
    assert "tea from far away" not in shown
    ending = {"confirmed": "yes", "user": ada.pk, "id": found.id}
    root.post("/admin/redis_sessions/activesession/end/", ending)
    assert client.get("/show/").json() == {}


def test_commands_show_count_and_end_a_sealed_session(ada, capsys: Any) -> None:
    client = browser()
    (found,) = users.sessions_of(ada)
    call_command("redis_sessions", "show", found.id)
    shown = capsys.readouterr().out
    assert "logged in" in shown
    assert f"basket  {len('tea from far away')} bytes" in shown
    call_command("redis_sessions", "stats", "--json")
    counted = json.loads(capsys.readouterr().out)
    assert counted["sessions"]["logged_in"] == counted["sessions"]["total"] == 1
    assert counted["indexes"]["ghosts"] == 0
    call_command("redis_sessions", "end", found.id)
    assert client.get("/show/").json() == {}
