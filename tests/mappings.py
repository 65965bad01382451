"""Session data without a server: loaded from values, and what its deltas hold."""

from typing import Any

from django.core.signing import JSONSerializer

from redis_sessions import codec
from redis_sessions.data import Delta, SessionData

JSON = JSONSerializer()


ID = "0123456789abcd"


def loaded(serializer: Any = JSON, **values: Any) -> SessionData:
    payloads = {key: codec.encode(value, serializer) for key, value in values.items()}
    return SessionData(serializer, payloads, session_id=ID)


def compressing(serializer: Any = JSON, least: int = 512, **values: Any) -> SessionData:
    """Load values of which the long ones are compressed, as the next ones will be."""
    payloads = {
        key: codec.compress(codec.encode(value, serializer)) for key, value in values.items()
    }
    return SessionData(serializer, payloads, session_id=ID, compress_from=least)


def written(delta: Delta, serializer: Any = JSON) -> dict[str, Any]:
    return {
        field.decode(): codec.decode(payload, serializer)
        for field, payload in delta.changed.items()
    }


def saved(data: SessionData) -> Delta:
    delta = data.delta()
    data.settle(delta)
    return delta
