"""One session in two server processes: what happens in the first is seen in the second."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import caches as django_caches
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from redis_sessions.live import CloseCode
from tests.caches import caches
from tests.live.outages import Fickle
from tests.live.two import (
    COMMANDS,
    Browser,
    Process,
    ask,
    closing,
    environment,
    hear,
    make_users,
    tell,
    until,
)
from tests.live.visitors import BOUND

PAIRS = [(first, second) for first in COMMANDS for second in COMMANDS]
MIXED = ("uvicorn", "daphne")

CLEAN = {0, -signal.SIGTERM}  # Uvicorn ends by the signal that it got

Pair = tuple[Process, Process]
Start = Callable[..., list[Process]]


@pytest.fixture(scope="module")
def sessions(request: pytest.FixtureRequest) -> Iterator[Fickle]:
    running = Fickle(request.config.getoption("server"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sessions: Fickle) -> Path:
    """Where the users are."""
    made = tmp_path_factory.mktemp("two")
    make_users(environment(made, sessions.url))
    return made


@pytest.fixture(scope="module")
def running(folder: Path, sessions: Fickle) -> Iterator[dict[str, list[Process]]]:
    """Two processes of each server. Nothing may go wrong in them, seen or unseen."""
    with ExitStack() as last:
        started = {name: _start(folder, sessions.url, last, name, name) for name in COMMANDS}
        yield started
        for process in [*started["uvicorn"], *started["daphne"]]:
            process.end()
            assert process.complaint() == ""


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, running: dict[str, list[Process]]) -> Pair:
    """The process in which something happens, and the one that is to see it."""
    first, second = request.param
    return running[first][0], running[second][1]


@pytest.fixture
def start(tmp_path: Path, folder: Path, sessions: Fickle) -> Iterator[Start]:
    """Start processes of a test's own."""
    with ExitStack() as last:
        yield lambda *names, **options: _start(folder, sessions.url, last, *names, **options)


def _start(folder: Path, url: str, last: ExitStack, *names: str, **options: Any) -> list[Process]:
    surroundings = environment(folder, url, **options)
    started = []
    for name in names:
        log = folder / f"{len(list(folder.iterdir()))}-{name}.log"
        started.append(Process(name, log, surroundings))
        last.callback(started[-1].kill)
    for process in started:
        process.wait_for_start()
    return started


@pytest.fixture(autouse=True)
def _notes(sessions: Fickle, settings: Any) -> None:
    """What consumers note is for one test."""
    settings.CACHES = caches(sessions.url)
    django_caches["sessions"].clear()


def noted(what: str, process: Process) -> Any:
    return until(lambda: django_caches["sessions"].get(f"{what} {process.pid}"))


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def both(pair: Pair, browser: Browser) -> Iterator[tuple[ClientConnection, ClientConnection]]:
    """A socket to each process, of a browser that holds {"name": "Ada"}."""
    browser.post(pair[0], "change", name="Ada")
    with browser.open(pair[0]) as first, browser.open(pair[1]) as second:
        yield first, second


def assert_closed(process: Process, live: ClientConnection, code: CloseCode) -> None:
    """Wait for the end of a socket. Daphne sends no reason."""
    reason = code.name.lower().replace("_", " ") if process.name == "uvicorn" else ""
    assert closing(live) == (code, reason)


@pytest.mark.parametrize("path", ["told", "told-sync"])
def test_each_event_finds_what_was_changed_in_the_other_process_right_before(
    pair: Pair, browser: Browser, sessions: Fickle, path: str
) -> None:
    first, second = pair
    browser.post(first, "change", number=-1)
    with (
        sessions.client() as client,
        browser.open(first, path) as writing,
        browser.open(second, path) as reading,
    ):
        for number in range(0, 40, 2):
            browser.post(first, "change", number=number)
            client.ping()  # Redis may answer who saved a moment before it tells who listens
            assert ask(reading, "get") == {"number": number}
            ask(writing, "set_and_answer", number=number + 1)
            client.ping()
            assert ask(reading, "get") == {"number": number + 1}


@pytest.mark.parametrize("path", ["watching", "watching-sync"])
def test_who_watches_is_told_what_was_changed_in_the_other_process(
    pair: Pair, browser: Browser, path: str
) -> None:
    first, second = pair
    browser.post(first, "change", name="Ada")
    with browser.open(first, path) as writing, browser.open(second, path) as watching:
        browser.post(first, "change", name="Grace")
        news = {"changed": {"name": "Grace"}, "user": "AnonymousUser"}
        assert [hear(watching), hear(writing)] == [news, news]
        assert ask(writing, "set_and_answer", name="Hedy") == "done"
        assert hear(watching) == {**news, "changed": {"name": "Hedy"}}
        assert ask(writing, "set_and_answer", name="Hedy") == "done"  # nothing came back to it


