"""The layers: imports point down, and each layer keeps to its own words. Read from syntax trees."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import redis_sessions

PACKAGE = Path(redis_sessions.__file__).parent
LAYERS = [
    {
        "exceptions", "reasons", "signals", "tokens", "codec", "data", "devices", "record",
        "scripts", "slots", "commands", "useragents", "inspection", "tally", "encryption",
    },
    {
        "batches", "breakers", "clusters", "connections", "executors", "faults", "lanes",
        "listeners", "pools", "queries", "routing", "sentinels", "shards", "wires",
    },
    {
        "conf", "operations", "obsolete", "content", "expiry", "ownership", "reading", "lifecycle",
        "steps", "info", "leases", "locks", "roster", "consequences", "session", "users", "claims",
        "looking", "scanning", "pruning", "stats", "staff", "lookup", "sealing",
    },
    {
        "admin", "apps", "checks", "decorators", "live", "management", "middleware", "migrations",
        "models", "pages", "receivers", "templatetags", "testing", "urls", "views",
    },
]  # fmt: skip
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
PURE = [path for path in MODULES if path.relative_to(PACKAGE).parts[0].split(".")[0] in LAYERS[0]]

IO_AND_SETTINGS = {"asyncio", "channels", "django_redis", "redis", "socket", "threading"}
# The loader of the scripts reads files of the package; errors have Django's among their bases.
ALLOWED = {"exceptions": {"django.contrib", "django.core"}, "signals": {"django.dispatch"}}
ALLOWED["data"] = {"threading"}  # a lock

COMMAND = re.compile(
    r"^(?:[HSZ]?(?:GET|SET|DEL|SCAN)(?:ALL|DEL|EX|NX)?|HM[GS]ET|HINCRBY|P?EXPIRE(?:AT)?|P?TTL|EXISTS"
    r"|UNLINK|Z(?:ADD|REM|RANGE|REMRANGEBYSCORE|CARD|SCORE)|MEMORY|[SP]?(?:UN)?SUBSCRIBE|S?PUBLISH"
    r"|EVAL(?:SHA)?(?:_RO)?|SCRIPT|INFO|PING|MULTI|EXEC|WATCH|ROLE|WAIT)$"
)
METHOD = re.compile(r"^(?:h(?:m?get|m?set|getall|del|incrby)|expire(?:at)?|unlink|s?publish|eval)$")
KEY_FORMAT = re.compile(r":\{|\}:|^session:|%s:%s")
# How a script runs is the executor's matter, how to listen to a channel the listener's, and who is
# a master that of the connection to it.
THEIRS = {
    "batches": {"EVAL"},
    "listeners": {"SUBSCRIBE", "UNSUBSCRIBE", "PING"},
    "sentinels": {"ROLE"},
    "shards": {"SSUBSCRIBE", "SUNSUBSCRIBE"},
}


def top(path: Path) -> str:
    """Return the name of the package's module, or sub-package, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """Return the dotted name of the module that ``from ... import`` names in a file."""
    folder = ["redis_sessions", *path.relative_to(PACKAGE).parent.parts]
    above = folder[: len(folder) - node.level + 1] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, those inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{absolute(path, node)}.{name.name}" for name in node.names)


def ours(path: Path) -> set[str]:
    """Return the modules of this package that a file imports."""
    names = (name.split(".") for name in imported(path))
    return {name[1] for name in names if name[0] == "redis_sessions"}


def strings(path: Path) -> Iterator[str]:
    """Yield the string constants of a file, docstrings left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = list(ast.walk(tree(path)))
    docs = {id(node.body[0].value) for node in nodes if _has_docstring(node, documented)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in docs:
            if isinstance(node.value, str):
                yield node.value
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1")


def _has_docstring(node: ast.AST, documented: tuple[type, ...]) -> bool:
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_a_layer_and_imports_from_it_or_below(path: Path) -> None:
    above = {name for name in ours(path) if LAYER[name] > LAYER[top(path)]}
    assert above == set()


def test_no_two_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        graph.setdefault(top(path), set()).update(ours(path) - {top(path)})
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & set(graph)}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_pure_layer_imports_no_io_and_no_settings(path: Path) -> None:
    allowed = ALLOWED.get(top(path), set())
    for name in imported(path):
        assert name.split(".")[0] not in IO_AND_SETTINGS - allowed
        assert ".".join(name.split(".")[:2]) in allowed or not name.startswith("django")


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_pure_layer_asks_no_clock(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"time", "datetime"}


def test_only_the_io_layer_and_the_checks_import_redis_py() -> None:
    users = {top(path) for path in MODULES for name in imported(path) if _is_client(name)}
    assert users <= LAYERS[1] | {"checks"}


def _is_client(name: str) -> bool:
    return name.partition(".")[0] in {"redis", "django_redis", "valkey"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_of_redis_commands_live_in_commands_and_scripts(path: Path) -> None:
    if top(path) in {"commands", "scripts"}:
        return
    named = {text for text in strings(path) if COMMAND.match(text)}
    called = {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert named - THEIRS.get(top(path), set()) == set()
    assert {name for name in called if METHOD.match(name)} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_formats_of_redis_keys_live_in_commands(path: Path) -> None:
    if top(path) != "commands":
        assert [text for text in strings(path) if KEY_FORMAT.search(text)] == []


def test_the_names_and_formats_that_are_looked_for_are_found_where_they_belong() -> None:
    files = (PACKAGE / "commands").glob("*.py")
    commands = [text for path in files for text in strings(path)]
    assert {"HGETALL", "HGET", "SET", "GETDEL"} <= {
        text for text in commands if COMMAND.match(text)
    }
    assert any(KEY_FORMAT.search(text) for text in commands)
    for name, words in THEIRS.items():
        texts = list(strings(PACKAGE / f"{name}.py"))
        assert words == {text for text in texts if COMMAND.match(text)}


def _methods(class_name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    (found,) = (
        node
        for node in tree(PACKAGE / "session.py").body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in found.body if isinstance(node, functions) and not _is_attribute(node)]


def _is_attribute(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark) in {"property", "cached_property"} for mark in node.decorator_list)


def _twin(name: str) -> str:
    return f"_a{name[1:]}" if name.startswith("_") else f"a{name}"


# It waits for an asave() that another task awaits; sync code has no such thing.
ALONE = {"saved"}
METHODS = [node for node in _methods("SessionStore") if node.name not in ALONE]
PAIRS = [(one, two) for one, two in pairwise(METHODS) if isinstance(one, ast.FunctionDef)]


def test_every_sync_method_of_the_store_has_its_async_twin_right_under_it() -> None:
    synchronous = [node.name for node in METHODS if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in METHODS] == [
        name for one in synchronous for name in (one, _twin(one))
    ]
    assert all(isinstance(node, ast.AsyncFunctionDef) for node in METHODS[1::2])


@pytest.mark.parametrize(("one", "two"), PAIRS, ids=lambda node: node.name)
def test_twins_have_equal_signatures_and_decorators(one, two) -> None:
    for part in ("args", "returns"):
        assert ast.dump(getattr(one, part)) == ast.dump(getattr(two, part))
    assert [*map(ast.dump, one.decorator_list)] == [*map(ast.dump, two.decorator_list)]


@pytest.mark.parametrize(("one", "two"), PAIRS, ids=lambda node: node.name)
def test_the_async_twin_of_a_public_method_refers_to_the_other(one, two) -> None:
    if not one.name.startswith("_"):
        assert ast.get_docstring(one)
        assert ast.get_docstring(two) == f"See {one.name}()."
