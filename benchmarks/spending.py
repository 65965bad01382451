"""What work costs: CPU of this process and of the server, and bytes on the wire between them."""

import time
from collections.abc import Callable

import redis

Costs = dict[str, float]

_TOTALS = {  # what INFO adds up, and its unit in what is told here
    "server": (("used_cpu_user_main_thread", "used_cpu_sys_main_thread"), 1e6),
    "sent": (("total_net_input_bytes",), 1),
    "received": (("total_net_output_bytes",), 1),
}
_QUIET = 20_000  # microseconds of CPU a second: less is what two million keys take all the time
_PATIENCE = 100  # tenths of a second


class Meters:
    """The clocks of this process, and the totals of a server that nobody else asks meanwhile.

    ``background`` is what the server spends by itself, and nobody's cost: see idle().
    """

    background = 0.0

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def start(self) -> Callable[[int], Costs]:
        """Start; what is returned tells what each of ``count`` took: microseconds, bytes."""
        first, before = self._totals(), self._totals()
        begin, cpu = time.perf_counter(), time.process_time()

        def spent(count: int) -> Costs:
            own = (time.process_time() - cpu) * 1e6
            after = self._totals()
            asking = {name: before[name] - first[name] for name in before}
            asking["server"] += self.background * (time.perf_counter() - begin)
            costs = {name: max(0.0, after[name] - before[name] - asking[name]) for name in after}
            return {name: cost / count for name, cost in {"cpu": own, **costs}.items()}

        return spent

    def idle(self) -> float:
        """Return microseconds of CPU a second that the server spends while nobody asks.

        Wait, for ten seconds at most, until it has put away what it was given.
        """
        for _ in range(_PATIENCE):
            if self._alone(0.1) < _QUIET:
                break
        return self._alone(0.5)

    def _alone(self, seconds: float) -> float:
        before, begin = self._totals(), time.perf_counter()
        time.sleep(seconds)
        after = self._totals()
        return (after["server"] - before["server"]) / (time.perf_counter() - begin)

    def _totals(self) -> Costs:
        info = self._client.info("stats", "cpu")
        return {
            name: sum(info[field] for field in fields) * unit
            for name, (fields, unit) in _TOTALS.items()
        }