@pytest.mark.parametrize("path", ["watching", "watching-sync"])
@pytest.mark.parametrize("page", ["log-out", "end"])
def test_a_logout_by_http_closes_the_sockets_in_both_processes(
    pair: Pair, browser: Browser, path: str, page: str
) -> None:
    browser.post(pair[0], "log-in")
    with browser.open(pair[0], path) as one, browser.open(pair[1], path) as other:
        browser.post(pair[0], page)
        for process, live in zip(pair, (one, other), strict=True):
            assert_closed(process, live, CloseCode.LOGGED_OUT)
            assert noted("ended", process) == (4401, "logged out")
            assert noted("disconnected", process) == 4401


@pytest.mark.parametrize("path", ["watching", "watching-sync"])
def test_a_logout_over_a_socket_closes_the_sockets_in_both_processes(
    pair: Pair, browser: Browser, path: str
) -> None:
    browser.post(pair[0], "log-in")
    with browser.open(pair[0], path) as one, browser.open(pair[1], path) as other:
        tell(one, "log_out")
        assert_closed(pair[0], one, CloseCode.LOGGED_OUT)
        assert_closed(pair[1], other, CloseCode.LOGGED_OUT)
    assert browser.post(pair[1], "who") == "AnonymousUser"


def test_a_key_that_was_planted_never_sees_who_logs_in_with_it(
    pair: Pair, browser: Browser
) -> None:
    first, second = pair
    browser.post(first, "change", name="Ada")
    planted = browser.planted_in_another()
    with planted.open(second) as live:
        assert ask(live, "get") == {"name": "Ada"}
        for _ in range(200):  # some of them arrive during the login
            tell(live, "get")
        browser.post(first, "log-in")
        said, code = all_from(live)
    assert said.count({"name": "Ada"}) == len(said)
    assert code == CloseCode.LOGGED_IN
    with planted.open(second) as late:
        said, code = all_from(late)
    assert [answer for answer in said if answer] == []
    assert code == CloseCode.LOGGED_IN
    assert [planted.post(process, "who") for process in pair] == ["AnonymousUser"] * 2
    assert [browser.post(process, "who") for process in pair] == ["ada", "ada"]


def all_from(live: ClientConnection) -> tuple[list[Any], int]:
    """Ask for the session until the socket is closed; return the answers and the code."""
    said: list[Any] = []
    deadline = time.monotonic() + BOUND
    with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
        while time.monotonic() < deadline:
            said.append(hear(live))
            tell(live, "get")
    with suppress(ConnectionClosed):  # what came before the close
        while True:
            said.append(hear(live))
    return said, closed.value.rcvd.code if closed.value.rcvd else 0


def test_who_changes_their_password_is_told_to_connect_again(pair: Pair, browser: Browser) -> None:
    browser.post(pair[0], "log-in")
    with browser.open(pair[0]) as one, browser.open(pair[1]) as other:
        browser.post(pair[0], "change-password")
        assert_closed(pair[0], one, CloseCode.RENEWED)
        assert_closed(pair[1], other, CloseCode.RENEWED)
    with browser.open(pair[1]) as again:
        assert "_auth_user_id" in ask(again, "get")


@pytest.mark.parametrize("path", ["watching", "watching-sync"])
def test_after_a_login_over_a_socket_another_process_gives_the_cookie(
    pair: Pair, browser: Browser, path: str
) -> None:
    first, second = pair
    browser.post(first, "change", name="Ada")
    with browser.open(first, path) as live, browser.open(second) as other:
        claim = ask(live, "log_in")["session_claim"]
        assert_closed(second, other, CloseCode.LOGGED_IN)
        assert browser.post(second, "who") == "AnonymousUser"
        assert browser.claim(second, claim) == 204
        assert [browser.post(process, "who") for process in pair] == ["ada", "ada"]
        assert browser.claim(second, claim) == 410
        browser.post(second, "change", name="Grace")
        assert hear(live) == {"changed": {"name": "Grace"}, "user": "ada"}


def test_the_listening_connections_that_die_during_a_logout_keep_no_socket_open(
    pair: Pair, browser: Browser, both: tuple[ClientConnection, ClientConnection], sessions: Fickle
) -> None:
    with sessions.client() as client:
        assert client.execute_command("CLIENT KILL TYPE pubsub") >= 2
        browser.post(pair[0], "end")
    for live in both:
        code, _ = closing(live)
        assert code in {CloseCode.LOGGED_OUT, CloseCode.ENDED}  # the reason may be lost


