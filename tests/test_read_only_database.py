"""The example on a database that cannot be written: its whole flow, with no write tried."""

import importlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.backends.signals import connection_created
from django.test import AsyncClient, Client
from django.urls import path

from redis_sessions import users
from redis_sessions.live import CloseCode
from redis_sessions.testing import LiveCommunicator, connected, wait_until
from tests.documents import DOCS, modules
from tests.settings import URL

EXAMPLE = Path(__file__).parents[1] / "example_project"
READS = re.compile(r"\s*(?:SELECT|PRAGMA|BEGIN|SAVEPOINT|RELEASE|ROLLBACK|COMMIT)\b", re.IGNORECASE)
MESSAGE = "at most 40 characters"


class Router:
    """Has every model in the database that can only be read."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "read_only"

    db_for_write = db_for_read


@pytest.fixture(scope="module")
def database(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[dict[str, Any]]:
    """A database with all tables and two users, opened read-only; what is configured of it."""
    file = tmp_path_factory.mktemp("database") / "demo.sqlite3"
    engine = "django.db.backends.sqlite3"
    configured = connections.configure_settings({"default": {}, "x": {"ENGINE": engine}})["x"]
    connections.settings["read_only"] = {**configured, "NAME": str(file)}
    with django_db_blocker.unblock():
        call_command("migrate", database="read_only", verbosity=0)
        manager = User.objects.db_manager("read_only")
        manager.create_superuser("demo", password="demo")  # as that of the example
        manager.create_superuser("staff", password="staff")
        old = PBKDF2PasswordHasher().encode("old", "a salt of 22 characters", iterations=1)
        manager.create(username="old", password=old)
        connections["read_only"].close()
        connections["read_only"].settings_dict["NAME"] = f"file:{file}?mode=ro"
        yield connections.settings["read_only"]
        connections["read_only"].close()
    del connections["read_only"]
    del connections.settings["read_only"]


@pytest.fixture(scope="module")
def _watched(database: Any) -> Iterator[list[str]]:
    """What is to be written, by whatever thread: statements. Some connections outlive a test."""
    tried: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if many or not READS.match(sql):
            tried.append(sql)
        return execute(sql, params, many, context)

    def watch(connection: Any, **_: Any) -> None:
        if count not in connection.execute_wrappers:  # not each time that it is opened again
            connection.execute_wrappers.append(count)

    connection_created.connect(watch)
    for connection in connections.all(initialized_only=True):
        watch(connection)
    yield tried
    connection_created.disconnect(watch)
    for connection in connections.all(initialized_only=True):
        if count in connection.execute_wrappers:
            connection.execute_wrappers.remove(count)


@pytest.fixture
def writes(_watched: list[str], settings: Any) -> list[str]:
    """The statements that were to write since the test began, with that database for all models."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    _watched.clear()
    return _watched


@pytest.fixture
def example(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example's settings, on the server of the tests."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    demo = importlib.import_module("demo.settings")
    for name in ("MIDDLEWARE", "INSTALLED_APPS", "TEMPLATES", "ROOT_URLCONF", "STATIC_URL"):
        setattr(settings, name, getattr(demo, name))
    settings.REDIS_URL = URL
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "demo"]:
        del sys.modules[name]


