"""What the documentation names is what the code has: settings, checks, fields, scripts, modules."""

import ast
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import redis
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.module_loading import import_string

import redis_sessions
from redis_sessions import claims, codec, connections, exceptions, executors, users
from redis_sessions.conf import Config
from redis_sessions.exceptions import SessionLocked
from redis_sessions.leases import Lease
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack, SessionEventsMixin
from redis_sessions.reasons import Reason
from redis_sessions.session import SessionStore
from redis_sessions.testing import connected
from tests.caches import caches
from tests.conftest import Do, record_of
from tests.documents import DOCS, PAGES, README, ROOT, TEXTS, acl, literals, name_of, table
from tests.locked import Locked, lock_of
from tests.people import log_in, person
from tests.servers import Server

PACKAGE = Path(redis_sessions.__file__).parent
SETTINGS, STORAGE, DESIGN = DOCS / "settings.rst", DOCS / "storage.rst", DOCS / "design.rst"
ASYNC, WEBSOCKETS = DOCS / "async.rst", DOCS / "websockets.rst"

ISSUE = re.compile(r"(?<![\w&])#\d+\b|\bissues? \d")
ABSOLUTE = re.compile(r"(?<![\w.:/>}])/(\w+)/\w")
URL = re.compile(r"\b(?:https?|wss?|rediss?)://(?:[^/@\s\"]*@)?([\w.-]+)")
MARKDOWN = re.compile(r"\b[\w/-]+\.md\b")


def source(*names: str) -> str:
    return "\n".join(PACKAGE.joinpath(name).read_text("utf-8") for name in names)


def lua() -> str:
    return source(*(f"scripts/{path.name}" for path in PACKAGE.glob("scripts/*.lua")))


def names(cells: str) -> set[str]:
    return set(literals(cells))


def test_the_settings_are_listed_with_their_types_and_defaults() -> None:
    hints = get_type_hints(Config)
    listed = [
        (*literals(name), *literals(kind), ast.literal_eval(*literals(default)))
        for name, kind, default, _ in table(SETTINGS, "Name")
    ]
    assert listed == [
        (field.name, _type_name(hints[field.name]), getattr(Config(), field.name))
        for field in fields(Config)
    ]


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def test_the_defaults_of_connections_are_listed() -> None:
    rows = table(SETTINGS, "Parameter", "Default")
    listed = {literals(name)[0]: ast.literal_eval(*literals(value)) for name, value, _ in rows}
    assert listed == connections.DEFAULTS


def test_what_connections_leave_out_is_listed() -> None:
    listed = [name for cell, _ in table(SETTINGS, "Parameter", "Why") for name in literals(cell)]
    assert len(listed) == len(set(listed))
    assert set(listed) == connections.NOT_OURS


def test_the_checks_are_listed() -> None:
    ids = re.findall(r'"([EW]\d{3})"', source("checks.py"))
    listed = [literals(row[0])[0] for row in table(SETTINGS, "Id")]
    assert listed == sorted({f"redis_sessions.{number}" for number in ids})


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_check_that_is_mentioned_exists(path: Path) -> None:
    known = set(re.findall(r'"([EW]\d{3})"', source("checks.py")))
    assert set(re.findall(r"\b[EW]\d{3}\b", path.read_text("utf-8"))) <= known


def test_the_codes_that_close_sockets_are_listed() -> None:
    rows = table(WEBSOCKETS, "Code")
    listed = {literals(name)[0]: int(*literals(code)) for code, name, *_ in rows}
    assert listed == {code.name: code.value for code in CloseCode}
    mentioned = re.findall(r"\b(?:1\d{3}|4\d{3})\b", WEBSOCKETS.read_text("utf-8"))
    assert {int(code) for code in mentioned} <= set(CloseCode) | {
        4901
    }  # a site's own, of an example


