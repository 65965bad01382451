"""The errors: one root, messages that say what happened, Django's own errors among the bases."""

import inspect

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import BadRequest

from redis_sessions import exceptions

ERRORS = [
    error
    for _, error in inspect.getmembers(exceptions, inspect.isclass)
    if error.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_a_child_of_the_root(error: type[Exception]) -> None:
    assert issubclass(error, exceptions.RedisSessionsError)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_without_a_message_says_its_docstrings_first_line(error) -> None:
    assert str(error()) == error.__doc__.splitlines()[0]
    assert str(error()).endswith(".")


@pytest.mark.parametrize("error", ERRORS)
def test_a_message_of_its_own_replaces_the_docstring(error: type[Exception]) -> None:
    assert str(error("The cable is out.")) == "The cable is out."


@pytest.mark.parametrize("expected", [UpdateError, SessionInterrupted, BadRequest])
def test_django_takes_a_session_that_is_gone_for_its_own_error(expected: type) -> None:
    assert issubclass(exceptions.SessionGone, expected)
    assert issubclass(exceptions.SessionRotated, exceptions.SessionGone)


def test_an_unavailable_store_is_not_taken_for_a_session_that_is_gone() -> None:
    assert not issubclass(exceptions.SessionStoreUnavailable, UpdateError)
