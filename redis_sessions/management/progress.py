"""A line on the terminal that tells how far a command is."""

from types import TracebackType
from typing import Any

_WIDTH = 40


class Progress:
    """Call it with the part that is done, from 0 to 1. Silent where nobody sits at a terminal."""

    def __init__(self, stream: Any, *, shown: bool) -> None:
        self._stream = stream
        self._shown = shown and stream.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __call__(self, done: float) -> None:
        """Show it."""
        bar = "#" * round(done * _WIDTH)
        self._write(f"\r[{bar:{_WIDTH}}] {done:4.0%}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clear the line."""
        self._write("\r" + " " * (_WIDTH + 7) + "\r")

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text, lambda plain: plain, ending="")
            self._stream.flush()