def test_the_fields_of_a_record_are_listed() -> None:
    used = set(re.findall(r"\\0([a-z])", source("record.py", "commands/records.py") + lua()))
    listed = [literals(row[0])[0] for row in table(STORAGE, "Field")]
    assert sorted(listed) == sorted(f"\\0{letter}" for letter in used)


def test_the_markers_of_payloads_are_listed() -> None:
    cells = [row[0] for row in table(STORAGE, "The payload begins with")]
    listed = {name for cell in cells for name in literals(cell)}
    known = (codec.SERIALIZED, codec.HEX, codec.COMPRESSED, codec.SEALED)
    markers = {f"\\x{marker[0]:02x}" for marker in known}
    assert listed == markers | {f"0x{codec._FIRST_PLAIN:x}"}


def test_the_scripts_are_listed() -> None:
    listed = [literals(row[0])[0] for row in table(STORAGE, "Script")]
    assert sorted(listed) == sorted(path.stem for path in PACKAGE.glob("scripts/*.lua"))


def test_the_words_that_are_published_are_listed() -> None:
    listed = {name for row in table(STORAGE, "Word") for name in literals(row[0])}
    published = set(re.findall(r"PUBLISH', \w+, '(\w+) '", lua().replace("KEYS[1]", "key")))
    assert "saved" in published
    assert listed == published | {reason.value for reason in Reason}


def test_the_commands_that_a_user_needs_are_listed() -> None:
    sent = set(re.findall(r"redis\.p?call\('([A-Z]+)'", lua()))
    built = source(*(f"commands/{path.name}" for path in PACKAGE.glob("commands/*.py")))
    sent |= set(re.findall(r'(?:Command\(|words = )\("([A-Z]+)"', built)) - {"INFO"} - _of_staff()
    sent |= set(re.findall(r'words = \("([A-Z]+)", "([A-Z]+)"\)', source("listeners.py"))[0])
    sent |= set(re.findall(r'send_command\("([A-Z]+)"', source("sentinels.py")))
    sent -= _of_cluster()
    assert {"SUBSCRIBE", "GETDEL", "PUBLISH", "ROLE", "WAIT"} <= sent
    allowed = {word[1:].upper() for word in acl() if word.startswith("+")}
    assert allowed == sent | {"EVALSHA", "EVAL", "PING"}


def test_the_commands_that_a_user_needs_in_a_cluster_are_listed() -> None:
    built = source("commands/sharding.py")
    sent = set(re.findall(r'Command\(\("([A-Z]+)"', built)) - {"EVALSHA"} | {"SPUBLISH"}
    sent |= set(re.findall(r'words = \("([A-Z]+)", "([A-Z]+)"\)', source("shards.py"))[0])
    assert _of_cluster() == sent


def _of_cluster() -> set[str]:
    (words,) = re.findall(r"also needs ``(\+[^`]*)``", STORAGE.read_text("utf-8"))
    return {word[1:].partition("|")[0].upper() for word in words.split()}


def _of_staff() -> set[str]:
    (words,) = re.findall(r"also send ``(\+[^`]*)``", STORAGE.read_text("utf-8"))
    return {word[1:].upper() for word in words.split()}


def test_the_user_of_the_acl_can_do_all_that_a_session_does(
    do: Do, server: Server, redis_client: redis.Redis, settings: Any
) -> None:
    redis_client.execute_command(*acl())
    try:
        url = f"redis://web:secret@127.0.0.1:{server.port}/0"
        settings.CACHES = caches(url)
        session = SessionStore()
        do(session.update, {"name": "Ada"})
        do(session.save)
        session.clear()
        do(session.update, {"n": 1})
        do(session.save)
        do(session.cycle_key)
        assert do(session.exists, session.session_key)
        assert do(SessionStore(session.session_key).get, "n") == 1
        do(session.flush)
        kept = log_in(do)
        log_in(do)
        assert len(users.sessions_of(person())) == 2
        assert len(users.end_sessions(person(), keep=kept)) == 1
        do(kept.flush)
        with redis.Redis.from_url(url) as client:
            assert client.ping()  # as redis-py does on a connection that was idle
    finally:
        redis_client.execute_command("ACL", "DELUSER", "web")


