"""MAX_SESSIONS_PER_USER as browsers meet it, under WSGI and ASGI."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from redis_sessions import users
from tests.browser import AsyncBrowser, Browser, cookie_of
from tests.people import FIREFOX, listed

pytestmark = [pytest.mark.urls("tests.views"), pytest.mark.django_db]


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def browser(request: pytest.FixtureRequest) -> type[Browser]:
    return request.param


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="one")


def whoami(browser: Browser) -> str:
    return browser.get("whoami").content.decode()


def test_the_former_browser_is_logged_out(browser: type[Browser], ada: User, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1}
    first, second = browser(), browser()
    first.get("login", user="ada")
    second.get("login", user="ada")
    assert (whoami(first), whoami(second)) == ("", "ada")


def test_the_browser_over_the_limit_gets_403_and_keeps_its_basket(
    browser: type[Browser], ada: User, settings: Any, redis_client: Any
) -> None:
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1, "OVER_LIMIT": "refuse"}
    first, second = browser(), browser()
    first.get("login", user="ada")
    second.call(["update", {"basket": 1}])
    former = second.key
    refused = second.get("login", user="ada")
    assert refused.status_code == 403
    assert cookie_of(refused).value == second.key != former
    assert (whoami(first), whoami(second)) == ("ada", "")
    assert second.returned(["get", "basket"]) == [1]
    assert listed(redis_client, ada.pk) == {first.key[:14]}


def test_a_visitor_without_a_session_who_is_refused_has_none_worth_a_record(
    browser: type[Browser], ada: User, settings: Any, redis_client: Any
) -> None:
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1, "OVER_LIMIT": "refuse"}
    first, second = browser(), browser()
    first.get("login", user="ada")
    assert second.get("login", user="ada").status_code == 403
    assert whoami(second) == ""


def test_the_device_of_the_request_is_noted(
    browser: type[Browser], ada: User, redis_client: Any
) -> None:
    browser().get("login", headers={"user-agent": FIREFOX}, user="ada")
    [info] = users.sessions_of(ada)
    assert (info.ip, info.user_agent) == ("127.0.0.1", FIREFOX)
