"""Headless Chromium, and the pages of the demo in it."""

import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.example.demo import BOUND

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")


def start_chromium(folder: Path) -> webdriver.Chrome:
    """Start a browser that keeps what it keeps in a folder of its own."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                   "disable-background-networking", "disable-component-update", "disable-sync",
                   f"user-data-dir={folder}"):  # fmt: skip
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))


class Page:
    """The page in a browser."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.open()

    def open(self) -> None:
        self.driver.get(self.url)
        self.see("live-status", "connected")

    def see(self, element: str, text: str) -> None:
        """Wait until an element shows ``text`` and nothing else but white space."""
        ignored = [NoSuchElementException, StaleElementReferenceException]
        waiting = WebDriverWait(self.driver, BOUND, 0.05, ignored)
        waiting.until(lambda _: self.text(element) == text, f"{element} never showed {text!r}")

    def text(self, element: str) -> str:
        return " ".join(self.driver.find_element(By.ID, element).text.split())

    def submit(self, selector: str, **values: str) -> None:
        form = self.driver.find_element(By.CSS_SELECTOR, selector)
        for name, value in values.items():
            field = form.find_element(By.NAME, name)
            field.clear()
            field.send_keys(value)
        form.find_element(By.CSS_SELECTOR, "button").click()

    def by_http(self, action: str, **values: str) -> None:
        self.submit(f"form[action='/{action}/']", **values)

    def live(self, action: str, **values: str) -> None:
        self.submit(f"form[data-do='{action}']", **values)