class Visitor:
    """A browser of the example's, without JavaScript. It asks by WSGI."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def get(self, address: str = "") -> str:
        return (await self._ask("get", address)).content.decode()

    async def post(self, address: str, **form: str) -> str:
        """Send a form, and return the page that it leads to."""
        assert (await self._ask("post", address, form)).status_code == 302
        return await self.get()

    async def take(self, claim: str) -> int:
        """Post a claim as the page does; return the status."""
        headers = {"origin": "http://testserver"}
        answer = await self._ask("post", "sessions/claim/", {"claim": claim}, headers=headers)
        return answer.status_code

    async def _ask(self, method: str, address: str, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(getattr(self.client, method))(f"/{address}", *args, **kwargs)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[LiveCommunicator]:
        application = importlib.import_module("demo.routing").websocket
        headers = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
        async with connected(application, "/live/", self.client, headers=headers) as socket:
            yield socket


class AsyncVisitor(Visitor):
    """It asks by ASGI."""

    async def _ask(self, method: str, address: str, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self.client, method)(f"/{address}", *args, **kwargs)


@pytest.fixture(params=["wsgi", "asgi"])
def visitor(request: pytest.FixtureRequest, example: None) -> Callable[[], Visitor]:
    """Return what makes a new visitor."""
    if request.param == "wsgi":
        return lambda: Visitor(Client())
    return lambda: AsyncVisitor(AsyncClient())


def shown(page: str, element: str) -> str:
    """Return the text of an element of the page, without tags."""
    found = re.search(rf'<(\w+)[^>]* id="{element}".*?>(.*?)</\1>', page, re.DOTALL)
    assert found, page
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found.group(2))).split())


async def seen(socket: LiveCommunicator, kind: str) -> Any:
    """Return the next frame that has this key, or this type."""
    while True:
        frame = await socket.receive_json_from(timeout=10)
        if kind in frame or frame.get("type") == kind:
            return frame


async def closed(socket: LiveCommunicator) -> int:
    """Return the code with which the socket is closed."""
    while (message := await socket.receive_output(timeout=10))["type"] != "websocket.close":
        pass
    return message["code"]


async def browse(visitor: Visitor) -> None:
    """Fill the session by pages, and see a message."""
    assert shown(await visitor.get(), "http-user") == "not logged in"
    assert shown(await visitor.post("do/name/", name="Ada"), "http-name") == "Ada"
    assert "Tea" in shown(await visitor.post("do/add/", item="Tea"), "http-basket")
    assert MESSAGE in await visitor.post("do/name/", name="x" * 41)
    assert MESSAGE not in await visitor.get()


async def log_in(visitor: Visitor) -> None:
    page = await visitor.post("login/", username="demo", password="wrong")
    assert "No user has this name and password." in page
    page = await visitor.post("login/", username="demo", password="demo")
    assert (shown(page, "http-user"), shown(page, "http-name")) == ("demo", "Ada")


async def use_a_socket(visitor: Visitor) -> None:
    """See the same session in a socket, change it there, and log out over another."""
    async with visitor.socket() as socket, visitor.socket() as other:
        state = await seen(socket, "state")
        assert (state["user"], state["name"]) == ("demo", "Ada")
        assert (await seen(socket, "record"))["record"]["fields"]
        await socket.send_json_to({"do": "add", "item": "Bread"})
        assert "Bread" in str((await seen(socket, "state"))["basket"])
        assert "Bread" in shown(await visitor.get(), "http-basket")
        await other.send_json_to({"do": "logout"})
        assert await closed(socket) == await closed(other) == CloseCode.LOGGED_OUT
    assert shown(await visitor.get(), "http-user") == "not logged in"


async def log_in_over_a_socket(visitor: Visitor) -> None:
    """Begin a session and log in over a socket, bring its cookies by claims, and log out."""
    async with visitor.socket() as socket:
        await socket.send_json_to({"do": "name", "name": "Ada"})
        assert await visitor.take((await seen(socket, "session_claim"))["session_claim"]) == 204
        await socket.send_json_to({"do": "login", "username": "demo", "password": "demo"})
        assert await visitor.take((await seen(socket, "session_claim"))["session_claim"]) == 204
    page = await visitor.get()
    assert (shown(page, "http-user"), shown(page, "http-name")) == ("demo", "Ada")


async def look_at_devices(visitor: Visitor, other: Visitor) -> None:
    """See where one is signed in, and end all other sessions."""
    await log_in_over_a_socket(other)
    page = await visitor.get("sessions/")
    assert page.count("<form") >= 1
    await visitor._ask("post", "sessions/end/others/")
    assert await users.acount(await User.objects.aget(username="demo")) == 1
    assert shown(await other.get(), "http-user") == "not logged in"


async def look_at_the_admin(visitor: Visitor) -> None:
    """See a user's sessions as staff does."""
    sessions = "admin/redis_sessions/activesession/"
    assert f'href="/{sessions}"' in await visitor.get()
    demo = await User.objects.aget(username="demo")
    (mine,) = await users.asessions_of(demo)
    assert mine.id in await visitor.get(f"{sessions}?user={demo.pk}")


async def log_out(visitor: Visitor) -> None:
    page = await visitor.post("logout/")
    assert shown(page, "http-user") == "not logged in"


