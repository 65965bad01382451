"""What happened to a session, told in the process that did it.

Every signal comes with ``session_id`` (14 characters) and ``user_id``: ``_auth_user_id`` as the
session holds it, None for a visitor. The sender is ``SessionStore``, or None where a session was
ended by its id. Receivers may be async. What they raise is logged by Django, and does no harm.

A session that expires is removed by the server, which tells nobody: there is no signal for that.
"""

from django.dispatch import Signal

session_created = Signal()
session_rotated = Signal()  # also ``reason``: Reason.LOGIN or Reason.RENEWED
session_ended = Signal()  # also ``reason``: another Reason
