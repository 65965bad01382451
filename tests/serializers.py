"""Serializers for SESSION_SERIALIZER: as sites write them, and one that tells what it was asked."""

import os
import pickle
from typing import Any, ClassVar

from django.core.signing import JSONSerializer


class PickleSerializer:
    """Any Python object, as Django's own did once."""

    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)  # noqa: S301


class SaltedSerializer(JSONSerializer):
    """JSON behind random bytes: no two outputs are equal, whatever the values are."""

    def dumps(self, obj: Any) -> bytes:
        return os.urandom(8) + super().dumps(obj)

    def loads(self, data: bytes) -> Any:
        return super().loads(data[8:])


class CountingSerializer(JSONSerializer):
    """JSON that keeps what it was given: ``dumped`` values and ``loaded`` bytes."""

    dumped: ClassVar[list[Any]] = []
    loaded: ClassVar[list[bytes]] = []

    @classmethod
    def reset(cls) -> None:
        cls.dumped.clear()
        cls.loaded.clear()

    def dumps(self, obj: Any) -> bytes:
        self.dumped.append(obj)
        return super().dumps(obj)

    def loads(self, data: bytes) -> Any:
        self.loaded.append(data)
        return super().loads(data)


class ForgetfulSerializer(JSONSerializer):
    """JSON that cannot read the word "forgotten", like pickle after a class was removed."""

    def loads(self, data: bytes) -> Any:
        if b"forgotten" in data:
            raise AttributeError("the class of this value has a secret name")
        return super().loads(data)


def path(serializer: type) -> str:
    """Return the dotted path for SESSION_SERIALIZER."""
    return f"{serializer.__module__}.{serializer.__qualname__}"
