"""The demo's one command: what it starts, and that nothing is left of it."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from websockets.exceptions import ConnectionClosed

import redis_sessions
from tests.example.demo import BOUND, EXAMPLE, Site, Visitor, receive
from tests.servers import Server


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path: that of a Unix socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Path(folder)


@pytest.fixture
def embedded(short_folder: Path) -> Iterator[Site]:
    """A demo with a Valkey of its own."""
    running = Site(short_folder, "--port", "0")
    try:
        yield running
    finally:
        running.kill()


@pytest.mark.parametrize("end", [Site.interrupt, Site.terminate])
def test_ctrl_c_and_kill_end_server_valkey_and_files(
    embedded: Site, short_folder: Path, end: Callable[[Site], int]
) -> None:
    visitor = Visitor(embedded.url)
    visitor.post("do/name/", name="Ada")
    (valkey,) = short_folder.glob("*/valkey.sock")
    with redis.Redis(unix_socket_path=str(valkey)) as client:
        process_id = client.info("server")["process_id"]
    with visitor.socket() as live:
        receive(live, "record")
        assert end(embedded) == 0, embedded.log.read_text()
        with pytest.raises(ConnectionClosed):
            live.recv(BOUND)
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    assert [path.name for path in short_folder.iterdir()] == ["log"]
    assert "Traceback" not in embedded.log.read_text()


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = Site(tmp_path, "--port", str(taken.getsockname()[1]))
        assert running.process.wait(BOUND) == 1
    said = running.log.read_text()
    plain = r"Cannot serve at 127\.0\.0\.1, port \d+: Address already in use\.\n"
    assert re.match(plain, said), said
    assert "--port 0" in said
    assert len(said.splitlines()) == 2
    assert "Traceback" not in said


def test_a_server_that_does_not_answer_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as reserved:  # bound and not listening: it refuses
        reserved.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"
        running = Site(tmp_path, "--port", "0", redis_url=url)
        assert running.process.wait(BOUND) == 1
    said = running.log.read_text()
    assert said.startswith("REDIS_URL leads to no server that answers")
    assert "Traceback" not in said


def test_the_settings_of_the_demo_pass_every_check(server: Server) -> None:
    package = str(Path(redis_sessions.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, "REDIS_URL": server.url}
    env |= {"DJANGO_SETTINGS_MODULE": "demo.settings", "DEMO_DATABASE": ":memory:"}
    words = [sys.executable, EXAMPLE / "manage.py", "check", "--fail-level", "WARNING"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