def test_the_user_of_the_acl_can_lock(
    do: Do, stored: Any, server: Server, redis_client: redis.Redis, settings: Any
) -> None:
    session = stored(n=1)
    lease = Lease(session.id, 60, "")
    redis_client.execute_command(*acl())
    try:
        settings.CACHES = caches(f"redis://web:secret@127.0.0.1:{server.port}/0")
        redis_client.set(lock_of(session), lease.holder)
        assert executors.run("sessions", lease.extension()) == [True]
        with pytest.raises(SessionLocked):
            do(Locked(session, blocking_timeout=0).run)
        assert executors.run("sessions", lease.unlocking()) == [1]
        do(Locked(session).run, lambda: session.update({"n": 2}))
    finally:
        redis_client.execute_command("ACL", "DELUSER", "web")


@pytest.mark.django_db(transaction=True)  # a consumer closes old connections
async def test_the_user_of_the_acl_can_do_all_that_a_socket_does(
    server: Server, redis_client: redis.Redis, settings: Any
) -> None:
    redis_client.execute_command(*acl())
    try:
        settings.CACHES = caches(f"redis://web:secret@127.0.0.1:{server.port}/0")
        session = SessionStore()
        await session.aset("name", "Ada")
        await session.asave()
        application = LiveSessionMiddlewareStack(Telling.as_asgi())
        cookie = f"{settings.SESSION_COOKIE_NAME}={session.session_key}".encode()
        async with connected(application, "/", headers=[(b"cookie", cookie)]) as socket:
            await session.aset("name", "Grace")
            await session.asave()
            assert await socket.receive_json_from() == ["name"]
        claim, command = claims.make(session.key, [None])
        await executors.arun("sessions", command)
        (stored,) = await executors.arun("sessions", claims.take(claim))
        assert claims.open_(claim, stored, None) == session.session_key
    finally:
        redis_client.execute_command("ACL", "DELUSER", "web")


