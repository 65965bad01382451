"""What Redis holds for one session, for people to look at. Nothing that is secret is shown.

A site has no need of this: it is here to show how little is stored, and how. It reads Redis with a
client of its own, past the session engine.
"""

from typing import Any

import redis.asyncio
from django.conf import settings

from redis_sessions import devices

SIGNATURE_SIZE = 12
META = {
    "\0k": "digest of the secret",
    "\0p": "digest before login, time",
    "\0c": "created, unix time",
    "\0v": "version: writes so far",
    "\0x": "expires, unix time",
    "\0i": "idle seconds of its own",
    "\0s": "last seen, unix time",
    "\0l": "logged in, unix microseconds",
    "\0d": "device, deflated: ip, browser",
    "\0e": "keys before login, encrypted",
}
ENCRYPTED = b"\3"
KINDS = {b"\0": "value, serialised", b"\1": "hex digits, packed", ENCRYPTED: "encrypted"}
SECRET_META = {"\0k", "\0p", "\0e"}
SHOWN_VALUES = {"name", "basket", "_auth_user_id", "_auth_user_backend"}


async def read_record(session_id: str | None) -> dict[str, Any] | None:
    """Return key, encoding, ttl, memory and fields; None where Redis holds nothing."""
    if session_id is None:
        return None
    key = f"session:{{{session_id}}}"
    fields, encoding, ttl, memory = await ask(key)
    if not fields:
        return None
    return {
        "key": key,
        "encoding": encoding.decode(),
        "ttl": duration(ttl),
        "memory": memory,
        "fields": [describe(name, fields[name]) for name in sorted(fields, key=data_first)],
    }


def data_first(name: bytes) -> tuple[bool, bytes]:
    return name.startswith(b"\0"), name


async def ask(key: str) -> list[Any]:
    async with redis.asyncio.from_url(settings.REDIS_URL) as client:
        pipeline = client.pipeline(transaction=True)
        pipeline.hgetall(key)
        pipeline.object("ENCODING", key)
        pipeline.ttl(key)
        pipeline.memory_usage(key)
        return await pipeline.execute()


def describe(field: bytes, stored: bytes) -> dict[str, Any]:
    """Return how one field is shown: its name, what it is, its size in bytes and its text."""
    name = field.decode()
    if name.startswith("\0"):
        return {
            "name": name.replace("\0", "\\0"),
            "kind": META.get(name, "meta"),
            "size": str(len(stored)),
            "text": None if name in SECRET_META else meta_text(name, stored),
        }
    payload = stored[SIGNATURE_SIZE:]
    is_shown = name in SHOWN_VALUES and payload[:1] != ENCRYPTED
    return {
        "name": name,
        "kind": KINDS.get(payload[:1], "text"),
        "size": f"{SIGNATURE_SIZE} + {len(payload)}",
        "text": payload.lstrip(b"\0").decode() if is_shown else None,
    }


def meta_text(name: str, stored: bytes) -> str:
    if name != "\0d":
        return stored.decode()
    device = devices.unpack(stored)
    return f"{device.ip} {device.user_agent}"


def duration(seconds: int) -> str:
    """Return a ttl in words, to two units."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"d": days, "h": hours, "min": minutes, "s": seconds}
    words = [f"{number} {unit}" for unit, number in parts.items() if number]
    return " ".join(words[:2])
