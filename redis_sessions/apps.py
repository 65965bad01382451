"""The app: it registers the checks."""

from django.apps import AppConfig


class RedisSessionsConfig(AppConfig):
    """Sessions in Redis."""

    name = "redis_sessions"
    verbose_name = "Redis sessions"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
