"""The demo's page of a user's sessions: two visitors who are one user, and two browsers."""

import urllib.error

import pytest
from selenium.webdriver.common.by import By

from tests.example.chromium import Page
from tests.example.demo import Site, Visitor, closed, receive, shown

LIST, OTHERS = "sessions/", "sessions/end/others/"
ADMIN = "admin/redis_sessions/activesession/"
WITHIN = 1000  # milliseconds, from a click in one browser to the end of a socket in the other


@pytest.fixture
def other(site: Site) -> Visitor:
    """The same user in another browser."""
    return log_in(Visitor(site.url))


def log_in(visitor: Visitor) -> Visitor:
    visitor.post("login/", username="demo", password="demo")
    return visitor


def test_the_list_is_linked_for_who_is_logged_in(visitor: Visitor) -> None:
    assert f'href="/{LIST}"' not in visitor.get()
    assert f'href="/{LIST}"' in log_in(visitor).get()


def test_the_list_is_in_the_frame_of_the_demo(visitor: Visitor) -> None:
    page = log_in(visitor).get(LIST)
    assert "demo/style.css" in page
    assert page.count("<h1>") == 1
    assert page.count("Where you are signed in</h1>") == 1


def test_who_is_not_logged_in_gets_to_the_login_form(visitor: Visitor) -> None:
    assert shown(visitor.get(LIST), "http-user") == "not logged in"


def test_the_end_of_all_others_closes_their_sockets(visitor: Visitor, other: Visitor) -> None:
    log_in(visitor)
    with visitor.socket() as mine, other.socket() as live:
        receive(mine, "record")
        receive(live, "record")
        assert "1 other session is ended." in visitor.post(OTHERS)
        assert closed(live) == (4403, "revoked")
        mine.ping().wait()
    assert shown(other.get(), "http-user") == "not logged in"
    assert shown(visitor.get(), "http-user") == "demo"


def test_one_session_is_ended_by_its_id(visitor: Visitor, other: Visitor) -> None:
    log_in(visitor)
    path = f"sessions/end/{other.session_key[:14]}/"
    assert f'action="/{path}"' in visitor.get(LIST)
    assert "is signed out." in visitor.post(path)
    assert shown(other.get(), "http-user") == "not logged in"
    with pytest.raises(urllib.error.HTTPError) as error:
        visitor.post(path)
    assert error.value.code == 404
    error.value.close()


def test_the_admin_is_linked_for_staff_and_lists_the_same_sessions(
    visitor: Visitor, other: Visitor
) -> None:
    assert f'href="/{ADMIN}"' not in visitor.get()
    assert f'href="/{ADMIN}"' in log_in(visitor).get()
    page = visitor.get(f"{ADMIN}?q=demo")
    assert visitor.session_key[:14] in page
    assert other.session_key[:14] in page


def test_a_session_that_is_ended_in_the_admin_closes_its_socket(
    visitor: Visitor, other: Visitor
) -> None:
    log_in(visitor)
    with other.socket() as live:
        receive(live, "record")
        chosen = {"id": other.session_key[:14], "confirmed": "yes"}
        assert "Ended 1 session." in visitor.post(f"{ADMIN}end/", **chosen)
        assert closed(live) == (4403, "revoked")


def test_the_record_shows_its_device(visitor: Visitor) -> None:
    assert "127.0.0.1 Python-urllib/" in shown(log_in(visitor).get(), "record-fields")


def test_in_a_browser_of_a_phones_width_the_list_of_the_admin_scrolls_and_not_the_page(
    page: Page,
) -> None:
    sign_in(page)
    screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        page.driver.get(f"{page.url}{ADMIN}?q=demo")
        widths = "return [document.documentElement.scrollWidth, innerWidth]"
        assert page.driver.execute_script(widths) == [400, 400]
        widths = "const table = document.querySelector('.results');"
        widths += "return [table.clientWidth, table.scrollWidth]"
        visible, whole = page.driver.execute_script(widths)
        assert visible < 400 < whole
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.get_log("browser")  # the admin's pages name no icon, so /favicon.ico is missed


def test_in_two_browsers_the_end_of_all_others_closes_session_and_socket_within_a_second(
    page: Page, other_page: Page
) -> None:
    times: list[int] = []
    while not times or (min(times) >= WITHIN and len(times) < 5):  # a busy machine may be late
        for one in (page, other_page):
            sign_in(one)
        times.append(end_others(page, other_page))
        other_page.see("live-user", "not logged in")
        other_page.open()
        other_page.see("http-user", "not logged in")
        page.driver.get(page.url)
        page.see("http-user", "demo")
        page.by_http("logout")
        page.see("http-user", "not logged in")
    assert min(times) < WITHIN


def sign_in(page: Page) -> None:
    page.by_http("login", username="demo", password="demo")
    page.see("live-user", "demo")
    page.see("live-status", "connected")


def end_others(page: Page, other_page: Page) -> int:
    """Press the button; return after how many milliseconds the other browser's socket closed."""
    other_page.driver.execute_script(
        "new MutationObserver(() => { window.closedAt = Date.now(); })"
        ".observe(document.getElementById('live-closed'), {childList: true});"
    )
    page.driver.get(page.url + LIST)
    there, here = page.driver.find_elements(By.CLASS_NAME, "session")
    assert "This session" in here.text
    assert "Chrome on Linux" in there.text
    assert "Live connections\n1" in there.text
    button = page.driver.find_element(By.CSS_SELECTOR, ".end-others button")
    page.driver.execute_script(
        "arguments[0].form.addEventListener('submit',"
        " () => localStorage.setItem('pressed', Date.now()));",
        button,
    )
    button.click()
    other_page.see("live-closed", "4403 revoked")
    assert "1 other session is ended." in page.driver.find_element(By.TAG_NAME, "body").text
    pressed = int(page.driver.execute_script("return localStorage.getItem('pressed')"))
    return other_page.driver.execute_script("return window.closedAt") - pressed
