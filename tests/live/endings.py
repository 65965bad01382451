"""How a session ends, and what its sockets see of it."""

from typing import Any

from redis_sessions.live import CloseCode

ACCEPT = {"type": "websocket.accept"}


def close(code: CloseCode) -> dict[str, Any]:
    """Return what the server is sent."""
    reason = code.name.lower().replace("_", " ")
    return {"type": "websocket.close", "code": code, "reason": reason}


def disconnect(code: CloseCode) -> dict[str, Any]:
    """Return what the consumer gets."""
    return {**close(code), "type": "websocket.disconnect"}


def recording(consumer: type, codes: list[int]) -> type:
    """Return a consumer that notes the codes with which it is disconnected."""

    class Recording(consumer):  # type: ignore[misc, valid-type]
        def websocket_disconnect(self, message: Any) -> Any:
            codes.append(message["code"])
            return super().websocket_disconnect(message)

    return Recording


ENDS = {"end": CloseCode.LOGGED_OUT, "rotate": CloseCode.LOGGED_IN}
