"""Why a session ended, or its key was exchanged: the words that travel with the news."""

from enum import StrEnum


class Reason(StrEnum):
    """What happened to a session, as the sockets that share it are told."""

    LOGOUT = "logout"  # flushed or deleted
    EMPTIED = "emptied"  # nothing in it was worth a record
    EXPIRED = "expired"
    REVOKED = "revoked"  # ended by its user or by staff from elsewhere
    REPLACED = "replaced"  # a newer session of the same user took its place
    LOGIN = "login"  # rotated: somebody logged in
    RENEWED = "renewed"  # rotated: the same user goes on, under a new key
