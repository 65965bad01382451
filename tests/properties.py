"""Property tests without a deadline: a machine that is busy is not a bug."""

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_USUAL = hypothesis.settings.get_profile("default").max_examples
_UNHEALTHY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def given(*args: Any, **kwargs: Any) -> Decorator:
    """See hypothesis.given()."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        return hypothesis.settings(deadline=None)(hypothesis.given(*args, **kwargs)(test))

    return decorate


def bounds(examples: int, **more: Any) -> hypothesis.settings:
    """Return settings for a test of so many examples, more of them with a longer profile.

    Its fixtures are made once for all examples.
    """
    times = hypothesis.settings.default.max_examples / _USUAL
    return hypothesis.settings(
        max_examples=max(1, round(examples * times)),
        deadline=None,
        suppress_health_check=_UNHEALTHY,
        **more,
    )


def fuzz(examples: int, *args: Any, **kwargs: Any) -> Decorator:
    """Try so many examples of what hypothesis.given() is told: see bounds()."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        return bounds(examples)(hypothesis.given(*args, **kwargs)(test))

    return decorate
