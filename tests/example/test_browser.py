"""The demo in headless Chromium: what one side changes, the other shows."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.example.chromium import Page
from tests.example.demo import TIMES, Site
from tests.servers import Server, free_port

Window = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def other_window(page: Page) -> Window:
    """A second window of the same browser, to do something in."""

    @contextmanager
    def window() -> Iterator[None]:
        first = page.driver.current_window_handle
        page.driver.switch_to.new_window("tab")
        page.open()
        yield
        page.driver.close()
        page.driver.switch_to.window(first)

    return window


def test_in_a_browser_a_name_goes_from_http_to_the_socket_and_back(page: Page) -> None:
    page.by_http("do/name", name="Ada")
    page.see("http-name", "Ada")
    page.see("live-name", "Ada")
    page.live("name", name="Grace")
    page.see("live-name", "Grace")
    assert page.text("http-name") == "Ada"
    page.open()
    page.see("http-name", "Grace")


def test_in_a_browser_a_basket_is_filled_from_both_sides(page: Page) -> None:
    page.by_http("do/add", item="Tea")
    page.see("live-basket", f"Tea {TIMES} 1 Remove")
    page.live("add", item="Bread")
    page.see("live-basket", f"Tea {TIMES} 1 Remove Bread {TIMES} 1 Remove")
    page.open()
    page.see("http-basket", f"Tea {TIMES} 1 Remove Bread {TIMES} 1 Remove")
    page.by_http("do/remove")
    page.see("http-basket", f"Bread {TIMES} 1 Remove")
    page.see("live-basket", f"Bread {TIMES} 1 Remove")
    page.live("remove")
    page.see("live-basket", "Nothing in it")


def test_in_a_browser_a_session_can_begin_over_the_socket(page: Page) -> None:
    assert page.driver.find_element(By.ID, "no-record").is_displayed()
    assert page.driver.get_cookie("sessionid") is None
    page.live("name", name="Grace")
    page.see("live-name", "Grace")
    page.see("record-encoding", "listpack")
    page.see("live-claimed", "The browser has got its cookie.")
    assert page.driver.get_cookie("sessionid")["httpOnly"]
    page.open()
    page.see("http-name", "Grace")


def test_in_a_browser_login_and_logout_show_on_both_sides(page: Page) -> None:
    page.by_http("login", username="demo", password="demo")
    page.see("http-user", "demo")
    page.see("live-user", "demo")
    page.by_http("logout")
    page.see("http-user", "not logged in")
    page.see("live-user", "not logged in")


def test_in_a_browser_a_tab_that_missed_the_beginning_of_the_session_comes_to_it(
    page: Page, other_window: Window
) -> None:
    with other_window():
        page.by_http("do/name", name="Ada")
        page.see("live-name", "Ada")
    assert page.text("live-name") == "not set"
    page.live("add", item="Tea")
    page.see("live-claimed", "Another tab began a session; connected to it, do that again.")
    page.see("live-name", "Ada")
    page.see("live-basket", "Nothing in it")
    page.live("add", item="Tea")
    page.see("live-basket", f"Tea {TIMES} 1 Remove")
    page.see("live-claimed", "")
    page.open()
    page.see("http-basket", f"Tea {TIMES} 1 Remove")
    page.driver.get_log("browser")  # it complains of the claim's 410


def test_in_a_browser_chat_is_signed_with_the_name_and_shown_as_text(page: Page) -> None:
    page.by_http("do/name", name="Ada")
    page.see("live-name", "Ada")
    page.see("live-status", "connected")
    page.live("chat", text="<b>Hello</b>")
    page.see("chat", "Ada <b>Hello</b>")


def test_in_a_browser_another_window_shows_a_change_without_a_reload(
    page: Page, other_window: Window
) -> None:
    page.by_http("do/name", name="Ada")
    page.see("live-name", "Ada")
    with other_window():
        page.live("name", name="Grace")
        page.see("live-name", "Grace")
    page.see("live-name", "Grace")
    with other_window():
        page.by_http("do/name", name="Hedy")
        page.see("http-name", "Hedy")
    page.see("live-name", "Hedy")
    assert page.text("http-name") == "Ada"


def test_in_a_browser_after_a_login_over_the_socket_the_next_page_knows_the_user(
    page: Page,
) -> None:
    page.by_http("do/name", name="Ada")
    page.see("live-name", "Ada")
    page.live("login", password="demo")
    page.see("live-user", "demo")
    page.see("live-claimed", "The browser has got its cookie.")
    page.open()
    page.see("http-user", "demo")


def test_in_a_browser_a_logout_in_another_window_closes_this_socket_and_says_why(
    page: Page, other_window: Window
) -> None:
    page.by_http("login", username="demo", password="demo")
    page.see("live-user", "demo")
    with other_window():
        page.by_http("logout")
        page.see("http-user", "not logged in")
    page.see("live-status", "closed")
    page.see("live-closed", "4401 logged out")
    page.see("live-user", "not logged in")
    page.driver.find_element(By.ID, "live-again").click()
    page.see("live-status", "connected")
    page.see("live-user", "not logged in")


def test_in_a_browser_a_login_in_another_window_costs_this_one_no_input(
    page: Page, other_window: Window
) -> None:
    page.by_http("do/name", name="Ada")
    page.see("live-name", "Ada")
    with other_window():
        page.by_http("login", username="demo", password="demo")
        page.see("http-user", "demo")
    page.see("live-user", "demo")
    page.see("live-closed", "4405 logged in")
    page.live("add", item="Tea")
    page.see("live-basket", f"Tea {TIMES} 1 Remove")


def test_in_a_browser_the_live_panel_comes_back_after_its_server(
    chromium: webdriver.Chrome, tmp_path: Path, server: Server
) -> None:
    chromium.delete_all_cookies()
    options = ("--port", str(free_port()))
    before = Site(tmp_path, *options, redis_url=server.url)
    try:
        page = Page(chromium, before.url)
        page.live("name", name="Grace")
        page.see("live-claimed", "The browser has got its cookie.")
        assert before.interrupt() == 0
        page.see("live-status", "away, coming back")
        page.see("live-claimed", "")
    finally:
        before.kill()
    after = Site(tmp_path, *options, redis_url=server.url)
    try:
        page.see("live-status", "connected")
        page.see("live-name", "Grace")
        page.live("name", name="Ada")
        page.see("live-name", "Ada")
        chromium.get(after.url)
        page.see("http-name", "Ada")
    finally:
        after.kill()
        chromium.get_log("browser")  # that the server was away is no complaint
