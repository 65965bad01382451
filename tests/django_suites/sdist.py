"""Django's source distribution of the installed version: fetched by pip once, and its tests."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django


class Unavailable(Exception):
    """pip could not fetch the source distribution."""


def fetch(cache: Path) -> Path:
    """Return the archive from the cache directory, where pip puts it the first time."""
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"django-{django.__version__}.tar.gz"
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            _download(Path(directory))
            (Path(directory) / archive.name).replace(archive)
    return archive


def _download(directory: Path) -> None:
    # Only Django is to come as source: pip builds its metadata with setuptools, best from a wheel.
    source = ["--no-deps", "--no-binary", "django", f"django=={django.__version__}"]
    command = [sys.executable, "-m", "pip", "download", *source, "--dest", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-2:]
        raise Unavailable(f"pip download {' '.join(source)}: {'; '.join(said)}")


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack Django's tests, anew for each run so that they are as published; return where."""
    top = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.name.startswith(f"{top}/tests/")]
        tar.extractall(directory, members, filter="data")
    return directory / top / "tests"
