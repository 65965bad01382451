"""``manage.py clearsessions``: Django's command, with a sentence where the server is away.

It takes the place of Django's where ``redis_sessions`` stands before ``django.contrib.sessions`` in
``INSTALLED_APPS``, or without it.
"""

from typing import Any

from django.contrib.sessions.management.commands import clearsessions
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from redis_sessions.breakers import unlogged
from redis_sessions.exceptions import SessionStoreUnavailable


class Command(clearsessions.Command):
    """See Django's."""

    def handle(self, **options: Any) -> None:
        """Have the engine clear what has expired. Raises CommandError."""
        try:
            with unlogged():
                super().handle(**options)
        except (SessionStoreUnavailable, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
