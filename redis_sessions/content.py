"""What a session object holds and who it is, without any I/O: the ground of its life."""

from collections.abc import Callable, Mapping

from django.contrib.sessions.backends.base import SessionBase

from . import tokens
from .conf import config
from .data import SessionData
from .tokens import SessionKey


class SessionContent(SessionBase):
    """Key and data of a session object."""

    superseded = False  # loaded with the secret before the last rotation
    ends_when_emptied = True  # a save that leaves nothing worth a record ends the session

    on_use: Callable[[], None] | None = None  # called whenever a value is read, set or removed

    _modified = False

    def __init__(self, session_key: str | None = None) -> None:
        # All that SessionBase does, but for an import by name at each request.
        self._session_key = session_key
        self.accessed = False
        self.serializer = config().serializer

    _split: tuple[str | None, SessionKey | None] = (None, None)  # what key was made of, and key

    @property
    def key(self) -> SessionKey | None:
        """The session key in its parts; None where there is none, or none that is well-formed."""
        text = self.session_key
        if text is not self._split[0]:
            self._split = text, tokens.split_key(text)
        return self._split[1]

    @property
    def id(self) -> str | None:
        """The name of this session for its whole life: 14 characters, fit for logs and indexes."""
        key = self.key
        return key and key.id

    @property
    def modified(self) -> bool:
        """Whether there is something to save, nested changes included."""
        if self._modified:
            return True
        data = self.__dict__.get("_session_cache")
        return isinstance(data, SessionData) and data.changed_in_place()

    @modified.setter
    def modified(self, value: bool) -> None:
        self._modified = value

    def clear(self) -> None:
        """Remove all data; saving that removes also what others have written meanwhile."""
        super().clear()
        self._session_cache = self._new_data(replaces=True)
        if self.on_use is not None:
            self.on_use()

    def is_empty(self) -> bool:
        """Tell whether there is neither a key that could be one nor data. No I/O."""
        return self.key is None and not self.__dict__.get("_session_cache")

    def is_obsolete(self) -> bool:
        """Tell whether this session is loaded and holds nothing worth a record. No I/O."""
        data = self._data()
        return data is not None and not self.superseded and _is_nothing(data)

    def _at_hand(self) -> SessionData:
        """Return the data that is here, or else an empty mapping that stands for it."""
        data = self._data()
        return self._new_data() if data is None else data

    def _new_data(
        self, payloads: Mapping[str, bytes] | None = None, *, replaces: bool = False
    ) -> SessionData:
        return SessionData(
            self.serializer(),
            payloads,
            session_id=self.id,
            on_use=self.on_use,
            compress_from=config().compress_from,
            replaces=replaces,
        )

    def _data(self) -> SessionData | None:
        """Return the data if it is here already."""
        data = self.__dict__.get("_session_cache")
        if data is None or isinstance(data, SessionData):
            return data
        self._session_cache = self._new_data(replaces=True)  # a dict was put there by hand
        self._session_cache.update(data)
        return self._session_cache

    def _has_emptied(self) -> bool:
        """Tell whether this session held data and saving it would leave nothing of that."""
        data = self._data()
        return (
            self.ends_when_emptied
            and data is not None
            and self.key is not None
            and (data.replaces or data.stored)
            and _is_nothing(data)
            and bool(data.delta())
        )


def _is_nothing(data: SessionData) -> bool:
    """Tell whether nothing is worth a record: not even values that cannot be decoded today."""
    return config().is_obsolete(data) and not data.hides
