"""What something took: CPU and time; or, where a proxy counts them, round trips and bytes."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.proxy import Proxy  # which imports this project's package; a rival's worker must not

Spent = dict[str, float]
SECONDS = ("cpu", "wall")


class Clocks:
    """The clocks of this process. ``cpu`` is that of all its threads, system calls included."""

    def __init__(self, proxy: "Proxy | None" = None) -> None:
        self._proxy = proxy

    def read(self) -> Spent:
        """Return seconds since some moment; or round trips, and bytes to the server."""
        if self._proxy is not None:
            return {"trips": self._proxy.trips, "sent": self._proxy.sent}  # whose CPU would count
        return {"cpu": time.process_time(), "wall": time.perf_counter()}

    def start(self) -> Callable[[int], Spent]:
        """Start; what is returned tells what each of ``count`` took: microseconds, trips, bytes."""
        begin = self.read()
        return lambda count: {
            name: (value - begin[name]) / count * (1e6 if name in SECONDS else 1)
            for name, value in self.read().items()
        }
