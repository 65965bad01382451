"""Requests to the claim view and to pages that take ids: only documented answers."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client
from django.urls import path
from hypothesis import strategies as st

from redis_sessions import claims, executors, tokens, users
from redis_sessions.conf import config
from redis_sessions.session import SessionStore
from tests import rooms
from tests.doors import ORIGIN
from tests.fuzz.hostile import cookies, header_text, huge, ids, keys
from tests.fuzz.planting import of_any_type, plant
from tests.observers import contents
from tests.people import BACKEND, log_in, person
from tests.properties import fuzz

CLAIM = "/sessions/claim/"
FORM = "application/x-www-form-urlencoded"

texts = st.text(max_size=60) | keys | ids | huge | header_text
origins = st.none() | header_text | st.sampled_from([ORIGIN, "null", f"{ORIGIN}.evil.example"])
ascii_text = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=80)
content_types = ascii_text | st.sampled_from(
    [FORM, f"{FORM}; charset=utf-7", "multipart/form-data; boundary=x", "multipart/form-data",
     "application/json", "text/plain", "", "multipart/form-data; boundary=" + "x" * 300]
)  # fmt: skip
PART = '--x\r\nContent-Disposition: form-data; name="claim"\r\n\r\n'
claim_texts = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=24, max_size=26)
bodies = st.one_of(
    st.binary(max_size=200),
    claim_texts.map(lambda text: f"claim={text}".encode()),
    texts.map(lambda text: f"claim={text}&claim=%00%ff".encode()),
    texts.map(lambda text: f"{PART}{text}\r\n--x--".encode()),
)


urlpatterns = [*rooms.urlpatterns, path("admin/", admin.site.urls)]


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture(params=["WSGI", "ASGI"])
def post(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Send a body to the claim view."""

    def headers(origin: str | None, cookie: str) -> dict[str, str]:
        return {"cookie": cookie} | ({} if origin is None else {"origin": origin})

    def by_wsgi(method: str, body: bytes, kind: str, origin: str | None, cookie: str) -> Any:
        return Client().generic(method, CLAIM, body, kind, headers=headers(origin, cookie))

    async def by_asgi(method: str, body: bytes, kind: str, origin: str | None, cookie: str) -> Any:
        return await AsyncClient().generic(
            method, CLAIM, body, kind, headers=headers(origin, cookie)
        )

    return by_wsgi if request.param == "WSGI" else async_to_sync(by_asgi)


@fuzz(
    60,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "PATCH", "OPTIONS"]),
    body=bodies,
    kind=content_types,
    origin=origins,
    cookie=cookies("0" * 40),
)
def test_no_request_to_the_claim_view_brings_a_cookie_or_fails(
    redis_client: redis.Redis, post: Callable[..., Any], **sent: Any
) -> None:
    log_in(lambda method, *args: method(*args))
    before = contents(redis_client)
    response = post(*sent.values())
    assert response.status_code in {400, 403, 405, 410}
    assert all(morsel.value == "" for morsel in response.cookies.values())
    assert contents(redis_client) == before
    redis_client.flushdb()


@fuzz(100, planted=of_any_type, former=st.none() | texts, other=texts)
def test_no_bytes_under_the_name_of_a_claim_bring_a_key(
    redis_client: redis.Redis, planted: Any, former: str | None, other: str
) -> None:
    claim, command = claims.make(tokens.make_key(), [former])
    plant(redis_client, command.words[1], planted)
    [stored] = executors.run(config().alias, claims.take(claim))
    assert claims.open_(claim, stored, former) is None
    assert (former or "") == other or claims.open_(claim, command.words[2], other) is None


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada")


@pytest.fixture
def client(ada: User) -> Client:
    """A browser in which a user is logged in who may do all."""
    client = Client()
    client.force_login(ada, BACKEND)
    return client


@fuzz(60, text=texts | st.text(max_size=20).map(lambda text: f"{text}/end/others"))
def test_no_id_in_an_address_ends_or_shows_a_session_of_somebody_else(
    redis_client: redis.Redis, client: Client, text: str
) -> None:
    mine = client.cookies["sessionid"].value
    other = log_in(lambda method, *args: method(*args), person(8))
    for session_id in (text, other.id, str(other.session_key), f"{other.id}/", f"{mine}0"):
        url = f"/sessions/end/{session_id}/"
        response = client.generic("POST", url.encode("utf-8", "replace").decode("latin-1"))
        assert response.status_code in {302, 404, 405}
        assert not response.content or str(other.session_key) not in response.content.decode()
    assert SessionStore(other.session_key)["_auth_user_id"] == "8"
    assert SessionStore(mine)["_auth_user_id"]
    assert client.get("/sessions/", {"page": text}).status_code in {200, 404}
    redis_client.delete(f"session:{{{other.id}}}")


@fuzz(40, text=texts, name=st.sampled_from(["q", "user", "page", "other"]))
def test_whatever_staff_are_made_to_ask_the_admin_answers(
    client: Client, text: str, name: str
) -> None:
    root = "/admin/redis_sessions/activesession/"
    assert client.get(root, {name: text}).status_code in {200, 302}
    assert client.post(f"{root}end/", {"id": [text], "user": text}).status_code in {200, 302}
    assert client.generic("GET", root + text.encode("utf-8", "replace").decode("latin-1") + "/")
    client.cookies.pop("messages", None)


@fuzz(40, text=texts.filter(lambda text: not text.startswith("-")))
@pytest.mark.django_db
def test_whatever_a_command_is_told_it_answers_in_a_sentence(
    redis_client: redis.Redis, text: str
) -> None:
    for words in (["show", text], ["end", text], ["list", "--user", text]):
        with pytest.raises(CommandError) as raised:
            call_command("redis_sessions", *words)
        assert str(raised.value)
    assert users.end_session(person(), text) is None
    assert redis_client.dbsize() == 0
