"""A changed password ends what was opened under the old one; a new SECRET_KEY ends nothing."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib import auth
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import AdminPasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.http import urlsafe_base64_encode

from redis_sessions import users
from redis_sessions.exceptions import SessionGone
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack
from redis_sessions.session import SessionStore
from redis_sessions.testing import connected

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def change(request: HttpRequest) -> HttpResponse:
    request.user.set_password("another")
    request.user.save()
    auth.update_session_auth_hash(request, request.user)
    return HttpResponse()


async def achange(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    user.set_password("another")
    await user.asave()
    request.user = user  # Django 5.2 asks for it
    await auth.aupdate_session_auth_hash(request, user)
    return HttpResponse()


def change_and_fail(request: HttpRequest) -> HttpResponse:
    change(request)
    raise ZeroDivisionError


def change_for_another(request: HttpRequest) -> HttpResponse:
    """Set a user's password as Django's admin does."""
    user = User.objects.get(username=request.GET["of"])
    words = {"password1": "Xa7!qq-long", "password2": "Xa7!qq-long"}
    form = AdminPasswordChangeForm(user, {**words, "usable_password": "true"})
    assert form.is_valid(), form.errors
    form.save()
    auth.update_session_auth_hash(request, form.user)
    return HttpResponse()


class Reset(PasswordResetConfirmView):
    """The recipe of the documentation."""

    success_url = "/"

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        response = super().form_valid(form)
        users.end_sessions(self.user)
        return response


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def happens() -> None:
    """Stand for what a test has happen while a view is at work."""


def write(request: HttpRequest) -> HttpResponse:
    request.session["before"] = 1
    happens()
    request.session["after"] = 1
    return HttpResponse()


async def awrite(request: HttpRequest) -> HttpResponse:
    await request.session.aset("before", 1)
    await sync_to_async(happens)()
    await request.session.aset("after", 1)
    return HttpResponse()


urlpatterns = [
    path("form/", PasswordChangeView.as_view(success_url="/")),
    path("change/", change),
    path("achange/", achange),
    path("change-and-fail/", change_and_fail),
    path("change-for-another/", change_for_another),
    path("reset/<uidb64>/<token>/", Reset.as_view()),
    path("who/", who),
    path("write/", write),
    path("awrite/", awrite),
]

FORM = {"old_password": "one", "new_password1": "Xa7!qq-long", "new_password2": "Xa7!qq-long"}


class Device:
    """A browser in which somebody is logged in. Requests go to the server by WSGI."""

    def __init__(self, user: User, client: Any = Client) -> None:
        self.client = client()
        Client.force_login(self.client, user)

    def ask(self, address: str, **form: Any) -> Any:
        return self.client.post(f"/{address}", form)

    async def aask(self, address: str, **form: Any) -> Any:
        return await sync_to_async(self.ask)(address, **form)

    @property
    def session(self) -> SessionStore:
        return SessionStore(self.client.cookies["sessionid"].value)

    @property
    def is_there(self) -> bool:
        return SessionStore().exists(self.session.session_key)

    @property
    def user(self) -> str:
        return self.ask("who/").content.decode()


class AsyncDevice(Device):
    """Requests go to the server by ASGI."""

    def __init__(self, user: User) -> None:
        super().__init__(user, AsyncClient)

    def ask(self, address: str, **form: Any) -> Any:
        return async_to_sync(self.aask)(address, **form)

    async def aask(self, address: str, **form: Any) -> Any:
        return await self.client.post(f"/{address}", form)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="one")


@pytest.fixture(params=[Device, AsyncDevice], ids=["wsgi", "asgi"])
def device(request: pytest.FixtureRequest) -> type[Device]:
    return request.param


WAYS = [("form/", FORM), ("change/", {}), ("achange/", {})]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])


def change_in(device: Device) -> None:
    """Change the password in one of the user's sessions."""
    assert device.ask("form/", **FORM).status_code == 302


@ways
def test_a_changed_password_ends_all_other_sessions_of_this_user_at_once(
    device: type[Device], ada: User, way: tuple[str, dict[str, str]]
) -> None:
    here, phone, tablet = device(ada), device(ada), device(ada)
    eve = device(User.objects.create_user("eve", password="one"))
    before = here.session
    assert here.ask(way[0], **way[1]).status_code in {200, 302}
    assert [one.is_there for one in (here, phone, tablet, eve)] == [True, False, False, True]
    assert (here.user, phone.user, eve.user) == ("ada", "", "eve")
    assert here.session.id == before.id
    assert here.session.session_key != before.session_key
    assert users.count(ada) == 1


@ways
async def test_the_sockets_of_the_other_sessions_are_closed_at_once(
    device: type[Device], ada: User, way: tuple[str, dict[str, str]]
) -> None:
    here, phone = [await sync_to_async(device)(ada) for _ in range(2)]
    application = LiveSessionMiddlewareStack(AsyncWebsocketConsumer.as_asgi())
    async with (
        connected(application, "/", here.client) as own,
        connected(application, "/", phone.client) as other,
    ):
        await here.aask(way[0], **way[1])
        assert (await other.receive_output(timeout=10))["code"] == CloseCode.REVOKED
        assert (await own.receive_output(timeout=10))["code"] == CloseCode.RENEWED


