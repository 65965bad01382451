"""The claim view: the cookie of a session that began or was rotated over an open socket."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client
from django.urls import reverse

from redis_sessions import connections
from tests.doors import ORIGIN, Door, Guest
from tests.servers import Server

URL = "/sessions/claim/"
STOCK = {
    "redis_sessions.middleware.SessionMiddleware": (
        "django.contrib.sessions.middleware.SessionMiddleware"
    ),
    "redis_sessions.middleware.AuthenticationMiddleware": (
        "django.contrib.auth.middleware.AuthenticationMiddleware"
    ),
}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.doors"


@pytest.fixture(autouse=True)
def _ada(transactional_db: None) -> None:
    get_user_model().objects.create_user("ada")


@pytest.fixture(params=["ours", "Django's"])
def middleware(request: pytest.FixtureRequest, settings: Any) -> None:
    """Our middleware, and Django's, both behind the check of CSRF tokens."""
    listed = list(settings.MIDDLEWARE)
    if request.param == "Django's":
        listed = [STOCK.get(path, path) for path in listed]
    settings.MIDDLEWARE = [*listed, "django.middleware.csrf.CsrfViewMiddleware"]


@pytest.fixture(params=["ASGI", "WSGI"])
def post(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Post a claim with a guest's cookie, under ASGI and under WSGI; CSRF tokens are checked."""

    def by_wsgi(guest: Guest, claim: str, **headers: str) -> Any:
        client = Client(enforce_csrf_checks=True)
        client.cookies = guest.client.cookies
        return client.post(URL, {"claim": claim}, headers={"Origin": ORIGIN, **headers})

    async def by_asgi(guest: Guest, claim: str, **headers: str) -> Any:
        client = AsyncClient(enforce_csrf_checks=True)
        client.cookies = guest.client.cookies
        return await client.post(URL, {"claim": claim}, headers={"Origin": ORIGIN, **headers})

    return by_asgi if request.param == "ASGI" else sync_to_async(by_wsgi)


def commands_run(client: redis.Redis) -> dict[str, Any]:
    """Return what the server has run since its statistics were reset."""
    stats = client.info("commandstats")
    return {name: stat for name, stat in stats.items() if "resetstat" not in name}


async def claim_of(guest: Guest) -> str:
    """Log in over a socket, and return a claim to its session."""
    async with guest.door() as socket:
        await socket.ask("login", name="ada")
        return await socket.ask("claim")


@pytest.mark.usefixtures("middleware")
@pytest.mark.parametrize("begun", [True, False])
async def test_a_claim_brings_the_cookie_of_the_session_that_logged_in_over_a_socket(
    post: Callable[..., Any], begun: bool
) -> None:
    guest = await Guest().begin() if begun else Guest()
    former = guest.key
    response = await post(guest, await claim_of(guest))
    assert (response.status_code, response.content) == (204, b"")
    assert guest.key not in {"", former}
    assert await guest.user() == "ada"


@pytest.mark.usefixtures("middleware")
async def test_a_claim_works_once(post: Callable[..., Any]) -> None:
    guest = Guest()
    claim = await claim_of(guest)
    assert (await post(guest, claim)).status_code == 204
    second = await post(Guest(), claim)
    assert (second.status_code, dict(second.cookies)) == (410, {})


async def test_of_posts_that_race_exactly_one_wins() -> None:
    claim = await claim_of(Guest())
    guests = [Guest() for _ in range(10)]
    responses = await asyncio.gather(*[guest.post(claim) for guest in guests])
    assert sorted(response.status_code for response in responses) == [204] + [410] * 9
    assert [bool(guest.key) for guest in guests].count(True) == 1


async def test_a_claim_brings_a_session_that_began_over_an_open_socket() -> None:
    guest = Guest()
    async with guest.door() as socket:
        await socket.ask("set", basket="tea")
        await guest.post(await socket.ask("claim"))
    assert (await guest.client.get("/get/")).json() == {"basket": "tea"}


async def test_the_cookie_is_set_by_every_setting_of_session_cookies(settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "sid"
    settings.SESSION_COOKIE_AGE = 1234
    settings.SESSION_COOKIE_DOMAIN = "testserver"
    settings.SESSION_COOKIE_PATH = "/"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_HTTPONLY = True
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    guest = Guest()
    response = await guest.post(await claim_of(guest))
    cookie = response.cookies["sid"]
    assert cookie["max-age"] == 1234
    assert cookie["expires"]
    assert (cookie["domain"], cookie["path"]) == ("testserver", "/")
    assert (cookie["secure"], cookie["httponly"]) == (True, True)
    assert cookie["samesite"] == "Strict"
    assert await guest.user() == "ada"


async def test_the_cookie_has_no_age_where_it_goes_with_the_browser(settings: Any) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    guest = Guest()
    cookie = (await guest.post(await claim_of(guest))).cookies["sessionid"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


async def test_no_cache_keeps_the_answer() -> None:
    guest = Guest()
    response = await guest.post(await claim_of(guest))
    assert "no-store" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


async def test_a_claim_is_gone_when_its_time_is_over(redis_client: redis.Redis) -> None:
    guest = Guest()
    claim = await claim_of(guest)
    [name] = redis_client.scan_iter("session:claim:*")
    assert 25 < redis_client.ttl(name) <= 30
    redis_client.pexpire(name, 1)
    await asyncio.sleep(0.01)
    assert (await guest.post(claim)).status_code == 410


@pytest.mark.usefixtures("middleware")
@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "https://testserver", "http://testserver:81", "http://["],
)
async def test_a_claim_from_another_origin_is_refused_and_stays_good(
    post: Callable[..., Any], origin: str
) -> None:
    guest = Guest()
    claim = await claim_of(guest)
    refused = await post(guest, claim, Origin=origin)
    assert (refused.status_code, dict(refused.cookies)) == (403, {})
    assert (await post(guest, claim)).status_code == 204


async def test_a_claim_without_an_origin_is_refused() -> None:
    guest = Guest()
    assert (await guest.post(await claim_of(guest), origin=None)).status_code == 403


@pytest.mark.parametrize("trusted", ["https://app.example", "https://*.example"])
async def test_a_trusted_origin_is_taken(settings: Any, trusted: str) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    guest = Guest()
    claim = await claim_of(guest)
    assert (await guest.post(claim, origin="https://app.example")).status_code == 204


@pytest.mark.parametrize("method", ["get", "put", "delete"])
async def test_only_a_post_is_answered(method: str) -> None:
    response = await getattr(AsyncClient(), method)(URL, headers={"Origin": ORIGIN})
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "claim",
    ["", "0", "0" * 24, "0" * 26, "A" * 25, "0" * 24 + "\n", "0" * 25 + "\n", "0" * 24 + "٣",
     "../" * 9, "0" * 100_000],
)  # fmt: skip
async def test_what_cannot_be_a_claim_never_reaches_the_server(
    redis_client: redis.Redis, claim: str
) -> None:
    guest = Guest()
    guest.key = "0" * 40
    redis_client.config_resetstat()
    assert (await guest.post(claim)).status_code == 410
    assert commands_run(redis_client) == {}


