"""The app: it registers the checks and connects the receivers."""

from django.apps import AppConfig


class RedisSessionsConfig(AppConfig):
    """Sessions in Redis."""

    name = "redis_sessions"
    verbose_name = "Redis sessions"

    def ready(self) -> None:
        """Register the system checks, and connect the receivers."""
        from . import checks, receivers  # noqa: F401

        receivers.connect()