class Telling(SessionEventsMixin, AsyncJsonWebsocketConsumer):
    """Tells its client what was changed elsewhere."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        await self.send_json(event["keys"])


def test_the_record_that_is_shown_is_what_the_engine_stores(redis_client: redis.Redis) -> None:
    session = SessionStore()
    session.cycle_key()
    session[SESSION_KEY] = "12345"
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = "4f1c9a7be2d05836" * 4
    session.save()
    session["basket"] = {"1042": 2}
    session.save()
    stored = redis_client.hgetall(record_of(session))
    (shown,) = re.findall(
        r"^    session:\{\w{14}\}\n((?: {8}.+\n)+)", STORAGE.read_text(), re.MULTILINE
    )
    lines = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert set(lines) == {name.decode().replace("\0", "\\0") for name in stored}
    assert lines["\\0v"].encode() == stored[b"\0v"]
    for name in (SESSION_KEY, BACKEND_SESSION_KEY, "basket"):
        payload = stored[name.encode()][codec.SIGNATURE_SIZE :].decode().replace("\0", "\\x00")
        assert lines[name] == f"12 bytes, then {payload}"
    assert len(stored[HASH_SESSION_KEY.encode()]) == 12 + 1 + 32


def test_the_modules_are_listed() -> None:
    listed = [name for _, cell, _ in table(DESIGN, "Layer") for name in literals(cell)]
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(listed) == sorted(found)


def test_the_modules_of_live_are_listed() -> None:
    listed = [name for cell, _ in table(DESIGN, "Module of ``live``") for name in literals(cell)]
    found = {path.stem for path in PACKAGE.glob("live/*.py")} - {"__init__"}
    assert sorted(listed) == sorted(found)


def test_the_errors_are_listed() -> None:
    ours = {
        name
        for name, found in vars(exceptions).items()
        if isinstance(found, type) and found.__module__ == exceptions.__name__
    }
    assert ours == set(re.findall(r"^``(\w+)``\n    ", DESIGN.read_text("utf-8"), re.MULTILINE))


def test_the_methods_that_the_async_page_names_exist() -> None:
    text = ASYNC.read_text("utf-8")
    (twins,) = re.findall(r"The twins are (.*?) and the getters", text, re.DOTALL)
    (blocking,) = re.findall(r"in any case needs its twin: (.*?)\n\n", text, re.DOTALL)
    methods = names(twins) | {name.removesuffix("()") for name in names(blocking)}
    assert len(methods) > 20
    assert {name for name in methods if not callable(getattr(SessionStore, name, None))} == set()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_dotted_names_of_the_package_can_be_imported(path: Path) -> None:
    for name in literals(path.read_text("utf-8")):
        if re.fullmatch(r"redis_sessions(\.[a-z_]\w*)+(\(\))?", name, re.IGNORECASE):
            _import(name.removesuffix("()"))


def _import(name: str) -> Any:
    if re.fullmatch(r"redis_sessions\.[EW]\d{3}", name):
        return None  # a check's id
    try:
        return import_module(name)
    except ImportError:
        return import_string(name)


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_files_that_are_named_exist(path: Path) -> None:
    for name in literals(path.read_text("utf-8")):
        if re.fullmatch(r"\.?\w[\w/.-]*(/|\.(rst|cfg|ini|toml))|\.ci/\w+", name):
            assert ROOT.joinpath(name).exists(), name


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages_and_labels_that_are_linked_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    labels = {
        label
        for page in PAGES
        for label in re.findall(r"^\.\. _(\w+):$", page.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r":ref:`(\w+)`", text)) <= labels
    assert all((DOCS / f"{page}.rst").exists() for page in re.findall(r":doc:`([\w-]+)`", text))


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_the_texts_speak_of_the_project_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ISSUE.findall(text) == []
    assert MARKDOWN.findall(text) == []  # the documents of this project end in .rst
    assert set(ABSOLUTE.findall(text)) <= {"etc", "run"}  # of examples
    hosts = set(URL.findall(text))
    of_examples = r"^127\.|example\.com$|^mymaster$"  # the last is the name of a service
    assert {host for host in hosts if not re.search(of_examples, host)} == set()


TESTS = ROOT / "tests"


@pytest.fixture(scope="module")
def known_tests() -> set[str]:
    """The names of all tests, and the paths of their files."""
    files = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("test_*.py")}
    texts = "\n".join(path.read_text("utf-8") for path in files.values())
    return {*files, *re.findall(r"^(?:async )?def (test_\w+)", texts, re.MULTILINE)}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_tests_that_are_named_exist(path: Path, known_tests: set[str]) -> None:
    named = re.findall(r"``((?:\w+/)?test_\w+(?:\.py)?)``", path.read_text("utf-8"))
    assert [name for name in named if name not in known_tests] == []


def test_the_threats_name_tests_that_stop_them() -> None:
    rows = table(DOCS / "threats.rst", "Who", "Wants")
    assert len(rows) > 15
    assert all(re.search("``test_", stopped_by) for *_, stopped_by in rows)


def test_every_requirement_of_a_chapter_is_walked() -> None:
    rows = table(DOCS / "threats.rst", "Item", "Asks for, in our words")
    sizes = {1: 3, 2: 4, 3: 2, 4: 5, 5: 3, 6: 2}
    every = [f"7.{part}.{n}" for part, size in sizes.items() for n in range(1, size + 1)]
    assert [row[0].rstrip(" *") for row in rows] == every


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) < 150


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^    ([\w-]+)$", (DOCS / "index.rst").read_text("utf-8"), re.MULTILINE)
    assert sorted([*listed, "index"]) == sorted(path.stem for path in DOCS.glob("*.rst"))