def test_both_processes_go_on_when_the_server_is_back(
    pair: Pair, browser: Browser, both: tuple[ClientConnection, ClientConnection], sessions: Fickle
) -> None:
    one, other = both
    before = [process.says("waits to be saved") for process in pair]
    sessions.go()
    try:
        tell(one, "set_and_answer", first=1)
        tell(other, "set_and_answer", second=2)
        for process, times in zip(pair, before, strict=True):
            until(lambda: process.says("waits to be saved") > times)  # noqa: B023 - called here
    finally:
        sessions.come_back()
    assert [hear(one), hear(other)] == ["done", "done"]
    assert browser.shown(pair[1]) == {"name": "Ada", "first": 1, "second": 2}
    until(lambda: _listening(sessions) == 2)
    browser.post(pair[0], "change", name="Grace")
    assert ask(other, "get") == {"name": "Grace", "first": 1, "second": 2}
    assert ask(one, "get") == {"name": "Grace", "first": 1, "second": 2}


def _listening(sessions: Fickle) -> int:
    """Return how many connections listen, or did so last."""
    with sessions.client() as client:
        return sum(
            "P" in each["flags"] or "subscribe" in each["cmd"] for each in client.client_list()
        )


def test_sockets_that_are_closed_leave_nobody_who_listens(
    pair: Pair, browser: Browser, sessions: Fickle
) -> None:
    visitors = [browser, Browser()]
    for visitor in visitors:
        visitor.post(pair[0], "change", name="Ada")
    with sessions.client() as client, ExitStack() as later:
        for process in pair:
            ask(later.enter_context(visitors[1].open(process)), "get")
        with browser.open(pair[0]) as one, browser.open(pair[1]) as other:
            assert ask(one, "get") == ask(other, "get") == {"name": "Ada"}
            assert len(client.pubsub_channels()) == _listening(sessions) == 2
        until(lambda: len(client.pubsub_channels()) == 1)
        assert _listening(sessions) == 2
    until(lambda: _listening(sessions) == 0)


def test_an_idle_session_closes_the_sockets_in_both_processes_when_it_expires(
    pair: Pair, browser: Browser, both: tuple[ClientConnection, ClientConnection]
) -> None:
    began = time.time()
    browser.post(pair[0], "set-expiry", seconds=2)
    for process, live in zip(pair, both, strict=True):
        assert_closed(process, live, CloseCode.EXPIRED)
        assert time.time() >= int(began) + 2


def test_the_absolute_age_closes_the_sockets_in_both_processes_though_they_are_used(
    start: Start, browser: Browser
) -> None:
    options = {"ABSOLUTE_AGE": 6, "ROLLING": True, "TOUCH_INTERVAL": 0}
    pair = start(*MIXED, **options)
    began = time.time()
    browser.post(pair[0], "change", name="Ada")
    with browser.open(pair[0]) as one, browser.open(pair[1]) as other:
        while time.time() < began + 2:
            assert ask(one, "get") == ask(other, "get") == {"name": "Ada"}
        assert_closed(pair[0], one, CloseCode.EXPIRED)
        assert time.time() >= int(began) + 6
        assert_closed(pair[1], other, CloseCode.EXPIRED)


@pytest.mark.parametrize("names", [MIXED, MIXED[::-1]], ids="-".join)
def test_a_process_that_crashes_does_not_disturb_the_other(
    start: Start, browser: Browser, sessions: Fickle, names: tuple[str, str]
) -> None:
    first, second = start(*names)
    browser.post(first, "change", name="Ada")
    with browser.open(second, "watching") as other:
        with browser.open(first) as live:
            ask(live, "set_and_answer", number=1)
            assert hear(other)["changed"] == {"number": 1}
            first.kill()
        until(lambda: _listening(sessions) == 1)
        assert ask(other, "get") == {"name": "Ada", "number": 1}
        browser.post(second, "change", name="Grace")
        assert hear(other)["changed"] == {"name": "Grace"}
        browser.post(second, "end")
        assert_closed(second, other, CloseCode.LOGGED_OUT)
    second.end()
    assert second.complaint() == ""


@pytest.mark.parametrize("names", [MIXED, MIXED[::-1]], ids="-".join)
def test_processes_that_are_stopped_one_by_one_leave_no_connection(
    start: Start, browser: Browser, sessions: Fickle, names: tuple[str, str]
) -> None:
    with sessions.client() as client:
        others = _addresses(client)
        first, second = start(*names)
        browser.post(first, "change", name="Ada")
        with browser.open(first) as one:
            ask(one, "set_and_answer", number=1)
            of_first = _addresses(client) - others
            with browser.open(second) as other:
                ask(other, "get")
                assert first.end() in CLEAN
                until(lambda: not _addresses(client) & of_first)
                assert ask(other, "get") == {"name": "Ada", "number": 1}
                assert second.end() in CLEAN
        until(lambda: _addresses(client) <= others)
    assert first.complaint() + second.complaint() == ""


def _addresses(client: redis.Redis) -> set[str]:
    """Return the other ends of the server's connections."""
    return {each["addr"] for each in client.client_list()}
