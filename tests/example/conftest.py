"""Fixtures: a running demo site, and a new visitor."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from selenium import webdriver

from tests.example.chromium import Page, start_chromium
from tests.example.demo import Site, Visitor


@pytest.fixture(scope="package")
def site(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo on the server of the tests. Nothing may go wrong in it, seen or unseen."""
    url = settings.CACHES["sessions"]["LOCATION"]
    running = Site(tmp_path_factory.mktemp("demo"), "--port", "0", redis_url=url)
    try:
        assert running.url
        yield running
        assert running.interrupt() == 0, running.log.read_text()
        assert "Traceback" not in running.log.read_text()
    finally:
        running.kill()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site.url)


def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


# Two browsers that know nothing of each other.
chromium = pytest.fixture(_chromium, scope="package", name="chromium")
other_chromium = pytest.fixture(_chromium, scope="package", name="other_chromium")


def _page(driver: webdriver.Chrome, site: Site) -> Iterator[Page]:
    driver.delete_all_cookies()
    driver.get("about:blank")  # a page of a test before this may have lost its server
    driver.get_log("browser")
    yield Page(driver, site.url)
    assert driver.get_log("browser") == []


@pytest.fixture
def page(chromium: webdriver.Chrome, site: Site) -> Iterator[Page]:
    """The page as a new visitor sees it. The browser may have nothing to complain about."""
    yield from _page(chromium, site)


@pytest.fixture
def other_page(other_chromium: webdriver.Chrome, site: Site) -> Iterator[Page]:
    """The same in the other browser."""
    yield from _page(other_chromium, site)
