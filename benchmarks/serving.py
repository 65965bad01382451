"""The rows of requests: in the process, and to servers; and of frames to a server."""

from importlib.util import find_spec

from .rows import ALL, Effort, Row

PART = "requests"
PAGES = {"read": "reads", "write": "writes", "login": "logs in"}
GATEWAYS = {"ASGI": 100, "WSGI": 200}  # and requests
SERVERS = {"uvicorn": "uvicorn, 1 process", "gunicorn": "gunicorn, 2 uvicorn workers"}
NEEDS = {"gunicorn": ("gunicorn", "uvicorn_worker")}  # modules, beyond those of the tests


def absent(effort: Effort) -> dict[str, str]:
    """Return the servers that are wanted and not installed, and what installs them."""
    return {
        server: "it needs the extra: django-redis-live-sessions[benchmarks]"
        for server in effort.servers
        if not all(find_spec(module) for module in NEEDS.get(server, ()))
    }


def rows(effort: Effort) -> list[Row]:
    """Return all rows of requests, and of frames to a server."""
    handled = [
        _row(
            f"{gateway}, in the process",
            f"request that {does}",
            {"measure": "pageview", "gateway": gateway, "name": name},
            round(count * effort.scale),
        )
        for gateway, count in GATEWAYS.items()
        for name, does in PAGES.items()
    ]
    missing = absent(effort)
    servers = [server for server in effort.servers if server not in missing]
    return handled + [row for server in servers for row in _served(server, effort)]


def _served(server: str, effort: Effort) -> list[Row]:
    pages = [
        (f"request that {does}", {"measure": "serve", "name": name}, effort.served)
        for name, does in PAGES.items()
    ]
    frame = ("frame that writes", {"measure": "serve_frames", "name": "write"}, effort.served * 2)
    asked = [*pages, frame] if server == "uvicorn" else pages
    return [
        _row(SERVERS[server], name, words | {"server": server}, count, effort.served_rounds)
        for name, words, count in asked
    ]


def _row(
    group: str, name: str, request: dict[str, str], count: int, rounds: int | None = None
) -> Row:
    return Row(group, name, request | {"count": count}, rounds, part=PART, engines=ALL)
