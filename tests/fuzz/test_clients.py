"""What clients say of themselves, what they send over sockets, and how long sites let them live."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from hypothesis import strategies as st

from redis_sessions import devices, users
from redis_sessions.commands.records import FOREVER
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.fuzz.hostile import any_bytes, header_text, huge
from tests.live.visitors import Socket, Visitor
from tests.people import log_in, person
from tests.properties import fuzz

addresses = st.ip_addresses().map(str)
hops = (
    addresses
    | header_text
    | st.sampled_from(["", "unknown", "127.0.0.1:80", "[::1]:80", "::ffff:1.2.3.4"])
)
forwarded = st.lists(hops, max_size=5).map(", ".join) | huge
PROXY = "10.0.0.1"


@fuzz(100, forwarded=forwarded, peer=hops)
def test_a_client_whom_no_proxy_vouches_for_cannot_choose_its_address(
    forwarded: str, peer: str
) -> None:
    meta = {"HTTP_X_FORWARDED_FOR": forwarded, "REMOTE_ADDR": peer}
    alone = devices.client_ip({"REMOTE_ADDR": peer}, ())
    assert devices.client_ip(meta, ()) == alone
    assert devices.client_ip(meta, (ip_network("203.0.113.0/24"),)) == alone or peer.startswith(
        "203"
    )


@fuzz(100, forwarded=forwarded, told=addresses)
def test_behind_a_proxy_the_address_is_what_the_proxy_told(forwarded: str, told: str) -> None:
    meta = {"HTTP_X_FORWARDED_FOR": f"{forwarded}, {told}", "REMOTE_ADDR": PROXY}
    trusted = (ip_network(PROXY),)
    found = devices.client_ip(meta, trusted)
    expected = ip_address(told)
    mapped = str(getattr(expected, "ipv4_mapped", None) or expected.compressed.partition("%")[0])
    assert mapped in {found, PROXY}
    assert devices.truncated(found) is not None


@pytest.fixture
def _truncated(settings: Any) -> None:
    settings.REDIS_SESSIONS = {"TRUSTED_PROXIES": [PROXY], "DEVICES": "truncated"}


@pytest.mark.usefixtures("_truncated")
@fuzz(60, agent=st.text(max_size=600) | header_text | huge, forwarded=forwarded)
def test_whatever_a_client_calls_itself_the_login_is_noted_and_can_be_ended(
    do: Do, redis_client: redis.Redis, agent: str, forwarded: str
) -> None:
    redis_client.flushdb()
    meta = {"HTTP_USER_AGENT": agent, "HTTP_X_FORWARDED_FOR": forwarded, "REMOTE_ADDR": PROXY}
    session = log_in(do, **meta)
    [info] = users.sessions_of(person())
    assert info.user_agent == agent.encode(errors="replace").decode()[:512]
    assert not info.ip or ip_network(info.ip)
    assert users.end_session(person(), session.id or "") is not None


expiries = st.one_of(
    st.none(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.timedeltas(timedelta(days=-3650), timedelta(days=365_000)),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@fuzz(100, expiry=expiries)
def test_whatever_a_site_lets_a_session_live_the_server_takes_and_keeps_to_it(
    do: Do, redis_client: redis.Redis, expiry: Any
) -> None:
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.set_expiry, expiry)
    do(session.save)
    ttl = redis_client.ttl(record_of(session))
    assert ttl == -2 or 0 <= ttl <= FOREVER
    again = SessionStore(session.session_key)
    assert do(again.get, "name") == (None if ttl == -2 else "Ada")
    do(again.update, {"name": "Grace"})
    if ttl > 1:
        do(again.save)
        assert redis_client.ttl(record_of(session)) <= FOREVER


class Echo(AsyncWebsocketConsumer):
    """Keeps the last frame in the session, and sends it back."""

    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.scope["session"]["last"] = text_data if bytes_data is None else bytes_data.hex()
        await self.send(text_data, bytes_data)


class EchoInAThread(WebsocketConsumer):
    """See Echo."""

    def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        self.scope["session"]["last"] = text_data if bytes_data is None else bytes_data.hex()
        self.send(text_data, bytes_data)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


leaves = st.none() | st.integers() | st.text(max_size=20)
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
frames = st.one_of(
    st.text(min_size=1, max_size=200),
    st.binary(min_size=1, max_size=200),
    trees.map(json.dumps),
    st.text(max_size=30).map(lambda claim: json.dumps({"session_claim": claim})),
    huge.filter(bool),
)  # fmt: skip
news = any_bytes | st.sampled_from([b"saved ", b"revoked x", b"logout", b" ", b"renewed \xff"])


frame, new = st.tuples(st.just("frame"), frames), st.tuples(st.just("news"), news)


@fuzz(40, sent=st.lists(frame | new, max_size=8))
@pytest.mark.parametrize("consumer", [Echo, EchoInAThread])
@pytest.mark.usefixtures("transactional_db")
def test_whatever_comes_over_a_socket_and_as_news_of_it_goes_to_the_consumer_and_into_the_session(
    redis_client: redis.Redis, runner: asyncio.Runner, consumer: Any, sent: list[tuple[str, Any]]
) -> None:
    session = SessionStore()
    session["name"] = "Ada"
    session.save()
    runner.run(_talk(redis_client, session, consumer, sent))
    told = [frame for kind, frame in sent if kind == "frame"]
    kept = {"last": told[-1].hex() if isinstance(told[-1], bytes) else told[-1]} if told else {}
    assert dict(SessionStore(session.session_key).items()) == {"name": "Ada", **kept}


async def _talk(client: redis.Redis, session: SessionStore, consumer: Any, sent: Any) -> None:
    visitor = Visitor()
    visitor.client.cookies["sessionid"] = session.session_key
    async with visitor.socket(consumer) as socket:
        for kind, content in sent:
            if kind == "news":
                client.publish(record_of(session), content)
            else:
                assert await _echoed(socket, content) == content


async def _echoed(socket: Socket, frame: str | bytes) -> str | bytes:
    if isinstance(frame, bytes):
        await socket.send_to(bytes_data=frame)
    else:
        await socket.send_to(text_data=frame)
    answer: str | bytes = await socket.receive_from()
    return answer
