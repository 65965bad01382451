"""What proves a right is compared in constant time, everywhere, and no input is run as code."""

import ast
import hmac
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.signing import JSONSerializer

import redis_sessions
from redis_sessions import claims, codec, tokens
from redis_sessions.conf import config
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again
from tests.serializers import path

PACKAGE = Path(redis_sessions.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PROOF = re.compile(r"digest|signature|secret|proof|\bpad\b|\bbound\b")  # no constants
EQUAL = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def test_no_module_compares_a_proof_with_an_operator() -> None:
    compared = [
        ast.unparse(node)
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.Compare) and any(isinstance(op, EQUAL) for op in node.ops)
    ]
    assert len(compared) > 50
    assert [text for text in compared if PROOF.search(text)] == []


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """What is compared in constant time from now on."""
    pairs: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def comparing(one: bytes, other: bytes) -> bool:
        pairs.append((bytes(one), bytes(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", comparing)
    return pairs


@pytest.fixture
def session(stored, settings) -> SessionStore:
    """A session on a site whose SECRET_KEY was exchanged twice."""
    session = stored(name="Ada")
    settings.SECRET_KEY_FALLBACKS = ["one", "two"]
    return session


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("act", ["items", "exists"])
def test_a_secret_is_compared_in_constant_time_under_every_key(
    do: Do, session: SessionStore, redis_client, compared, act: str, right: bool
) -> None:
    key = session.session_key if right else session.id + "0" * 26
    proofs = [tokens.digest(tokens.split_key(key), each) for each in config().digest_keys]
    kept = redis_client.hget(record_of(session), "\0k")
    compared.clear()
    do(getattr(SessionStore(key), act), *[key] * (act == "exists"))
    assert compared[:3] == [(kept, proof) for proof in proofs]


def test_every_value_is_compared_in_constant_time(do: Do, stored, redis_client, compared) -> None:
    session = stored(a="1", b="2")
    signatures = {value[:12] for value in redis_client.hmget(record_of(session), "a", "b")}
    compared.clear()
    do(again(session).items)
    assert signatures <= {pair[0] for pair in compared}


def test_signature_and_browser_of_a_claim_are_compared_in_constant_time(compared) -> None:
    claim, command = claims.make(tokens.make_key(), [None, "0" * 40])
    compared.clear()
    assert claims.open_(claim, command.words[2], "1" * 40) is None
    assert [len(one) for one, _ in compared] == [12, 16, 16]


def test_no_module_can_run_code_out_of_data() -> None:
    for module in MODULES:
        names = {node.id for node in nodes(module) if isinstance(node, ast.Name)}
        assert names & {"eval", "exec", "compile", "__import__"} == set(), module
        assert _imported(module) & {"pickle", "marshal", "shelve", "yaml", "dill"} == set(), module


def _imported(module: Path) -> set[str]:
    """Return the packages that a module imports."""
    found = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_values_are_json_unless_the_site_says_otherwise() -> None:
    assert config().serializer is JSONSerializer


class Pickles:
    """A serializer that a site should not have."""

    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)  # noqa: S301


class Bomb:
    """Goes off when it is unpickled."""

    went_off = 0

    def __reduce__(self) -> Any:
        return _go_off, ()


def _go_off() -> None:
    Bomb.went_off += 1


def test_even_a_serializer_that_runs_code_gets_nothing_that_was_not_signed(
    do: Do, stored, settings, redis_client: redis.Redis
) -> None:
    settings.SESSION_SERIALIZER = path(Pickles)
    session = stored(name=["Ada"])
    bomb = codec.SERIALIZED + pickle.dumps(Bomb())
    signature = redis_client.hget(record_of(session), "name")[:12]
    before = Bomb.went_off
    for planted in (bomb, signature + bomb, b"0" * 12 + bomb, bomb[1:]):
        redis_client.hset(record_of(session), "name", planted)
        assert dict(do(again(session).items)) == {}
    assert Bomb.went_off == before
    codec.decode(bomb, Pickles())
    assert Bomb.went_off == before + 1
