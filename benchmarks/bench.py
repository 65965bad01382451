"""All that is measured of the engines that serve sockets: one class with a method each."""

from . import command
from .growing import Growing
from .operations import Operation
from .pageviews import Pageviews
from .served import Served


class Bench(Growing, Served, Pageviews):
    """Stores, sockets, requests in the process and to a server, and how their cost grows."""

    def _operation(self, name: str) -> Operation:
        return command.OURS if name == "command" else super()._operation(name)
