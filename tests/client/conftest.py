"""Fixtures: the client's site, and a browser with a page of it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.servers import free_port

BOUND = 20  # seconds, for whatever should come about soon
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
SWITCHES = [
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-sync", "no-first-run",
    "disable-background-networking", "disable-component-update", "disable-dev-shm-usage",
    "window-size=400,300",
]  # fmt: skip


def until(condition: Callable[[], Any], what: Callable[[], str] = str) -> Any:
    """Return what ``condition`` gives once that is true; fail with what is there instead."""
    deadline = time.monotonic() + BOUND
    while not (found := condition()):
        assert time.monotonic() < deadline, what()[-2000:]
        time.sleep(0.03)
    return found


class Site:
    """The client's site, as a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "log"
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.client.settings",
            "REDIS_SESSIONS_TEST_USERS": str(folder / "users.sqlite3"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.client.site", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, env=self.environment, stderr=log)
        until(self.answers, self.log.read_text)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End the site at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="package")
def site(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The client's site, with the sessions of the tests' server."""
    running = Site(tmp_path_factory.mktemp("client"))
    try:
        running.start()
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()
    finally:
        running.kill()


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A headless Chromium."""
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in [*SWITCHES, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(f"--{switch}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


class Tab:
    """A tab of the browser, which shows the page of the site."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.window = driver.current_window_handle
        driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it returns."""
        self.driver.switch_to.window(self.window)
        return self.driver.execute_script(script, *arguments)

    def start(self, url: str = "/ws/", **options: Any) -> "Tab":
        """Open a LiveSocket."""
        options = {"claimUrl": "/sessions/claim/", "minDelay": 30, **options}
        self.run("start(...arguments)", url, options)
        return self

    def tell(self, do: str, **values: Any) -> None:
        self.run("tell(...arguments)", do, values)

    def fetch(self, path: str) -> int:
        """Ask for a path as a script does; return the status of the answer."""
        return self.run("return fetch(arguments[0]).then((answer) => answer.status)", path)

    def see(self, kind: str, number: int = 1) -> dict[str, Any]:
        """Return an event of this type, once there are as many as ``number``."""
        return until(lambda: self.seen(kind)[number - 1 :], lambda: str(self.seen()))[0]

    def seen(self, kind: str | None = None) -> list[dict[str, Any]]:
        events = self.run("return seen")
        return [event for event in events if kind in {None, event["type"]}]

    def answer(self, do: str, **values: Any) -> str:
        """Tell the consumer to do something, and return the message that comes next."""
        before = len(self.seen("message"))
        self.tell(do, **values)
        return self.see("message", before + 1)["data"]

    def visit(self, path: str) -> str:
        """Go to another page of the site; return its text."""
        self.driver.get(self.run("return location.origin") + path)
        return self.run("return document.body.innerText")


@pytest.fixture
def open_tab(chromium: webdriver.Chrome, site: Site) -> Iterator[Callable[..., Tab]]:
    """Open a tab of a browser that knew no cookies before."""
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    first = chromium.current_window_handle

    def open_one(path: str = "/") -> Tab:
        if chromium.current_url not in {"about:blank", "data:,"}:
            chromium.switch_to.new_window("tab")
        return Tab(chromium, site.url + path)

    yield open_one
    for window in chromium.window_handles:
        chromium.switch_to.window(window)
        if window == first:
            chromium.get("about:blank")
        else:
            chromium.close()
    chromium.switch_to.window(first)


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    return open_tab()
