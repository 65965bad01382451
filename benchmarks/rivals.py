"""Other people's engines: install each where nothing else sees it, and try whether it works here.

One of them has the import name of this project's package, so none is installed beside it: each is
in a folder of its own, which only its own processes have on their path, before all else. It
runs with the Django and the redis-py that this project has, not with others of its own.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .engines import ENGINES

ROOT = Path(__file__).resolve().parent.parent
_INSTALLS = 120  # seconds
_TRIES = 120
_QUIETLY = ("-W", "ignore:pkg_resources is deprecated")


class Unusable(Exception):
    """A rival that cannot be installed, or does not do what an engine has to, and why."""


def folder(package: str) -> Path:
    """Return where a package of a rival is installed, for this Python."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return caches / "django-redis-live-sessions" / "rivals" / f"{package}-{version}"


def install(package: str, *needs: str) -> None:
    """Install a package into its folder, if it is not there; raise Unusable where pip cannot."""
    target = folder(package)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as made:
        there = Path(made) / "packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries=1"]
        _run([*pip, f"--target={there}", package, *needs], _INSTALLS)
        there.rename(target)


def command(engine: str, *arguments: str) -> list[str]:
    """Return the command of an engine's worker. ``-P``: this folder is not before the rival's."""
    return [sys.executable, "-P", *_QUIETLY, "-m", "benchmarks.worker", engine, *arguments]


def environment(engine: str) -> dict[str, str]:
    """Return the environment of an engine's worker: its packages first, then this project."""
    package = ENGINES[engine].package
    path = [str(folder(package))] if package else []
    return os.environ | {"PYTHONPATH": os.pathsep.join([*path, str(ROOT)])}


def attempt(engine: str, url: str) -> None:
    """Install an engine and have it do everything once; raise Unusable where it cannot."""
    rival = ENGINES[engine]
    if rival.package:
        install(rival.package, *rival.needs)
    _run(command(engine, url), _TRIES, '{"measure": "check"}\n', environment(engine))


def _run(
    words: list[str], timeout: int, text: str = "", environ: dict[str, str] | None = None
) -> None:
    try:
        done = subprocess.run(
            words,
            input=text,
            env=environ,
            timeout=timeout,
            text=True,
            capture_output=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"no end after {timeout} s") from error
    if done.returncode:
        raise Unusable((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
