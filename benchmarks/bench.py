"""All that is measured of the engines that serve sockets: one class with a method each."""

from .growing import Growing
from .pageviews import Pageviews
from .served import Served


class Bench(Growing, Served, Pageviews):
    """Stores, sockets, requests in the process and to a server, and how their cost grows."""
