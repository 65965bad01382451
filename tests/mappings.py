"""Session data without a server: loaded from values, and what its deltas hold."""

from typing import Any

from django.core.signing import JSONSerializer

from redis_sessions import codec
from redis_sessions.data import Delta, SessionData

JSON = JSONSerializer()


def loaded(serializer: Any = JSON, **values: Any) -> SessionData:
    payloads = {key: codec.encode(value, serializer) for key, value in values.items()}
    return SessionData(serializer, payloads, session_id="0123456789abcd")


def written(delta: Delta, serializer: Any = JSON) -> dict[str, Any]:
    return {
        field.decode(): codec.decode(payload, serializer)
        for field, payload in delta.changed.items()
    }


def saved(data: SessionData) -> Delta:
    delta = data.delta()
    data.settle(delta)
    return delta
