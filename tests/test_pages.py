"""The page of a user's sessions: what it shows, and to whom."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from django.utils.dateparse import parse_datetime

from redis_sessions import users
from redis_sessions.pages import SessionListView
from redis_sessions.session import SessionStore
from tests import rooms
from tests.people import credentials
from tests.rooms import HALVES, LIST, OTHERS, Browse, Browser, browsing, end_of, in_rooms, words

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"

_site = pytest.fixture(in_rooms, autouse=True, name="_site")
browse = pytest.fixture(browsing, params=HALVES, name="browse")


def test_the_page_shows_every_session_of_the_user(browse: Browse) -> None:
    phone = browse(agent="curl/8.5.0")
    desk = browse()
    shown = words(desk.page())
    assert shown.index("Firefox on Linux") < shown.index("curl")
    assert shown.count("IP address 127.0.0.1") == 2
    assert shown.count("Sign out") == 4  # the introduction's, one for each session, everywhere else
    for session_id in (phone.id, desk.id):
        assert f'action="{end_of(session_id)}"' in desk.page()


def test_the_session_at_hand_is_marked(browse: Browse) -> None:
    phone, desk = browse(agent="curl/8.5.0"), browse()
    for browser, name in ((phone, "curl"), (desk, "Firefox on Linux")):
        assert browser.page().count('aria-current="true"') == 1
        assert f"{name} This session" in words(browser.page())


def test_nobody_elses_sessions_are_shown(browse: Browse) -> None:
    browse(User.objects.create(username="grace"), agent="curl/8.5.0")
    page = browse().page()
    assert "curl" not in page
    assert page.count('class="session"') == 1


def test_a_phone_is_named(browse: Browse) -> None:
    agent = (
        "Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/142.0.0.0 Mobile Safari/537.36"
    )
    assert "Chrome on Android This session Device Pixel 8 Pro" in words(browse(agent=agent).page())


@pytest.mark.parametrize(
    ("use_tz", "zone", "offset"),
    [(True, "UTC", "+00:00"), (True, "Asia/Tokyo", "+09:00"), (False, "Asia/Tokyo", "+09:00")],
)
def test_times_are_told_in_the_time_zone_of_the_site(
    browse: Browse, settings: Any, use_tz: bool, zone: str, offset: str
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    phone, desk = browse(), browse()
    [info] = [one for one in users.sessions_of(desk.user) if one.id == phone.id]
    times = re.findall(r'<time datetime="(.+?)">', desk.page())
    assert all(time.endswith(offset) for time in times)
    assert {info.logged_in, info.last_seen} <= {parse_datetime(time) for time in times}


def test_a_session_without_a_device_is_shown(browse: Browse) -> None:
    bare = SessionStore()
    browser = browse()
    bare.update(credentials(browser.user))
    bare.save()
    shown = words(browser.page())
    assert "Unknown device Signed in since" in shown
    assert shown.count("IP address") == 1


def test_what_the_site_does_not_note_is_not_shown(browse: Browse, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"DEVICES": "off"}
    shown = words(browse().page())
    assert "Unknown device This session Signed in since" in shown
    assert "IP address" not in shown


def test_a_truncated_address_is_shown_as_a_network(browse: Browse, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"DEVICES": "truncated"}
    assert "IP address 127.0.0.0/24" in words(browse().page())


def test_a_user_agent_that_is_markup_is_escaped(browse: Browse) -> None:
    evil, browser = browse(agent=SCRIPT), browse()
    page = browser.page()
    assert SCRIPT not in page
    assert ESCAPED in page
    told = browser.post(end_of(evil.id)).url
    page = browser.get(told).content.decode()
    assert SCRIPT not in page
    assert f"{ESCAPED} is signed out." in page


@pytest.mark.parametrize("size", [512, 513, 5000])
def test_a_long_user_agent_is_shown_shortened(browse: Browse, size: int) -> None:
    browser = browse(agent="\u00e4<" * (size // 2) + "\u00e4" * (size % 2))
    page = browser.page()
    pair = "\u00e4&lt;"
    assert pair * 14 + "\u00e4\N{HORIZONTAL ELLIPSIS}" + pair * 15 in page
    assert "\u00e4<" not in page
    assert page.count("&lt;") == 29


class Shop:
    """URLs that have ours below a namespace, once more under another name, and a view outside."""

    _account = [
        path("sessions/", include("redis_sessions.urls")),
        path("devices/", include("redis_sessions.urls", namespace="devices")),
        path("mine/", SessionListView.as_view(), name="mine"),
    ]
    urlpatterns = [
        *rooms.urlpatterns,
        path("account/", include((_account, "shop"), namespace="shop")),
    ]


@pytest.mark.parametrize("place", ["/account/sessions/", "/account/devices/", LIST])
def test_the_page_works_wherever_its_addresses_are_included(
    browse: Browse, settings: Any, place: str
) -> None:
    settings.ROOT_URLCONF = Shop
    phone, tablet, desk = browse(), browse(), browse()
    page = desk.get(place).content.decode()
    for url in (f"{place}end/{desk.id}/", f"{place}end/{phone.id}/", f"{place}end/others/"):
        assert f'action="{url}"' in page
    for url in (f"{place}end/{phone.id}/", f"{place}end/others/"):
        response = desk.post(url)
        assert (response.status_code, response.url) == (302, place)
        assert tablet.is_signed_in() == ("others" not in url)
    assert not phone.is_signed_in()
    stranger = Browser(desk.half).post(f"{place}end/others/")
    assert (stranger.status_code, stranger.url) == (302, f"/in/?next={place}")


def test_a_list_elsewhere_leads_to_the_addresses_that_are_included_without_a_namespace(
    browse: Browse, settings: Any
) -> None:
    settings.ROOT_URLCONF = Shop
    browse()
    page = browse().get("/account/mine/").content.decode()
    assert page.count(f'action="{LIST}end/') == 3


@pytest.mark.parametrize("number", [9 * 10**17, -9 * 10**17])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_times_that_no_calendar_has_do_not_break_the_page(
    browse: Browse, settings: Any, redis_client: Any, number: int, zone: str
) -> None:
    settings.TIME_ZONE = zone
    phone, desk = browse(), browse()
    redis_client.hset(f"session:{{{phone.id}}}", mapping={"\0l": number, "\0s": number})
    assert desk.page().count('class="session"') == 2


def test_no_cache_keeps_the_page(browse: Browse) -> None:
    desk = browse()
    for response in (desk.get(), desk.post(OTHERS)):
        assert "no-store" in response["Cache-Control"]


def test_many_sessions_are_paged(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionListView, "paginate_by", 2)
    sessions = {browse().id for _ in range(4)}
    desk = browse()
    pages = [desk.page(page=str(number)) for number in (1, 2, 3)]
    shown = [re.findall(rf'action="{end_of("(.{14})")}"', page) for page in pages]
    assert [len(ids) for ids in shown] == [2, 2, 1]
    assert {session_id for ids in shown for session_id in ids} == sessions | {desk.id}
    links = [re.findall(r'href="(\?page=\d)" rel="(\w+)"', page) for page in pages]
    assert links == [
        [("?page=2", "next")],
        [("?page=1", "prev"), ("?page=3", "next")],
        [("?page=2", "prev")],
    ]
    assert all(OTHERS in page for page in pages)
    assert "There is no session on this page." in words(desk.page(page="4"))


def test_a_page_of_which_a_session_has_gone_unseen_does_not_hide_the_next(
    browse: Browse, monkeypatch: pytest.MonkeyPatch, redis_client: Any
) -> None:
    monkeypatch.setattr(SessionListView, "paginate_by", 2)
    browsers = [browse() for _ in range(4)]
    first, *_ = users.sessions_of(browsers[0].user, limit=2)
    desk = next(browser for browser in browsers if browser.id != first.id)
    redis_client.delete(f"session:{{{first.id}}}")
    assert desk.page().count('class="session"') == 1
    assert "Next page" in words(desk.page())


@pytest.mark.parametrize("page", ["0", "-1", "", "x", "1.0", "1000000", "9" * 30, "\u0663", "1\n"])
def test_a_page_that_cannot_be_is_not_found(browse: Browse, page: str) -> None:
    assert browse().get(page=page).status_code == 404


def test_the_page_needs_no_messages(browse: Browse, settings: Any) -> None:
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "messages" not in path]
    phone, desk = browse(), browse()
    assert desk.post(end_of(phone.id)).status_code == 302
    assert "curl" not in desk.page()
    assert desk.post(end_of(desk.id)).status_code == 302


def test_what_describes_another_element_names_one_that_is_there(browse: Browse) -> None:
    browse(agent=SCRIPT)
    page = browse().page()
    ids = re.findall(r' id="(.+?)"', page)
    assert len(ids) == len(set(ids)) == 2
    assert sorted(re.findall(r'aria-describedby="(.+?)"', page)) == sorted(ids)


def test_the_page_works_without_scripts(browse: Browse) -> None:
    assert "<script" not in browse().page()