@pytest.mark.parametrize("address", ["write/", "awrite/"])
def test_a_request_under_way_in_another_session_cannot_revive_it(
    device: type[Device], ada: User, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, phone = Device(ada), device(ada)
    monkeypatch.setitem(globals(), "happens", lambda: change_in(here))
    assert phone.ask(address).status_code == 400
    assert not phone.is_there
    assert users.count(ada) == 1


def test_a_session_that_is_saved_late_raises_and_stays_ended(ada: User) -> None:
    here, phone = Device(ada), Device(ada)
    late = phone.session
    late["basket"] = ["tea"]
    change_in(here)
    with pytest.raises(SessionGone):
        late.save()
    assert not phone.is_there


def test_it_ends_under_atomic_requests_too(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _atomic_requests(monkeypatch)
    here, phone = Device(ada), Device(ada)
    change_in(here)
    assert (here.user, phone.is_there) == ("ada", False)


def test_a_change_that_is_rolled_back_ends_nothing(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _atomic_requests(monkeypatch)
    here, phone = Device(ada), Device(ada)
    here.client.raise_request_exception = False
    assert here.ask("change-and-fail/").status_code == 500
    ada.refresh_from_db()
    assert ada.check_password("one")
    assert phone.user == "ada"


def _atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)


@pytest.mark.parametrize("times", [1, 2])
def test_an_exchanged_secret_key_ends_no_session(
    device: type[Device], ada: User, settings: Any, times: int
) -> None:
    devices = [device(ada) for _ in range(3)]
    for number in range(times):
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        settings.SECRET_KEY = f"a new one, number {number}"
    hashes = {one.session[HASH_SESSION_KEY] for one in devices}
    for one in devices:
        assert one.user == "ada"  # Django puts its hash under the new key
        assert all(other.is_there for other in devices)
    assert hashes.isdisjoint({one.session[HASH_SESSION_KEY] for one in devices})
    settings.SECRET_KEY_FALLBACKS = []
    assert [one.user for one in devices] == ["ada"] * 3


def test_an_exchanged_secret_key_does_not_spare_what_is_under_a_former_password(
    ada: User, settings: Any
) -> None:
    here, phone = Device(ada), Device(ada)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    change_in(here)
    assert (here.user, phone.is_there) == ("ada", False)


def test_a_hash_that_is_not_of_the_stored_password_ends_nothing(ada: User) -> None:
    """The change may not be committed yet, and must not end what is ahead of the database."""
    here, phone = Device(ada), Device(ada)
    for one, ahead in ((phone, "1" * 64), (here, "0" * 64)):
        session = one.session
        session[HASH_SESSION_KEY] = ahead
        session.save()
    assert here.is_there
    assert phone.is_there


def test_users_without_a_session_hash_change_their_password_and_nothing_ends(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, phone = Device(ada), Device(ada)
    monkeypatch.delattr(AbstractBaseUser, "get_session_auth_hash")
    here.ask("change/")
    session = here.session
    session[HASH_SESSION_KEY] = "of the site's own"
    session.save()
    assert (here.user, phone.user) == ("ada", "ada")


def test_users_may_have_a_session_hash_without_fallbacks(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, phone = Device(ada), Device(ada)
    monkeypatch.delattr(AbstractBaseUser, "get_session_auth_fallback_hash")
    here.ask("change/")
    assert (here.user, phone.is_there) == ("ada", False)


def test_a_password_set_by_somebody_else_is_noticed_by_django_and_ends_with_a_call(
    ada: User,
) -> None:
    staff, phone, tablet = Device(User.objects.create_user("eve")), Device(ada), Device(ada)
    staff.ask("change-for-another/?of=ada")
    assert phone.is_there
    assert phone.user == ""  # Django compares the hash
    assert tablet.is_there
    users.end_sessions(ada)
    assert not tablet.is_there
    assert staff.user == "eve"


def test_a_password_that_is_reset_ends_all_sessions_by_the_recipe(ada: User) -> None:
    phone, stranger = Device(ada), Client()
    uid = urlsafe_base64_encode(str(ada.pk).encode())
    address = f"/reset/{uid}/{default_token_generator.make_token(ada)}/"
    form = stranger.get(address)
    words = {"new_password1": "Xa7!qq-long", "new_password2": "Xa7!qq-long"}
    assert stranger.post(form["Location"], words).status_code == 302
    assert not phone.is_there
    ada.refresh_from_db()
    assert ada.check_password("Xa7!qq-long")


def test_a_login_under_the_old_password_that_comes_late_is_refused_by_django(
    device: type[Device], ada: User
) -> None:
    here, late = device(ada), device(ada)
    held = dict(late.session.items())
    change_in(here)
    session = SessionStore()
    session.update(held)
    session.save()
    assert session[SESSION_KEY] == str(ada.pk)
    late.client.cookies["sessionid"] = session.session_key
    assert late.user == ""
    assert not SessionStore().exists(session.session_key)
