"""The examples of the documentation run as they stand there."""

import ast
import asyncio
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from http.cookies import SimpleCookie
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.urls import path as url
from django.utils.module_loading import import_string

from redis_sessions import checks
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack
from redis_sessions.live.auth import aget_user
from redis_sessions.session import SessionStore
from redis_sessions.testing import LiveCommunicator, connected, wait_until
from tests.documents import DOCS, PAGES, README, ROOT, blocks, modules, name_of, settings_blocks

pytestmark = pytest.mark.django_db(transaction=True)  # a consumer closes old connections

Shop = Callable[[Path], Callable[[str], ModuleType]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Write the modules of a page as the package ``shop``; return what imports one of them."""

    def write(page: Path) -> Callable[[str], ModuleType]:
        tmp_path.joinpath("shop").mkdir()
        tmp_path.joinpath("shop/__init__.py").touch()
        for name, text in modules(page).items():
            tmp_path.joinpath(name).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return lambda name: importlib.import_module(f"shop.{name}")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def site(settings: Any) -> Callable[..., AsyncClient]:
    """Return what makes a browser for some views, each at the address of its name."""

    def make(*patterns: Any) -> AsyncClient:
        urls = ModuleType("urls")
        urls.urlpatterns = [url(f"{view.__name__}/", view) for view in patterns]  # type: ignore[attr-defined]
        settings.ROOT_URLCONF = urls
        return AsyncClient()

    return make


def headers(session_key: str | None) -> list[tuple[bytes, bytes]]:
    """Return what a browser sends of itself when a page of the site opens a socket."""
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={session_key}".encode()
    return [(b"origin", b"http://testserver"), *([(b"cookie", cookie)] if session_key else [])]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_python_is_settings_or_says_which_file_it_is(page: Path) -> None:
    for block in settings_blocks(page):
        for statement in ast.parse(block).body:
            assert isinstance(statement, ast.Assign), block
            assert all(target.id.isupper() for target in statement.targets), block


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_modules_of_a_page_can_be_imported(page: Path, shop: Shop) -> None:
    imported = shop(page)
    for name in modules(page):
        assert imported(Path(name).stem)


SETTINGS = [
    pytest.param(page, number, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, _ in enumerate(settings_blocks(page))
]


@pytest.mark.parametrize(("page", "number"), SETTINGS)
def test_settings_pass_the_checks(page: Path, number: int, shop: Shop, settings: Any) -> None:
    shop(page)
    given: dict[str, Any] = {}
    exec(settings_blocks(page)[number], {}, given)  # noqa: S102 - it is our own documentation
    for name, value in given.items():
        setattr(settings, name, value)
    assert [*checks.check_settings(), *checks.check_site()] == []


@pytest.mark.parametrize("page", [README, DOCS / "index.rst"], ids=name_of)
async def test_the_view_and_the_consumer_share_a_session(
    page: Path, shop: Shop, site: Callable[..., AsyncClient]
) -> None:
    imported = shop(page)
    browser = site(_named(imported("views").set_name))
    await browser.get("/set_name/")
    consumer = LiveSessionMiddlewareStack(imported("consumers").Basket.as_asgi())
    await _fill_basket(consumer, "/", browser, ["tea"])
    await browser.get("/set_name/")
    session = SessionStore(_key(browser))
    assert dict(await session.aitems()) == {"name": "Ada", "basket": ["tea"]}


def _named(view: Callable[..., Any]) -> Callable[..., Any]:
    async def set_name(request: Any) -> Any:
        return await view(request, "Ada")

    return set_name


def _key(browser: AsyncClient) -> str:
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


async def _fill_basket(app: Any, path: str, browser: AsyncClient, filled: Any) -> None:
    socket = WebsocketCommunicator(app, path, headers(_key(browser)))
    assert (await socket.connect())[0]
    await socket.send_json_to({"item": "tea"})
    answer = await socket.receive_json_from()
    assert answer in (filled, {"name": "Ada", "basket": filled})
    await socket.disconnect()


@pytest.mark.parametrize(
    ("page", "addresses"),
    [("installation", ["/live/"]), ("websockets", ["/live/", "/live/sync/"])],
)
async def test_the_asgi_application_serves_pages_and_sockets(
    page: str, addresses: list[str], shop: Shop, site: Callable[..., AsyncClient]
) -> None:
    application = shop(DOCS / f"{page}.rst")("asgi").application
    browser = site(_named(_set_name))
    await browser.get("/set_name/")
    for number, address in enumerate(addresses, 1):
        await _fill_basket(application, address, browser, ["tea"] * number)


async def _set_name(request: Any, name: str) -> Any:
    from django.http import HttpResponse

    await request.session.aset("name", name)
    return HttpResponse()


async def test_the_page_of_the_installation_shows_what_its_consumer_has_stored(
    shop: Shop, site: Callable[..., AsyncClient], settings: Any
) -> None:
    imported = shop(DOCS / "installation.rst")
    settings.STATIC_URL = "static/"
    browser = site(imported("views").page)
    await browser.get("/page/")
    await _fill_basket(imported("asgi").application, "/live/", browser, ["tea"])
    page = (await browser.get("/page/")).content.decode()
    assert "By HTTP: {&#x27;visits&#x27;: 2, &#x27;basket&#x27;: [&#x27;tea&#x27;]}" in page


def test_what_the_installation_adds_to_the_settings_exists() -> None:
    lines = "".join(blocks(DOCS / "installation.rst", "diff"))
    added, removed = (re.findall(rf'^\{sign} +"(.*)",$', lines, re.MULTILINE) for sign in "+-")
    assert (len(added), len(removed)) == (3, 2)
    for name in added + removed:
        assert "." not in name or import_string(name)
    assert added[0] in django_settings.INSTALLED_APPS


PROJECT = """
import os
from tests.settings import *

TEST_RUNNER = "shop.runner.Runner"
"""

CASES = """
import os

from django.conf import settings
from django.contrib.auth.models import User
from django.test import TestCase

from redis_sessions.users import sessions_of


class One(TestCase):
    def test_the_keys_of_a_session_are_those_of_the_process(self):
        user = User.objects.create_user("ada", pk=1)
        self.client.force_login(user)
        self.assertIn(self.client.session.id, [info.id for info in sessions_of(user)])
        self.assertEqual(settings.REDIS_SESSIONS["KEY_PREFIX"], f"test-{os.getpid()}")


class Two(One):
    pass
"""


@pytest.mark.parametrize("parallel", [[], ["--parallel", "2"]])
def test_the_runner_of_the_installation_gives_each_process_its_own_keys(
    parallel: list[str], tmp_path: Path, redis_client: redis.Redis
) -> None:
    tmp_path.joinpath("shop").mkdir()
    for name, text in modules(DOCS / "installation.rst").items():
        tmp_path.joinpath(name).write_text(text)
    for name, text in {"__init__": "", "settings": PROJECT, "tests": CASES}.items():
        tmp_path.joinpath(f"shop/{name}.py").write_text(text)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    words = [sys.executable, "-m", "django", "test", "shop", *parallel]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr
    assert redis_client.keys("session:*") == []
    prefixes = {key.partition(b":")[0] for key in redis_client.keys("test-*")}
    assert len(prefixes) in ({1, 2} if parallel else {1})  # one process may be faster


async def test_the_asgi_application_refuses_sockets_of_other_sites(shop: Shop) -> None:
    application = shop(DOCS / "websockets.rst")("asgi").application
    socket = WebsocketCommunicator(application, "/live/", [(b"origin", b"http://elsewhere.test")])
    assert (await socket.connect())[0] is False


async def test_the_counter_of_the_websockets_page_sets_its_cookie(shop: Shop) -> None:
    consumer = shop(DOCS / "websockets.rst")("visitors").Counter
    socket = WebsocketCommunicator(LiveSessionMiddlewareStack(consumer.as_asgi()), "/")
    await socket.send_input({"type": "websocket.connect"})
    accepted = await socket.receive_output()
    cookies = SimpleCookie(dict(accepted["headers"])[b"set-cookie"].decode())
    key = cookies[django_settings.SESSION_COOKIE_NAME].value
    assert await SessionStore(key).aget("sockets") == 1
    await socket.disconnect()


async def _begun(**values: Any) -> SessionStore:
    session = SessionStore()
    await session.aupdate(values)
    await session.asave()
    return session


def _socket(consumer: Any, session: SessionStore) -> AbstractAsyncContextManager[LiveCommunicator]:
    application = LiveSessionMiddlewareStack(consumer.as_asgi())
    return connected(application, "/", headers=headers(session.session_key))


async def test_what_a_task_of_the_websockets_page_changes_is_saved(shop: Shop) -> None:
    session = await _begun(name="Ada")

    async def seen() -> Any:
        return await SessionStore(session.session_key).aget("seen")

    async with _socket(shop(DOCS / "websockets.rst")("prices").Prices, session) as socket:
        await socket.send_to("tea")
        assert await wait_until(seen) == "tea"


@pytest.mark.parametrize("name", ["Panel", "SyncPanel"])
async def test_the_panels_of_the_websockets_page_are_told_of_changes_and_of_the_end(
    shop: Shop, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = await _begun(name="Ada")
    async with _socket(getattr(shop(DOCS / "websockets.rst")("panel"), name), session) as socket:
        await session.aset("name", "Grace")
        await session.asave()
        assert await socket.receive_json_from() == {"name": "Grace"}
        await session.aflush()
        assert (await socket.receive_output())["code"] == CloseCode.LOGGED_OUT
        await wait_until(lambda: capsys.readouterr().out == "Closed with 4401 since logged out\n")


async def test_a_login_over_the_socket_of_the_websockets_page_can_be_claimed(
    shop: Shop, settings: Any
) -> None:
    imported = shop(DOCS / "websockets.rst")
    settings.ROOT_URLCONF = imported("urls")
    await User.objects.acreate_user("ada", password="secret")
    session = await _begun(name="Ada")
    async with _socket(imported("account").Account, session) as socket:
        frame = {"do": "login", "username": "ada", "password": "wrong"}
        await socket.send_json_to(frame)
        assert "error" in await socket.receive_json_from()
        await socket.send_json_to({**frame, "password": "secret"})
        claim = (await socket.receive_json_from(timeout=5))["session_claim"]
        browser = AsyncClient()
        browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
        origin = {"origin": "http://testserver"}
        response = await browser.post("/sessions/claim/", {"claim": claim}, headers=origin)
        assert response.status_code == 204
        assert (await aget_user(SessionStore(_key(browser)))).username == "ada"
        await socket.send_json_to({"do": "logout"})
        assert (await socket.receive_output())["code"] == CloseCode.LOGGED_OUT


async def test_the_test_of_the_websockets_page_passes(shop: Shop, live_socket: Any) -> None:
    test = shop(DOCS / "websockets.rst")("test_panel").test_a_name_that_http_sets_is_shown
    await test(live_socket)


async def test_the_code_that_the_websockets_page_renumbers_is_sent(
    shop: Shop, settings: Any
) -> None:
    (given,) = (text for text in settings_blocks(DOCS / "websockets.rst") if "CLOSE_CODES" in text)
    settings.REDIS_SESSIONS = ast.literal_eval(given.partition(" = ")[2])
    session = await _begun(name="Ada")
    async with _socket(shop(DOCS / "websockets.rst")("panel").Panel, session) as socket:
        await session.aflush()
        assert (await socket.receive_output())["code"] == 4901


async def test_the_count_of_the_async_page_counts(
    shop: Shop, site: Callable[..., AsyncClient]
) -> None:
    browser = site(shop(DOCS / "async.rst")("views").count)
    first, second = [(await browser.get("/count/")).json() for _ in range(2)]
    assert [first["visits"], second["visits"]] == [1, 2]
    assert [first["session"], second["session"]] == [None, _key(browser)[:14]]


async def test_the_template_of_the_async_page_reads_a_session_that_was_read(
    shop: Shop, site: Callable[..., AsyncClient], settings: Any
) -> None:
    loaders = [
        ("django.template.loaders.locmem.Loader", {"basket.html": "{{ request.session.basket }}"})
    ]
    processors = ["django.template.context_processors.request"]
    backend = "django.template.backends.django.DjangoTemplates"
    options = {"loaders": loaders, "context_processors": processors}
    settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": options}]
    browser = site(shop(DOCS / "async.rst")("pages").basket)
    session = SessionStore()
    await session.aset("basket", "tea")
    await session.asave()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert (await browser.get("/basket/")).content == b"tea"
    assert await SessionStore(session.session_key).aget("seen") is True


@pytest.mark.parametrize("stored", [None, 7])
def test_the_points_of_the_async_page_are_read_from_sync_code(
    shop: Shop, stored: int | None
) -> None:
    session = SessionStore()
    session["points" if stored else "name"] = stored or "Ada"
    session.save()
    assert shop(DOCS / "async.rst")("tasks").points(session.session_key) == (stored or 0)


async def test_a_sync_call_before_the_first_read_raises_as_the_async_page_says(
    shop: Shop, site: Callable[..., AsyncClient]
) -> None:
    from django.core.exceptions import SynchronousOnlyOperation

    session = SessionStore()
    session["visits"] = 1
    await session.asave()
    with pytest.raises(SynchronousOnlyOperation):
        SessionStore(session.session_key)["visits"]
    assert await sync_to_async(lambda: SessionStore(session.session_key)["visits"])() == 1


def test_the_test_of_the_settings_page_takes_a_language_for_nothing(shop: Shop) -> None:
    is_worthless = shop(DOCS / "settings.rst")("sessions").is_worthless
    assert is_worthless({"language": "de", "basket": []})
    assert not is_worthless({"language": "de", "basket": ["tea"]})


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to parse JavaScript")
def test_blocks_of_javascript_parse(tmp_path: Path) -> None:
    for page in PAGES:
        for number, block in enumerate(blocks(page, "javascript")):
            script = tmp_path / f"{page.stem}-{number}.js"
            script.write_text(block)
            subprocess.run(["node", "--check", script], check=True)


async def test_the_views_and_the_consumer_of_the_page_on_locks_take_turns(
    shop: Shop, site: Callable[..., AsyncClient]
) -> None:
    imported = shop(DOCS / "locks.rst")
    views, points = imported("views"), imported("points")

    def add(request: Any) -> Any:
        return views.add(request, request.POST["item"])

    async def aadd(request: Any) -> Any:
        return await views.aadd(request, request.POST["item"])

    browser = site(add, aadd, views.buy, points.Points.as_view())
    items = [f"{name}{number}" for number in range(4) for name in ("add", "aadd")]
    await browser.post("/add/", {"item": "first"})
    posts = [browser.post(f"/{item[:-1]}/", {"item": item}) for item in items]
    assert {answer.status_code for answer in await asyncio.gather(*posts)} == {204}
    bought = (await browser.get("/buy/")).json()["bought"]
    assert sorted(bought) == sorted(["first", *items])
    assert (await browser.post("/view/")).json() == {"points": 1}
    consumer = LiveSessionMiddlewareStack(points.PointsConsumer.as_asgi())
    socket = WebsocketCommunicator(consumer, "/", headers(_key(browser)))
    assert (await socket.connect())[0]
    await socket.send_json_to({})
    assert await socket.receive_json_from() == {"points": 2}
    await socket.disconnect()
