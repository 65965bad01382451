"""Property tests without a deadline: a machine that is busy is not a bug."""

from collections.abc import Callable
from typing import Any

import hypothesis


def given(*args: Any, **kwargs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """See hypothesis.given()."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        return hypothesis.settings(deadline=None)(hypothesis.given(*args, **kwargs)(test))

    return decorate
