"""The settings: one typed line each, with its default. Read at use, made once per change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from ipaddress import ip_network
from math import inf
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.encoding import force_bytes
from django.utils.module_loading import import_string

from .devices import UNIX, Proxy
from .tokens import derive_key

SETTING = "REDIS_SESSIONS"

# What a setting that is one of several words may say.
CHOICES = {
    "OVER_LIMIT": ("replace", "refuse"),
    "DEVICES": ("full", "truncated", "off"),
    "RECORD_LAST_LOGIN": ("database", "redis", "off"),
}
# Where that is not 1. What a login stores is compared as it is stored, and never as long as that.
SMALLEST = {"TOUCH_INTERVAL": 0, "COMPRESS_MIN_LENGTH": 512}


@dataclass(frozen=True)
class Config:
    """The entries of ``settings.REDIS_SESSIONS``. Ages and intervals are seconds."""

    ALIAS: str | None = None
    KEY_PREFIX: str = "session"
    ABSOLUTE_AGE: int | None = None
    ROLLING: bool = False
    TOUCH_INTERVAL: int = 60
    EMPTY_AGE: int = 180
    OBSOLETE: str = "redis_sessions.obsolete.is_obsolete"
    COMPRESS_MIN_LENGTH: int | None = None
    ENCRYPT: bool = False
    REVALIDATE: int = 30
    CLOSE_CODES: dict[str, int] = field(default_factory=dict)
    MAX_SESSIONS_PER_USER: int | str | None = None
    OVER_LIMIT: str = "replace"
    DEVICES: str = "full"
    TRUSTED_PROXIES: list[str] | tuple[str, ...] = ()
    RECORD_LAST_LOGIN: str = "database"
    END_WITH_USER: bool = True
    WAIT_REPLICAS: int | None = None

    @cached_property
    def alias(self) -> str:
        """The entry of ``CACHES`` whose connection is used."""
        return self.ALIAS or ("sessions" if "sessions" in settings.CACHES else "default")

    @cached_property
    def serializer(self) -> Any:
        """The class that ``SESSION_SERIALIZER`` names."""
        return import_string(settings.SESSION_SERIALIZER)

    @cached_property
    def rolling(self) -> bool:
        """Whether reading a session renews its expiry."""
        return self.ROLLING or settings.SESSION_SAVE_EVERY_REQUEST

    @cached_property
    def is_obsolete(self) -> Callable[[Mapping[str, Any]], bool]:
        """The test for sessions that hold nothing worth a record."""
        test: Callable[[Mapping[str, Any]], bool] = import_string(self.OBSOLETE)
        return test

    @cached_property
    def compress_from(self) -> float:
        """How many bytes a value has at least that is stored compressed."""
        least = self.COMPRESS_MIN_LENGTH
        return inf if least is None else max(least, SMALLEST["COMPRESS_MIN_LENGTH"])

    @cached_property
    def limit_of(self) -> Callable[[Any], int | None] | None:
        """What says how many sessions a user may have, where that depends on the user."""
        path = self.MAX_SESSIONS_PER_USER
        limit: Callable[[Any], int | None] | None = None
        if isinstance(path, str):
            limit = import_string(path)
        return limit

    @cached_property
    def trusted_proxies(self) -> tuple[Proxy, ...]:
        """The networks whose word about the client's address counts, and perhaps UNIX."""
        return tuple(text if text == UNIX else ip_network(text) for text in self.TRUSTED_PROXIES)

    @cached_property
    def digest_keys(self) -> tuple[bytes, ...]:
        """Keys for the digests of secrets, the present ``SECRET_KEY``'s first."""
        return _derived(b"digest")

    @cached_property
    def signing_keys(self) -> tuple[bytes, ...]:
        """Keys for the signatures of values, the present ``SECRET_KEY``'s first."""
        return _derived(b"signature")

    @cached_property
    def sealing_keys(self) -> tuple[bytes, ...]:
        """What the keys that seal values are derived with, the present ``SECRET_KEY``'s first."""
        return _derived(b"encryption")

    @cached_property
    def claim_keys(self) -> tuple[bytes, ...]:
        """Keys for claims, the present ``SECRET_KEY``'s first."""
        return _derived(b"claim")


_OF_CONFIG = {
    SETTING, "SECRET_KEY", "SECRET_KEY_FALLBACKS", "CACHES", "SESSION_SAVE_EVERY_REQUEST",
    "SESSION_SERIALIZER",
}  # fmt: skip


def _derived(purpose: bytes) -> tuple[bytes, ...]:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return tuple(derive_key(force_bytes(secret), purpose) for secret in secrets)


@cache
def config() -> Config:
    """Return the settings of now. Raises ImproperlyConfigured for an entry that does not exist."""
    given = getattr(settings, SETTING, {})
    unknown = sorted(set(given) - {known.name for known in fields(Config)})
    if unknown:
        raise ImproperlyConfigured(
            f"{SETTING} has no setting {', '.join(unknown)}; see the settings' documentation."
        )
    return Config(**given)


def _forget(*, setting: str, **_: Any) -> None:
    if setting in _OF_CONFIG:
        config.cache_clear()


setting_changed.connect(_forget, dispatch_uid="redis_sessions.conf")