@pytest.mark.parametrize("where", ["redis", "off"])
async def test_the_whole_flow_of_the_example_writes_nothing(
    visitor: Callable[[], Visitor], writes: list[str], settings: Any, where: str
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": where}
    one, other = visitor(), visitor()
    await browse(one)
    await log_in(one)
    await use_a_socket(one)
    await log_in_over_a_socket(one)
    await look_at_devices(one, other)
    await look_at_the_admin(one)
    await log_out(one)
    user = await User.objects.aget(username="demo")
    assert writes == []
    assert user.last_login is None
    assert (await users.alast_login(user) is not None) == (where == "redis")


REFUSED = "readonly database"


async def test_a_login_that_is_to_be_written_to_the_database_fails(
    visitor: Callable[[], Visitor], writes: list[str]
) -> None:
    one = visitor()
    await browse(one)
    assert writes == []
    with pytest.raises(OperationalError, match=REFUSED):
        await one.post("login/", username="demo", password="demo")
    (written,) = writes
    assert written.startswith('UPDATE "auth_user" SET "last_login"')


async def test_so_does_one_over_a_socket(example: None, writes: list[str]) -> None:
    async def log_in() -> None:
        async with AsyncVisitor(AsyncClient()).socket() as socket:
            await socket.send_json_to({"do": "login", "username": "demo", "password": "demo"})
            await wait_until(socket.future.done, within=10)

    with pytest.raises(OperationalError, match=REFUSED):
        await log_in()
    assert len(writes) == 1


# Django's own pages

urlpatterns = [
    path("login/", LoginView.as_view(next_page="/admin/", template_name="admin/login.html")),
    path("logout/", LogoutView.as_view(next_page="/login/")),
    path("change/", PasswordChangeView.as_view(success_url="/login/")),
    path("admin/", admin.site.urls),
]


@pytest.fixture
def browser(settings: Any) -> Client:
    """A browser for Django's own pages."""
    settings.ROOT_URLCONF = __name__
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "redis"}
    return Client()


def log_in_by_form(browser: Client, name: str) -> int:
    return browser.post("/login/", {"username": name, "password": name}).status_code


def test_djangos_login_admin_and_logout_write_nothing_else(
    browser: Client, writes: list[str]
) -> None:
    assert log_in_by_form(browser, "nobody") == 200
    assert log_in_by_form(browser, "staff") == 302
    pk = User.objects.get(username="demo").pk
    for address in ("", "auth/user/", f"auth/user/{pk}/change/", f"auth/user/{pk}/history/"):
        assert browser.get(f"/admin/{address}").status_code == 200
    assert browser.post("/logout/").status_code == 302
    assert browser.get("/admin/").status_code == 302
    assert writes == []


PBKDF2 = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]


def test_a_login_with_an_outdated_hash_writes_and_fails(
    browser: Client, writes: list[str], settings: Any
) -> None:
    settings.PASSWORD_HASHERS = PBKDF2
    with pytest.raises(OperationalError, match=REFUSED):
        log_in_by_form(browser, "old")
    (written,) = writes
    assert written.startswith('UPDATE "auth_user" SET "password"')


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return what imports a module of the page."""
    for name, text in modules(DOCS / "read-only-database.rst").items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_the_hasher_of_the_documentation_leaves_an_outdated_hash_as_it_is(
    browser: Client, writes: list[str], settings: Any, documented: Any
) -> None:
    hasher = documented("shop.hashers").SettledPasswordHasher
    settings.PASSWORD_HASHERS = [f"{hasher.__module__}.{hasher.__name__}"]
    assert log_in_by_form(browser, "old") == 302
    assert browser.post("/login/", {"username": "old", "password": "wrong"}).status_code == 200
    assert writes == []


async def test_the_user_model_of_the_documentation_stores_no_hash_of_any_algorithm_anew(
    writes: list[str], settings: Any, documented: Any
) -> None:
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, *PBKDF2]
    base = documented("shop.people").SettledPassword
    user = await User.objects.aget(username="old")
    assert base.check_password(user, "old")
    assert await base.acheck_password(user, "old")
    assert not base.check_password(user, "wrong")
    assert writes == []
