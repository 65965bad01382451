"""Sentinels and servers that speak TLS."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.sentinels import NAME, Sentinel
from tests.servers import Server, binary, free_port
from tests.test_connections_tls import make_certificates


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int, Path]]:
    """A server, the port at which its sentinel speaks TLS, and the certificate of the authority."""
    if binary("redis") is None or shutil.which("openssl") is None:
        pytest.skip("needs a server with TLS: apt-get install redis-server openssl")
    folder, port, of_sentinel = tmp_path_factory.mktemp("tls"), free_port(), free_port()
    make_certificates(folder)
    files = {"cert-file": "server.crt", "key-file": "server.key", "ca-cert-file": "authority.crt"}
    options = {f"tls-{name}": f"{folder}/{file}" for name, file in files.items()}
    options |= {"tls-auth-clients": "no", "tls-replication": "yes"}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    server = Server("redis", None, "--tls-port", str(port), *words).start()
    lines = [f"tls-port {of_sentinel}", *(f"{name} {value}" for name, value in options.items())]
    sentinel = Sentinel("redis").watch(port, 1, *lines)
    sentinel.start()
    yield server, of_sentinel, folder / "authority.crt"
    connections.close()
    sentinel.stop()
    server.stop()


def entry(encrypted: tuple[Server, int, Path], location: str, **pool: Any) -> dict[str, Any]:
    _, port, authority = encrypted
    return caches(
        location,
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=[("127.0.0.1", port)],
        SENTINEL_KWARGS={"ssl": True, "ssl_ca_certs": str(authority)},
        CONNECTION_POOL_KWARGS={"ssl_ca_certs": str(authority), **pool},
    )


@pytest.mark.parametrize(
    ("scheme", "pool"), [("rediss", {}), ("redis", {"ssl": True})], ids=["url", "django-redis"]
)
def test_tls_may_be_asked_for_in_the_url_or_as_django_redis_does(
    do: Do, encrypted: Any, settings: Any, scheme: str, pool: dict[str, Any]
) -> None:
    settings.CACHES = entry(encrypted, f"{scheme}://{NAME}/0", **pool)
    session = SessionStore()
    do(session.save)
    with encrypted[0].client() as client:
        assert client.exists(record_of(session))


def test_without_it_nothing_is_sent_in_clear(do: Do, encrypted: Any, settings: Any) -> None:
    settings.CACHES = entry(encrypted, f"redis://{NAME}/0")
    settings.CACHES["sessions"]["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {}
    with pytest.raises(SessionStoreUnavailable):
        do(SessionStore().save)
