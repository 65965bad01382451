"""Pages made of what clients say of themselves: text stays text."""

from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path
from hypothesis import strategies as st

from redis_sessions.session import SessionStore
from tests import rooms
from tests.conftest import Do
from tests.fuzz.hostile import huge
from tests.people import BACKEND, log_in
from tests.properties import fuzz

MARKUP = [
    "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</dd></title><svg/onload=a>",
    "{{ session }}{% debug %}", "javascript:alert(1)", "&lt;b&gt;", "<!--", "]]>", "\u2028\u202e",
]  # fmt: skip
texts = st.lists(st.sampled_from(MARKUP) | st.text(max_size=20), min_size=1).map("".join) | huge


# What a device that says more, or less, makes more or less of.
ROWS = {(tag, ()) for tag in ("tr", "td", "dt", "dd", "div")} | {("th", ("scope",))}


urlpatterns = [*rooms.urlpatterns, path("admin/", admin.site.urls)]


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


class Elements(HTMLParser):
    """Counts the elements of a page, each with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[Any] = Counter()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(sorted(name for name, _ in attrs))] += 1


def page(client: Client, url: str) -> Counter[Any]:
    response = client.get(url)
    assert response.status_code == 200
    return Elements(response.content.decode()).found


def sessions_of(do: Do, user: User, agent: str, name: str) -> SessionStore:
    session = log_in(do, user, HTTP_USER_AGENT=agent, REMOTE_ADDR="192.0.2.1")
    do(session.update, {name: 1})
    do(session.save)
    return session


@fuzz(30, agent=texts, name=texts.filter(lambda text: not text.startswith("\0")))
def test_no_text_of_a_client_adds_an_element_or_an_attribute_to_a_page(
    db: None, redis_client: redis.Redis, agent: str, name: str
) -> None:
    do = lambda method, *args: method(*args)  # noqa: E731
    user, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
    pages = []
    for texts in (("curl/8.5.0", "name"), (agent, name)):
        redis_client.flushdb()
        client = Client()
        client.force_login(user, BACKEND)
        session = sessions_of(do, user, *texts)
        pages.append([page(client, "/sessions/")])
        root = "/admin/redis_sessions/activesession/"
        pages[-1] += [page(client, f"{root}?user={user.pk}"), page(client, f"{root}{session.id}/")]
    for plain, hostile in zip(*pages, strict=True):
        assert hostile.keys() <= plain.keys()
        assert {one for one in plain | hostile if plain[one] != hostile[one]} <= ROWS
