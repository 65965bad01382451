"""Fixtures: a running demo site, and a new visitor."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

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
