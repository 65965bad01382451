"""A session's data in the hands of a thread, while an event loop saves it and takes in news."""

import sys
import threading
from collections.abc import Iterator

import pytest
from django.core.signing import JSONSerializer

from redis_sessions import codec
from redis_sessions.data import SessionData
from tests.mappings import loaded

JSON = JSONSerializer()
KEYS = [f"key{number}" for number in range(8)]
ROUNDS = 20_000


@pytest.fixture(autouse=True)
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


class Writer(threading.Thread):
    """Sets and removes keys; ``left`` is what it has set last."""

    def __init__(self, data: SessionData) -> None:
        super().__init__()
        self.data = data
        self.left: dict[str, int] = {}
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for number in range(ROUNDS):
                key = KEYS[number % len(KEYS)]
                self.data[key] = self.left[key] = number
                if number % 3 == 0:
                    self.data.pop(key, None)
                    del self.left[key]
        except Exception as error:  # noqa: BLE001 the test looks at it
            self.error = error


class Record:
    """What a server would hold."""

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}

    def save(self, data: SessionData) -> None:
        delta = data.delta()
        for field in delta.removed:
            self.fields.pop(field.decode(), None)
        self.fields |= {field.decode(): payload for field, payload in delta.changed.items()}
        data.settle(delta)


def test_saves_meanwhile_lose_nothing() -> None:
    data, record = loaded(), Record()
    writer = Writer(data)
    writer.start()
    while writer.is_alive():
        record.save(data)
    record.save(data)
    assert writer.error is None
    stored = {key: codec.decode(payload, JSON) for key, payload in record.fields.items()}
    assert stored == dict(data) == writer.left


def test_news_meanwhile_break_nothing_and_stay_below_what_the_thread_sets() -> None:
    data, record, news = loaded(), Record(), 0
    others = {f"other{number}": codec.encode([number], JSON) for number in range(50)}
    writer = Writer(data)
    writer.start()
    while writer.is_alive() or not news:
        news += 1
        record.fields |= others
        record.fields["news"] = codec.encode(news, JSON)
        data.rebase(record.fields)
        record.save(data)
        assert data["news"] == news
    record.save(data)
    assert writer.error is None
    kept = {key: value for key, value in data.items() if not key.startswith("other")}
    assert kept == {"news": news, **writer.left}
