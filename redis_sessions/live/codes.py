"""The codes with which a socket is closed on behalf of its session."""

from enum import IntEnum
from typing import Any

from ..conf import config
from ..reasons import Reason


class CloseCode(IntEnum):
    """RFC 6455 leaves 4000-4999 to applications. Of the registered codes Daphne sends 1000 only, so
    1013 ("try again later") is no choice.

    ``REDIS_SESSIONS["CLOSE_CODES"]`` can give each name another number.
    """

    ENDED = 4400  # ended without a reason that a page could act on: connect again
    LOGGED_OUT = 4401  # go to the login page, or load the page anew
    EXPIRED = 4402  # as logged out
    REVOKED = 4403  # as logged out
    REPLACED = 4404  # as logged out; connecting again would throw the other session out
    LOGGED_IN = 4405  # somebody logged in: connect again, with the new cookie
    RENEWED = 4406  # the same user under a new key: connect again at once
    UNAVAILABLE = 4503  # the server of the sessions could not be reached: back off

    @property
    def number(self) -> int:
        """The number that is sent."""
        return config().CLOSE_CODES.get(self.name, int(self))

    @property
    def ending(self) -> dict[str, Any]:
        """What a message that ends a socket says of it."""
        return {"code": self.number, "reason": self.name.lower().replace("_", " ")}


CODE_OF = {
    Reason.LOGOUT: CloseCode.LOGGED_OUT,
    Reason.EMPTIED: CloseCode.ENDED,
    Reason.EXPIRED: CloseCode.EXPIRED,
    Reason.REVOKED: CloseCode.REVOKED,
    Reason.REPLACED: CloseCode.REPLACED,
    Reason.LOGIN: CloseCode.LOGGED_IN,
    Reason.RENEWED: CloseCode.RENEWED,
}
