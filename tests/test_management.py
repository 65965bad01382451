"""``manage.py redis_sessions``: what it prints, what it ends, and what it says when it cannot."""

import json
import os
import subprocess
import sys
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from redis_sessions import pruning, users
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.people import FIREFOX, index_of, listed, log_in
from tests.servers import free_port

pytestmark = pytest.mark.django_db

FUTURE = 4_000_000_000
SECRET = "nobody may read this"
NOBODYS = "0" * 14


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def run(*words: Any, **options: Any) -> str:
    out = StringIO()
    call_command("redis_sessions", *map(str, words), stdout=out, **options)
    return out.getvalue()


def told(*words: Any) -> Any:
    return json.loads(run(*words, "--json"))


def refused(*words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert caught.value.returncode == 1
    return str(caught.value)


def call(method: Any, *args: Any) -> Any:
    return method(*args)


def session_of(user: User, **data: Any) -> SessionStore:
    session = log_in(call, user, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    session.update(data)
    session.save()
    return session


def is_there(session: SessionStore) -> bool:
    return SessionStore().exists(session.session_key)


# list


def test_list_prints_the_sessions_of_a_user_by_name_and_by_key(ada: User) -> None:
    sessions = [session_of(ada) for _ in range(2)]
    for name in ("ada", ada.pk):
        text = run("list", "--user", name)
        assert all(session.id in text for session in sessions)
        assert FIREFOX in text
        assert "192.0.2.7" in text


def test_list_as_json_has_stable_keys(ada: User) -> None:
    session = session_of(ada)
    answer = told("list", "--user", "ada")
    [listed_] = answer["sessions"]
    assert answer["user"] == {"id": str(ada.pk), "name": "ada"}
    assert list(listed_) == [
        "id", "created", "logged_in", "last_seen", "expires", "ip", "user_agent", "sockets",
    ]  # fmt: skip
    assert (listed_["id"], listed_["ip"], listed_["sockets"]) == (session.id, "192.0.2.7", 0)
    assert datetime.fromisoformat(listed_["expires"]).tzinfo is not None


def test_list_prints_no_more_than_the_limit(ada: User) -> None:
    for _ in range(3):
        session_of(ada)
    assert len(told("list", "--user", "ada", "--limit", 2)["sessions"]) == 2


def test_list_of_a_user_without_sessions_says_so(ada: User) -> None:
    assert run("list", "--user", "ada") == "ada has no sessions.\n"
    assert told("list", "--user", "ada")["sessions"] == []


@pytest.mark.parametrize("name", ["nobody", "", "9" * 30, "a\0b", "-1"])
def test_a_user_who_is_not_there_is_told_in_a_sentence(ada: User, name: str) -> None:
    for words in (["list"], ["end", "--all", "--noinput"]):
        assert refused(*words, f"--user={name}").startswith("There is no user")


def test_a_name_that_is_anothers_key_ends_nothing(ada: User) -> None:
    namesake = User.objects.create_user(str(ada.pk))
    session, other = session_of(ada), session_of(namesake)
    message = refused("end", "--user", ada.pk, "--all", "--noinput")
    assert repr(str(ada.pk)) in message
    assert repr(str(namesake.pk)) in message
    assert is_there(session)
    assert is_there(other)


# show


def test_show_prints_names_and_sizes_and_no_data(ada: User) -> None:
    session = session_of(ada, note=SECRET)
    for text in (run("show", session.id), run("show", session.id, "--json")):
        assert "note" in text
        assert str(len(SECRET)) in text
        assert SECRET not in text
        assert session.session_key[14:] not in text
        assert ada.get_session_auth_hash() not in text


def test_show_as_json_has_stable_keys(ada: User, redis_client: redis.Redis) -> None:
    session = session_of(ada, note="x")
    answer = told("show", session.id)
    assert list(answer) == [
        "id", "kind", "user_id", "fault", "created", "logged_in", "last_seen", "expires",
        "sockets", "version", "keys", "ttl", "memory", "encoding", "ip", "user_agent",
    ]  # fmt: skip
    assert answer["kind"] == "logged_in"
    assert answer["user_id"] == str(ada.pk)
    assert {"name": "note", "bytes": 1} in answer["keys"]
    key = f"session:{{{session.id}}}"
    assert answer["memory"] == redis_client.memory_usage(key, samples=0)
    assert abs(answer["ttl"] - redis_client.ttl(key)) <= 5
    assert answer["encoding"] == redis_client.object("encoding", key).decode()


def test_show_tells_why_a_record_cannot_be_read(redis_client: redis.Redis) -> None:
    redis_client.set(f"session:{{{NOBODYS}}}", "x")
    answer = told("show", NOBODYS)
    assert answer["kind"] == "unreadable"
    assert answer["fault"] == "the key holds something else than a hash"
    assert (answer["created"], answer["version"], answer["ttl"]) == (None, None, None)
    assert "unreadable" in run("show", NOBODYS)


def test_show_prints_nothing_that_a_terminal_would_obey(ada: User) -> None:
    session = log_in(call, ada, HTTP_USER_AGENT="\x1b[2J\u202eevil", REMOTE_ADDR="192.0.2.7")
    session["\x1b]0;owned\x07"] = 1
    session.save()
    for text in (run("show", session.id), run("list", "--user", "ada")):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "evil" in text


@pytest.mark.parametrize("words", [["show"], ["end"]])
@pytest.mark.parametrize("name", [NOBODYS, "x", "*", "x" * 100])
def test_an_id_that_is_not_there_is_told_in_a_sentence(words: list[str], name: str) -> None:
    shown = name if len(name) <= 14 else f"{name[:14]}\N{HORIZONTAL ELLIPSIS}"
    assert refused(*words, name).startswith(f"There is no session {shown!r}")


@pytest.mark.parametrize("words", [["show"], ["end"], ["end", "--user", "ada"]])
def test_of_a_whole_key_only_the_id_is_repeated(ada: User, words: list[str]) -> None:
    key = session_of(ada).session_key
    message = refused(*words, key)
    assert key[:14] in message
    assert key[14:] not in message
    assert is_there(SessionStore(key))


# end


def test_end_ends_one_session_and_takes_it_off_the_list(
    ada: User, redis_client: redis.Redis
) -> None:
    one, other = session_of(ada), session_of(ada)
    assert one.id in run("end", one.id)
    assert not is_there(one)
    assert is_there(other)
    assert listed(redis_client, ada.pk) == {other.id}


def test_end_with_a_user_ends_only_what_is_theirs(ada: User) -> None:
    session, stranger = session_of(ada), session_of(User.objects.create_user("eva"))
    assert refused("end", stranger.id, "--user", "ada") == f"ada has no session {stranger.id}."
    assert is_there(stranger)
    assert told("end", session.id, "--user", "ada") == {"ended": [session.id]}
    assert not is_there(session)


def test_end_ends_a_visitors_session_and_one_that_cannot_be_read(
    redis_client: redis.Redis,
) -> None:
    visitor, forged = SessionStore(), SessionStore()
    for session in (visitor, forged):
        session["n"] = 1
        session.save()
    redis_client.hset(f"session:{{{forged.id}}}", "n", b"forged")
    for session in (visitor, forged):
        run("end", session.id)
    assert redis_client.keys() == []


def test_end_all_ends_all_of_one_user(ada: User) -> None:
    sessions = {session_of(ada) for _ in range(3)}
    stranger = session_of(User.objects.create_user("eva"))
    ended = told("end", "--user", "ada", "--all", "--noinput")["ended"]
    assert set(ended) == {session.id for session in sessions}
    assert not any(map(is_there, sessions))
    assert is_there(stranger)


@pytest.mark.parametrize(("answer", "goes_on"), [("n", True), ("", True), ("y", False)])
def test_end_all_asks_first(
    ada: User, monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool
) -> None:
    session = session_of(ada)
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    if goes_on:
        assert refused("end", "--user", "ada", "--all") == "Nothing was ended."
    else:
        run("end", "--user", "ada", "--all")
    assert asked == ["This ends 1 sessions of ada. Go on? [y/N] "]
    assert is_there(session) is goes_on


def test_end_all_where_nobody_can_be_asked_ends_nothing(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(ada)
    monkeypatch.setattr(sys, "stdin", StringIO())
    assert "--noinput" in refused("end", "--user", "ada", "--all")
    assert is_there(session)


@pytest.mark.parametrize(
    "words", [[], ["--user", "ada"], ["--all"], ["--all", "--user", "ada", NOBODYS]]
)
def test_end_without_saying_what_ends_nothing(ada: User, words: list[str]) -> None:
    session = session_of(ada)
    assert "--user" in refused("end", "--noinput", *words)
    assert is_there(session)


# stats, prune


def test_stats_prints_the_figures(ada: User, redis_client: redis.Redis) -> None:
    session_of(ada, note="x" * 500)
    session_of(ada)
    redis_client.zadd(index_of(ada.pk), {NOBODYS: FUTURE})
    text = " ".join(run("stats").split())
    for figure in ("total 2", "logged in 2", "hashtable 1", "without a session 1", "up to 512 1 #"):
        assert figure in text


def test_stats_as_json_has_stable_keys(ada: User) -> None:
    session_of(ada)
    answer = told("stats")
    assert list(answer) == ["sessions", "memory", "sizes", "encodings", "listpack_gains", "indexes"]
    assert list(answer["sessions"]) == [
        "total", "logged_in", "anonymous", "empty", "expired", "unreadable",
    ]  # fmt: skip
    assert list(answer["indexes"]) == ["users", "ids", "ghosts", "unlisted"]


def test_stats_of_an_empty_server_is_printed_too() -> None:
    assert "total 0" in " ".join(run("stats").split())


def test_a_progress_bar_is_shown_on_a_terminal_only() -> None:
    terminal, file = Terminal(), StringIO()
    run("stats", stderr=terminal)
    assert "100%" in terminal.getvalue()
    run("stats", stderr=file)
    assert file.getvalue() == ""
    silent = Terminal()
    run("stats", "--json", stderr=silent)
    assert silent.getvalue() == ""


def test_prune_tells_what_it_took_out(
    ada: User, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning.prune, "__defaults__", (0,))
    session = session_of(ada)
    redis_client.zadd(index_of(ada.pk), {NOBODYS: FUTURE, "1" * 14: 1})
    assert told("prune") == {"expired": 1, "ghosts": 1}
    assert run("prune") == "Pruned 0 expired ids and 0 without a session.\n"
    assert [info.id for info in users.sessions_of(ada)] == [session.id]


# Faults


def test_a_server_that_is_away_is_told_in_a_sentence(ada: User, settings: Any) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    for words in (["list", "--user", "ada"], ["show", NOBODYS], ["end", NOBODYS], ["stats"]):
        assert refused(*words).startswith("The session server of CACHES['sessions'] failed:")


def test_a_server_that_does_not_allow_it_is_told_in_a_sentence(
    redis_client: redis.Redis, settings: Any
) -> None:
    redis_client.execute_command("ACL", "SETUSER", "few", "on", ">few", "~*", "+ping")
    try:
        port = redis_client.connection_pool.connection_kwargs["port"]
        settings.CACHES = caches(f"redis://few:few@127.0.0.1:{port}/0")
        assert "scan" in refused("stats").lower()
    finally:
        redis_client.execute_command("ACL", "DELUSER", "few")


def test_a_database_that_fails_is_told_in_a_sentence(ada: User) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE auth_user RENAME TO away")
        message = refused("list", "--user", "ada")
        transaction.set_rollback(True)
    assert message.startswith("The database cannot tell of users:")


def managed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py`` as a process of its own."""
    code = "from django.core.management import execute_from_command_line as run; "
    code += f"run(['manage.py', *{words!r}])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"} | environment
    line = [sys.executable, "-c", code]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


def test_an_error_is_one_line_and_exit_code_1() -> None:
    done = managed("redis_sessions", "show", NOBODYS)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("CommandError: There is no session")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["clearsessions"], ["redis_sessions", "stats"]])
def test_a_command_tells_in_one_line_that_the_server_is_away(words: list[str]) -> None:
    done = managed(*words, REDIS_SESSIONS_TEST_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CommandError: The session server of CACHES['sessions'] failed:")
    assert len(done.stderr.splitlines()) == 1


def test_clearsessions_prunes(
    ada: User, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning.prune, "__defaults__", (0,))
    redis_client.zadd(index_of(ada.pk), {NOBODYS: FUTURE})
    call_command("clearsessions")
    assert redis_client.zrange(index_of(ada.pk), 0, -1) == []
