"""The codes with which a socket is closed on behalf of its session."""

from enum import IntEnum


class CloseCode(IntEnum):
    """RFC 6455 leaves 4000-4999 to applications; 1013 is registered as "try again later"."""

    UNAVAILABLE = 1013  # the server that holds the sessions could not be reached at connect
    SESSION_ENDED = 4401  # the session ended or was rotated elsewhere: connect again
