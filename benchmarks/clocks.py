"""What something took: CPU, time, and round trips to the server where a proxy counts them."""

import time
from collections.abc import Callable

from tests.proxy import Proxy

Spent = dict[str, float]


class Clocks:
    """The clocks of this process. ``cpu`` is that of all its threads, system calls included."""

    def __init__(self, proxy: Proxy | None = None) -> None:
        self._proxy = proxy

    def read(self) -> Spent:
        """Return seconds and round trips since some moment."""
        if self._proxy is not None:
            return {"trips": self._proxy.trips}  # whose CPU would count as well
        return {"cpu": time.process_time(), "wall": time.perf_counter()}

    def start(self) -> Callable[[int], Spent]:
        """Start; what is returned tells what each of ``count`` took: microseconds, round trips."""
        begin = self.read()
        return lambda count: {
            name: (value - begin[name]) / count * (1 if name == "trips" else 1e6)
            for name, value in self.read().items()
        }
