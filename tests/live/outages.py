"""A server that goes away and comes back."""

import pytest

from tests.servers import Server


class Fickle(Server):
    """A server that can go away and come back on its port with all that it held."""

    def go(self) -> None:
        with self.client() as client:
            client.save()
        self.kill()

    def come_back(self) -> None:
        self.start()


def waits(caplog: pytest.LogCaptureFixture) -> bool:
    """Tell whether a socket has noticed."""
    return "waits to be saved" in caplog.text
