"""Keys, secrets, claims and data stand in no log, no error and no text about a session."""

import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.management import call_command

from redis_sessions import staff, tokens, users
from redis_sessions.conf import config
from redis_sessions.exceptions import SessionGone, SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.doors import Guest, closed
from tests.fuzz.siege import Visitor
from tests.servers import free_port

PRIVATE = "a private matter"


@pytest.fixture(autouse=True)
def _site(settings: Any, transactional_db: None) -> None:
    settings.ROOT_URLCONF = "tests.fuzz.siege"
    for name in ("ada", "eve"):
        get_user_model().objects.create_user(name)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Return all that was logged, at any level and with tracebacks, when it is called."""
    form = logging.Formatter("%(message)s")
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "redis_sessions"):
        yield lambda: "\n".join(form.format(record) for record in caplog.records)


def secrets_of(*keys: str) -> set[str]:
    """Return what must be told nowhere of sessions with these keys."""
    split = [tokens.split_key(key) for key in keys]
    proofs = [tokens.digest(key, config().digest_keys[0]) for key in split if key is not None]
    shown = {text for proof in proofs for text in (proof.hex(), repr(proof)[2:-1])}
    return {*keys, *(key[14:] for key in keys), *shown, PRIVATE}


def tells_nothing(text: str, secrets: set[str]) -> bool:
    return not [secret for secret in secrets if secret in text]


async def test_nothing_that_is_logged_holds_a_key_a_claim_or_data(
    said: Any, redis_client: redis.Redis, settings: Any
) -> None:
    visitor, stranger = Visitor(), Guest()
    keys, claims = await _over_sockets(visitor, stranger)
    stranger.key = keys[1]
    assert (await stranger.client.post("/set/", {"a": PRIVATE})).status_code == 400
    name = f"session:{{{keys[0][:14]}}}"
    redis_client.hset(name, "private", PRIVATE)
    await visitor.client.get("/get/")
    redis_client.set(name, PRIVATE)
    visitor.key = keys[-1]
    await visitor.client.get("/get/")
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    visitor.key = keys[-1]
    assert (await visitor.client.get("/get/")).status_code == 503
    logged = said()
    for expected in (keys[0][:14], "cannot be read", "failed:", "Gone: /sessions/claim/"):
        assert expected in logged  # so much was logged
    assert tells_nothing(logged, secrets_of(*keys) | set(claims))


async def _over_sockets(visitor: Visitor, stranger: Guest) -> tuple[list[str], list[str]]:
    """Log in, claim and rotate; return all keys and claims there were."""
    await visitor.begin()
    keys = [visitor.key]
    async with visitor.door() as left, visitor.door() as socket:
        await socket.ask("login", name="ada")
        await closed(left)
        claims = [await socket.ask("claim")]
        await stranger.post(claims[0])  # used up
        claims.append(await socket.ask("claim"))
        await visitor.post(claims[1])
        await socket.ask("set", private=PRIVATE)
        keys.append(visitor.key)
        await visitor.client.post("/rotate/")
        await closed(socket)
    return [*keys, visitor.key], claims


def test_no_text_about_a_session_holds_its_secret_or_its_data() -> None:
    session = SessionStore()
    session["private"] = PRIVATE
    session.save()
    texts = [f"{thing!r} {thing}" for thing in (session, session._session, session.key.id)]
    texts += [repr(session.key), repr(staff.details(session.id)), repr(session.device)]
    assert tells_nothing("\n".join(texts), secrets_of(session.session_key))


def test_what_staff_and_the_user_are_told_opens_no_session(capsys: Any) -> None:
    user = get_user_model().objects.get(username="ada")
    browser = Visitor()
    async_to_sync(browser.log_in)("ada")
    [info] = users.sessions_of(user)
    for words in (["list", "--user", "ada"], ["show", info.id], ["show", info.id, "--json"]):
        call_command("redis_sessions", *words)
    told = capsys.readouterr().out + repr(info) + repr(staff.details(info.id))
    assert info.id in told
    assert tells_nothing(told, secrets_of(browser.key))
    for key in (info.id, info.id + "0" * 26, info.id * 3, (info.id * 3)[:40]):
        assert dict(SessionStore(key).items()) == {}


@pytest.mark.parametrize("end", ["flush", "cycle_key"])
def test_no_error_holds_the_secret_or_data(end: str, settings: Any) -> None:
    session = SessionStore()
    session["private"] = PRIVATE
    session.save()
    late = SessionStore(session.session_key)
    late["private"] = PRIVATE + "!"
    key = str(session.session_key)
    getattr(session, end)()
    told = []
    for _ in range(2):
        with pytest.raises((SessionGone, SessionStoreUnavailable)) as raised:
            late.save()
        told.append("".join(traceback.format_exception(raised.value)))
        settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    late["private"] = {PRIVATE}
    with pytest.raises(TypeError) as unserialisable:
        late.save()
    told.append("".join(traceback.format_exception(unserialisable.value)))
    assert tells_nothing("\n".join(told), secrets_of(key))
