"""The name of sessions for the admin and its permissions. There is no table, and no query."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class _NoRows(models.Manager["ActiveSession"]):
    """Finds nothing, without a query: ``dumpdata`` asks every model."""

    def get_queryset(self) -> models.QuerySet["ActiveSession"]:
        """Return no sessions."""
        return super().get_queryset().none()


class ActiveSession(models.Model):
    """A session, as the admin names it."""

    user: Any = None  # whose it is; no field

    id = models.CharField(primary_key=True, max_length=14)

    objects = _NoRows()

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view", "delete")
        permissions = [("view_session_keys", "Can view names and sizes of a session's keys")]
        verbose_name = _("active session")
        verbose_name_plural = _("active sessions")

    def __str__(self) -> str:
        """Say which session it is, and whose."""
        return self.id if self.user is None else f"{self.id} ({self.user})"
