"""What the commands print for people: plain text, in which no session's words can move a cursor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from redis_sessions.info import SessionInfo
from redis_sessions.staff import SessionDetails

_BAR = 40


def listing(user: str, infos: Sequence[SessionInfo]) -> str:
    """Return a user's sessions, one a paragraph."""
    if not infos:
        return f"{printable(user)} has no sessions."
    return "\n\n".join(_session(info) for info in infos)


def _session(info: SessionInfo) -> str:
    rows = {
        "logged in": _time(info.logged_in),
        "last seen": _time(info.last_seen),
        "expires": _time(info.expires),
        "from": f"{info.ip or 'unknown'}  {printable(info.user_agent)}".rstrip(),
        "sockets": str(info.sockets),
    }
    return "\n".join([info.id, *_rows(rows)])


def details(session: SessionDetails) -> str:
    """Return what a session consists of."""
    device = session.device
    rows = {
        "state": session.kind.replace("_", " "),
        "fault": printable(session.fault),
        "user": printable(session.user_id or ""),
        "created": _time(session.created),
        "logged in": _time(session.logged_in),
        "last seen": _time(session.last_seen),
        "expires": _time(session.expires),
        "kept for": "ever" if session.ttl is None else f"{session.ttl} s",
        "from": f"{device.ip}  {printable(device.user_agent)}".strip(),
        "sockets": str(session.sockets),
        "version": "" if session.version is None else str(session.version),
        "memory": f"{session.memory} bytes as {session.encoding}",
    }
    keys = [f"    {printable(name)}  {size} bytes" for name, size in session.keys]
    shown = _rows({name: text for name, text in rows.items() if text})
    return "\n".join([session.id, *shown, *(["  keys", *keys] if keys else [])])


def report(stats: dict[str, Any]) -> str:
    """Return the figures of ``stats``."""
    sessions, indexes = stats["sessions"], stats["indexes"]
    memory = {f"{name} (bytes)": size for name, size in stats["memory"].items()}
    orphans = {
        "users": indexes["users"],
        "sessions named": indexes["ids"],
        "without a session": indexes["ghosts"],
        "sessions not named": indexes["unlisted"],
    }
    parts = [
        ["Sessions", *_figures({name.replace("_", " "): n for name, n in sessions.items()})],
        ["Memory", *_figures(memory)],
        ["Bytes a session", *_histogram(stats["sizes"])],
        ["Encodings", *_figures(stats["encodings"])],
        ["To win by hash-max-listpack-value, estimated", *_gains(stats["listpack_gains"])],
        ["Indexes", *_figures(orphans)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if len(part) > 1)


def printable(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _rows(rows: dict[str, str]) -> list[str]:
    return [f"  {name:11}{text}" for name, text in rows.items()]


def _figures(figures: dict[str, int]) -> list[str]:
    return [f"  {name:20}{number:>14,}" for name, number in figures.items()]


def _histogram(sizes: Sequence[dict[str, Any]]) -> list[str]:
    most = max(size["sessions"] for size in sizes)
    return [
        f"  {_bound(size['up_to']):20}{size['sessions']:>14,}  "
        + "#" * -(-size["sessions"] * _BAR // most)
        for size in sizes
        if size["sessions"]
    ]


def _bound(size: int | None) -> str:
    return "more" if size is None else f"up to {size:,}"


def _gains(gains: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"  {gain['hash_max_listpack_value']:<20}{_bytes(gain['bytes']):>14} bytes"
        f" of {gain['sessions']:,} sessions"
        for gain in gains
        if gain["sessions"]
    ]


def _bytes(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"
