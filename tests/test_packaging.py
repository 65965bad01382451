"""What a user installs: the wheel, alone, in an environment that holds nothing else."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "redis_sessions"
NO_INDEX = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError")

EVERY_MODULE = r"""
import pkgutil
import re
import redis_sessions
for module in pkgutil.walk_packages(redis_sessions.__path__, "redis_sessions."):
    try:
        __import__(module.name)
    except ImportError as error:
        assert re.search(r"\[(testing|encryption)\]", str(error)), error  # an extra of its own
    print(module.name)
"""

ONE_SESSION = """
import sys
from redis_sessions.session import SessionStore
written = SessionStore()
written["name"] = "Ada"
written["basket"] = {"tea": 2}
written.save()
read = SessionStore(written.session_key)
assert dict(read.items()) == {"name": "Ada", "basket": {"tea": 2}}, dict(read.items())
read.flush()
assert not SessionStore(written.session_key).exists(written.session_key)
print(read.__class__.__module__, sys.modules["redis_sessions"].__file__)
"""

DJANGO = """
import sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="only for this process",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "redis_sessions",
    ],
    SESSION_ENGINE="redis_sessions.session",
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}},
)
django.setup()
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Return the output of a command; skip where pip reaches no index, which in CI is a failure."""
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode and NO_INDEX.search(done.stdout) and "CI" not in os.environ:
        pytest.skip(f"pip reaches no package index:\n{done.stdout}")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy: setuptools leaves a build directory, and packs its old files again."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "source" / PACKAGE.name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder / "source")
    run(sys.executable, "-m", "build", "--outdir", folder, folder / "source", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment in which the wheel is all that was asked for."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", wheel, cwd=folder)
    return python


def run_installed(python: Path, code: str) -> str:
    """Run code with Django set up, away from the source tree and from this process's paths."""
    server = settings.CACHES["sessions"]["LOCATION"]
    return run(python, "-I", "-c", DJANGO + code, server, cwd=python.parent)


def source_files() -> set[str]:
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


def test_the_wheel_carries_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert carried == source_files()


def test_the_package_has_scripts_and_a_marker_that_it_is_typed() -> None:
    suffixes = {Path(name).suffix for name in source_files()}
    assert ".lua" in suffixes
    assert (PACKAGE / "py.typed").is_file()


def test_the_installed_wheel_needs_nothing_more_to_import_every_module(installed: Path) -> None:
    imported = run_installed(installed, EVERY_MODULE).split()
    assert {"redis_sessions.session", "redis_sessions.middleware"} <= set(imported)


def test_the_installed_wheel_saves_a_session_and_loads_it_again(installed: Path) -> None:
    engine, file = run_installed(installed, ONE_SESSION).split()
    assert engine == "redis_sessions.session"
    assert Path(file).is_relative_to(installed.parent.parent)


def test_the_readme_has_one_command_for_the_tests_and_one_for_the_example() -> None:
    lines = (ROOT / "README.rst").read_text().splitlines()
    commands = [line.strip() for line in lines if line.strip().startswith("python3 -m venv ")]
    assert sorted(command.rpartition(" && ")[2] for command in commands) == [
        ".venv-demo/bin/python example_project/run.py",
        ".venv-test/bin/python -m pytest",
    ]
