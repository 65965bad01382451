"""Receivers of Django's signals: logins are noted as the site wants it, sessions end with a user.

Settings are read when a signal comes. No names of Redis here.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model, user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction
from django.db.models.query_utils import DeferredAttribute

from . import operations, roster, steps
from .conf import config
from .exceptions import SessionStoreUnavailable
from .reasons import Reason
from .steps import Work
from .users import user_id

logger = logging.getLogger("redis_sessions")

_DJANGOS = "update_last_login"  # as Django calls its receiver where it connects that


def connect() -> None:
    """Connect the receivers. To be called when all models are there; once more does no harm."""
    for model in _user_models():  # never all models: theirs could not be deleted fast any more
        models.signals.post_save.connect(end_with_activity, sender=model)
        models.signals.post_delete.connect(end_with_user, sender=model)
    _replace_djangos()
    user_logged_in.connect(note_last_login, dispatch_uid="redis_sessions.note_last_login")


def _user_models() -> Iterator[type[models.Model]]:
    """Yield the user model, its proxies and its children: signals come from each by itself."""
    try:
        user_model = get_user_model()
    except ImproperlyConfigured:  # a site without users
        return
    yield from (model for model in apps.get_models() if issubclass(model, user_model))


def _replace_djangos() -> None:
    """Have update_last_login() stand where Django's receiver does, or would be connected later.

    Where the site has disconnected that, it stays so.
    """
    ready = list(apps.app_configs)  # in this order
    was_there = user_logged_in.disconnect(dispatch_uid=_DJANGOS)
    if was_there or "auth" not in ready[: ready.index("redis_sessions")]:
        user_logged_in.connect(update_last_login, dispatch_uid=_DJANGOS)


def update_last_login(sender: Any, user: Any, **told: Any) -> None:
    """Write ``last_login`` as Django does, where RECORD_LAST_LOGIN asks for that."""
    is_field = isinstance(getattr(get_user_model(), "last_login", None), DeferredAttribute)
    if is_field and config().RECORD_LAST_LOGIN == "database":
        from django.contrib.auth.models import update_last_login as djangos  # needs the app

        djangos(sender, user, **told)


def note_last_login(user: Any, **_: Any) -> None:
    """Note a login in Redis, where RECORD_LAST_LOGIN asks for that."""
    if config().RECORD_LAST_LOGIN == "redis":
        steps.run(_send(operations.note_login(user_id(user))))


def end_with_activity(
    instance: Any, created: bool, raw: bool, using: str, update_fields: Any, **_: Any
) -> None:
    """End the sessions of a user who is saved as inactive."""
    if raw or created or not config().END_WITH_USER:
        return
    if _is_deactivated(instance, update_fields):
        of = user_id(instance)
        _after_commit(using, _ending(of), f"The sessions of the inactive user {of} go on")


def end_with_user(instance: Any, using: str, **_: Any) -> None:
    """Erase a user who is deleted. The last login may have been noted under other settings."""
    of = user_id(instance)  # the key of the instance is gone when the transaction is committed
    if config().END_WITH_USER:
        _after_commit(using, _erasing(of), f"The sessions of the deleted user {of} go on")
    else:
        forgetting = _send(operations.forget_login(of))
        _after_commit(using, forgetting, f"The last login of the deleted user {of} stays")


def _is_deactivated(user: Any, written: Collection[str] | None) -> bool:
    """Tell whether a save left a user inactive; ``written`` are the fields it wrote, None: all."""
    names = {field.name for field in user._meta.concrete_fields}
    if written is not None and "is_active" in names and "is_active" not in written:
        return False
    return not getattr(user, "is_active", True)


def _ending(user_id: str) -> Work[Any]:
    return roster.end_all(user_id, Reason.REVOKED)


def _erasing(user_id: str) -> Work[None]:
    yield from _ending(user_id)
    # The index may name sessions whose records were lost.
    yield steps.Send(operations.forget_index(user_id), operations.forget_login(user_id))


def _send(command: Any) -> Work[None]:
    yield steps.Send(command)


def _after_commit(using: str, work: Work[Any], failure: str) -> None:
    """Do the work once the transaction is committed; a server that is away does not break that."""

    def do() -> None:
        try:
            steps.run(work)
        except SessionStoreUnavailable as error:
            logger.error("%s: %s", failure, error)

    _on_commit(using, do)


def _on_commit(using: str, do: Callable[[], None]) -> None:
    connection = transaction.get_connection(using)
    if connection.get_autocommit() or (connection.in_atomic_block and connection.commit_on_exit):
        transaction.on_commit(do, using, robust=True)
    else:
        do()  # the site commits by hand, and Django tells nobody when
