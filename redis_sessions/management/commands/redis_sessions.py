"""``manage.py redis_sessions``: list, show and end sessions, and count what the server holds."""

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError

from redis_sessions import lookup, pruning, staff, stats, steps, users
from redis_sessions.breakers import unlogged
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.info import SessionInfo
from redis_sessions.management import words
from redis_sessions.management.progress import Progress
from redis_sessions.staff import SessionDetails
from redis_sessions.tokens import ID_LENGTH


class Command(BaseCommand):
    """See ``help``."""

    help = "List, show and end sessions, and count what the session server holds."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what each of the actions takes."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        listing = actions.add_parser("list", help="List the sessions of a user.")
        listing.add_argument("--user", required=True, help="Username or primary key.")
        listing.add_argument("--limit", type=_positive, default=100, help="100, unless given.")
        show = actions.add_parser("show", help="Show what a session consists of, but no data.")
        show.add_argument("id", help="The session's id: the first 14 characters of its key.")
        self._add_end(actions.add_parser("end", help="End a session, or all of a user."))
        stats_ = actions.add_parser("stats", help="Count sessions, sizes and encodings.")
        prune = actions.add_parser("prune", help="Prune the indexes, as clearsessions does.")
        for action in (listing, show, stats_, prune):
            _add_json(action)

    def _add_end(self, end: CommandParser) -> None:
        end.add_argument("id", nargs="?", help="The session's id.")
        end.add_argument("--user", help="Username or primary key: end only a session of this user.")
        end.add_argument("--all", action="store_true", help="End all sessions of the user.")
        end.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="Do not ask."
        )
        _add_json(end)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked. Raises CommandError."""
        try:
            with unlogged():
                getattr(self, f"_{options['action']}")(**options)
        except (SessionStoreUnavailable, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot tell of users: {error}") from error

    def _list(self, user: str, limit: int, **options: Any) -> None:
        found = _user(user)
        infos = users.sessions_of(found, limit=limit)
        told = {"user": _user_told(found), "sessions": [_told(info) for info in infos]}
        self._say(told, words.listing(str(found), infos), **options)

    def _show(self, id: str, **options: Any) -> None:  # noqa: A002 - the argument's name
        details = staff.details(id)
        if details is None:
            raise CommandError(_no_session(id))
        self._say(_details_told(details), words.details(details), **options)

    def _end(self, id: str | None, user: str | None, **options: Any) -> None:  # noqa: A002
        if options["all"]:
            self._end_all(id, user, **options)
            return
        if id is None:
            raise CommandError("Which session? Give its id, or --user with --all.")
        ended = staff.end(id) if user is None else users.end_session(_user(user), id)
        if ended is None:
            theirs = f"{user} has no session {_shown(id)}."
            raise CommandError(_no_session(id) if user is None else theirs)
        self._say({"ended": [id]}, f"Ended the session {id}.", **options)

    def _end_all(self, id: str | None, user: str | None, **options: Any) -> None:  # noqa: A002
        if user is None or id is not None:
            raise CommandError("--all goes with --user, and without an id.")
        found = _user(user)
        if options["interactive"]:
            self._confirm(
                f"This ends {users.count(found)} sessions of {_name(found)}. Go on? [y/N] "
            )
        ended = [info.id for info in users.end_sessions(found)]
        self._say({"ended": ended}, f"Ended {len(ended)} sessions of {_name(found)}.", **options)

    def _stats(self, **options: Any) -> None:
        with Progress(self.stderr, shown=not options["json"]) as progress:
            report = steps.run(stats.survey(progress)).report()
        self._say(report, words.report(report), **options)

    def _prune(self, **options: Any) -> None:
        pruned = steps.run(pruning.prune())
        text = f"Pruned {pruned.expired} expired ids and {pruned.ghosts} without a session."
        self._say(asdict(pruned), text, **options)

    def _say(self, told: dict[str, Any], text: str, **options: Any) -> None:
        if options["json"]:
            text = json.dumps(told, cls=DjangoJSONEncoder, indent=2)
        self.stdout.write(text)

    def _confirm(self, question: str) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Nobody can be asked here: give --noinput to end all of them.")
        if input(question).strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was ended.")


def _add_json(parser: CommandParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _user(text: str) -> Any:
    """Return the user with this name or primary key. Raises CommandError."""
    found = lookup.users_called(text)
    if not found:
        raise CommandError(f"There is no user with the name or the primary key {text!r}.")
    if len(found) > 1:
        keys = " and ".join(repr(users.user_id(user)) for user in found)
        raise CommandError(
            f"{text!r} is the name of one user and the primary key of another ({keys})."
            " Name one of them in the other way."
        )
    return found[0]


def _no_session(session_id: str) -> str:
    return (
        f"There is no session {_shown(session_id)!r}. An id is the first {ID_LENGTH} characters of"
        ' a session key; "list --user" prints those of a user.'
    )


def _shown(session_id: str) -> str:
    """Return what may be printed of an argument that may be a whole key: a key holds a secret."""
    return session_id[:ID_LENGTH] + "\N{HORIZONTAL ELLIPSIS}" * (len(session_id) > ID_LENGTH)


def _user_told(user: Any) -> dict[str, str]:
    return {"id": users.user_id(user), "name": user.get_username()}


def _told(info: SessionInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "created": info.created,
        "logged_in": info.logged_in,
        "last_seen": info.last_seen,
        "expires": info.expires,
        "ip": info.ip,
        "user_agent": info.user_agent,
        "sockets": info.sockets,
    }


def _details_told(session: SessionDetails) -> dict[str, Any]:
    told = asdict(session)
    device = told.pop("device")
    keys = [{"name": name, "bytes": size} for name, size in session.keys]
    return told | {"ip": device["ip"], "user_agent": device["user_agent"], "keys": keys}


def _name(user: Any) -> str:
    return words.printable(str(user))
