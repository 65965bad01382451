"""TLS, by a rediss:// LOCATION and options of the entry's CONNECTION_POOL_KWARGS."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.servers import Server, binary, free_port


class TLSServer(NamedTuple):
    url: str
    authority: Path  # its certificate
    another: Path  # the certificate of an authority that has signed nothing here


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """Make those of two authorities, and one of a server at 127.0.0.1 that the first has signed."""
    new = "req -x509 -newkey rsa:2048 -nodes -days 2"
    usage = "-addext keyUsage=critical,keyCertSign,cRLSign"  # Python 3.13 asks for it
    for name in ("authority", "another"):
        _openssl(folder, f"{new} -keyout {name}.key -out {name}.crt -subj /CN={name} {usage}")
    names = "-subj /CN=server -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE"
    signed = "-CA authority.crt -CAkey authority.key"
    _openssl(folder, f"{new} {signed} {names} -keyout server.key -out server.crt")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    """A server that speaks TLS only to those who know its authority."""
    if binary("redis") is None or shutil.which("openssl") is None:
        pytest.skip("needs a server with TLS: apt-get install redis-server openssl")
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    make_certificates(folder)
    options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", f"{folder}/server.crt", "--tls-key-file", f"{folder}/server.key"]
    running = Server("redis", None, *options, "--tls-ca-cert-file", f"{folder}/authority.crt")
    running.start()
    yield TLSServer(
        f"rediss://127.0.0.1:{port}/0", folder / "authority.crt", folder / "another.crt"
    )
    connections.close()
    running.stop()


def test_a_server_whose_authority_is_named_is_trusted(do: Do, tls: TLSServer, settings) -> None:
    options = {"ssl_cert_reqs": "required", "ssl_ca_certs": str(tls.authority)}
    settings.CACHES = caches(tls.url, CONNECTION_POOL_KWARGS=options)
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert do(SessionStore(session.session_key).get, "name") == "Ada"


def test_a_server_of_another_authority_is_not_trusted(do: Do, tls: TLSServer, settings) -> None:
    options = {"ssl_ca_certs": str(tls.another)}
    settings.CACHES = caches(tls.url, CONNECTION_POOL_KWARGS=options)
    with pytest.raises(SessionStoreUnavailable, match=r"CACHES\['sessions'\].*certificate verify"):
        do(SessionStore().save)


def test_a_certificate_is_asked_for_where_the_entry_says_nothing(
    do: Do, tls: TLSServer, settings
) -> None:
    settings.CACHES = caches(tls.url)
    with pytest.raises(SessionStoreUnavailable, match="certificate verify failed"):
        do(SessionStore().save)


def test_a_site_may_do_without_certificates(do: Do, tls: TLSServer, settings) -> None:
    options = {"ssl_cert_reqs": None, "ssl_check_hostname": False}
    settings.CACHES = caches(tls.url, CONNECTION_POOL_KWARGS=options)
    session = SessionStore()
    do(session.save)
    assert do(session.exists, session.session_key)


def test_a_file_of_authorities_that_is_not_there_is_told(do: Do, tls: TLSServer, settings) -> None:
    options = {"ssl_ca_certs": "/no/such/file.crt"}
    settings.CACHES = caches(tls.url, CONNECTION_POOL_KWARGS=options)
    with pytest.raises(SessionStoreUnavailable, match=r"CACHES\['sessions'\]"):
        do(SessionStore().save)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_class_for_tls_in_the_entry_never_leads_to_an_open_connection(
    do: Do, settings, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(2)
        location = f"{scheme}://:secret@127.0.0.1:{listening.getsockname()[1]}/0"
        options = {"connection_class": redis.SSLConnection}
        settings.CACHES = caches(location, CONNECTION_POOL_KWARGS=options, SOCKET_TIMEOUT=0.1)
        with pytest.raises((SessionStoreUnavailable, ImproperlyConfigured)):
            do(SessionStore().save)
        assert b"AUTH" not in _first_bytes(listening)


def _first_bytes(listening: socket.socket) -> bytes:
    listening.setblocking(False)
    try:
        connection, _ = listening.accept()
    except BlockingIOError:  # it was refused before a connection was made
        return b""
    with connection:
        connection.settimeout(2)
        return connection.recv(1000)