async def test_a_form_without_a_claim_has_none() -> None:
    response = await AsyncClient().post(URL, {"other": "1"}, headers={"Origin": ORIGIN})
    assert response.status_code == 410


async def test_a_body_that_is_larger_than_django_allows_is_refused(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = await AsyncClient().post(
        URL, "claim=" + "0" * 1000, "application/x-www-form-urlencoded", headers={"Origin": ORIGIN}
    )
    assert response.status_code == 400


@pytest.mark.usefixtures("middleware")
@pytest.mark.parametrize("has_cookie", [True, False])
async def test_in_another_browser_a_claim_is_refused_and_used_up(
    post: Callable[..., Any], has_cookie: bool
) -> None:
    guest, other = await Guest().begin(), Guest()
    if has_cookie:
        await other.begin()
    claim, before = await claim_of(guest), other.key
    assert (await post(other, claim)).status_code == 410
    assert other.key == before
    assert (await post(guest, claim)).status_code == 410
    assert await other.user() == "AnonymousUser"


async def test_a_browser_that_had_no_cookie_needs_to_have_none() -> None:
    claim = await claim_of(Guest())
    other = await Guest().begin()
    assert (await other.post(claim)).status_code == 410


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("do", [{"do": "login", "name": "ada"}, {"do": "set", "basket": "tea"}])
async def test_a_browser_whose_cookie_was_of_no_session_may_have_it_still_or_not(
    deleted: bool, do: dict[str, str]
) -> None:
    guest = Guest()
    guest.key = "0" * 40
    async with guest.door() as socket:
        assert "Max-Age=0" in socket.set_cookies[0]
        if deleted:
            guest.client.cookies.clear()
        await socket.ask(**do)
        assert (await guest.post(await socket.ask("claim"))).status_code == 204


async def test_each_rotation_over_a_socket_can_be_claimed() -> None:
    guest = await Guest().begin()
    async with guest.door() as socket:
        for _ in range(3):
            former = guest.key
            await socket.ask("rotate")
            assert (await guest.post(await socket.ask("claim"))).status_code == 204
            assert guest.key != former


async def test_a_rotation_can_be_claimed_after_a_cookie_that_came_with_accept() -> None:
    class Early(Door):
        async def connect(self) -> None:
            self.scope["session"]["basket"] = "tea"
            await self.accept()

    guest = Guest()
    async with guest.door(Early) as socket:
        guest.key = socket.set_cookies[0].partition("=")[2][:40]
        await socket.ask("login", name="ada")
        assert (await guest.post(await socket.ask("claim"))).status_code == 204
    assert await guest.user() == "ada"


async def test_a_claim_to_a_key_that_was_rotated_since_brings_nothing() -> None:
    guest = await Guest().begin()
    async with guest.door() as socket:
        await socket.ask("login", name="ada")
        claim = await socket.ask("claim")
        await socket.ask("rotate")
        response = await guest.post(claim)
    assert (response.status_code, dict(response.cookies)) == (410, {})


async def test_a_claim_to_a_session_that_ended_brings_nothing() -> None:
    guest = await Guest().begin()
    async with guest.door() as socket:
        await socket.ask("login", name="ada")
        claim = await socket.ask("claim")
        await socket.ask("logout")
    response = await guest.post(claim)
    assert (response.status_code, dict(response.cookies)) == (410, {})


async def test_a_session_that_holds_nothing_cannot_be_claimed(redis_client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        async with Guest().door() as socket:
            await socket.ask("claim")
    assert redis_client.dbsize() == 0


@pytest.mark.usefixtures("middleware")
async def test_a_claim_whose_stored_bytes_were_changed_is_refused(
    post: Callable[..., Any], redis_client: redis.Redis
) -> None:
    guest = Guest()
    claim = await claim_of(guest)
    [name] = redis_client.scan_iter("session:claim:*")
    held = bytearray(redis_client.get(name))
    held[20] ^= 1
    redis_client.set(name, bytes(held))
    response = await post(guest, claim)
    assert (response.status_code, dict(response.cookies)) == (410, {})


async def test_nothing_in_the_server_tells_the_claim_or_the_key_it_is_for(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guest = await Guest().begin()
    former = guest.key
    claim = await claim_of(guest)
    held = [(name, redis_client.dump(name)) for name in redis_client.scan_iter()]
    await guest.post(claim)
    seen = b"".join(part for pair in held for part in pair) + caplog.text.encode()
    for secret in (claim, guest.key, guest.key[14:], former[14:]):
        assert secret.encode() not in seen


@pytest.fixture
def mortal(settings: Any, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test's own, where the sessions are."""
    server = Server(request.config.getoption("server")).start()
    entry = settings.CACHES["sessions"] | {"LOCATION": server.url}
    settings.CACHES = settings.CACHES | {"sessions": entry}
    yield server
    connections.close()
    server.stop()


async def test_while_the_server_is_away_the_page_is_told_to_try_again(
    mortal: Server, post: Callable[..., Any]
) -> None:
    guest = await Guest().begin()
    claim = await claim_of(guest)
    mortal.kill()
    response = await post(guest, claim)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert dict(response.cookies) == {}


async def test_a_post_costs_two_commands(redis_client: redis.Redis) -> None:
    guest = Guest()
    claim = await claim_of(guest)
    redis_client.config_resetstat()
    await guest.post(claim)
    calls = {name: stat["calls"] for name, stat in commands_run(redis_client).items()}
    assert calls == {"cmdstat_getdel": 1, "cmdstat_hgetall": 1}


def test_the_view_has_a_name() -> None:
    assert reverse("redis_sessions:claim") == URL
