"""What is known of each session and each of its keys, and the verdict on every answer. No I/O.

An answer is right where there is an order of all that was done in which it is; every value names
its owner, so that another session's cannot be mistaken for a value of this one.
"""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from .registers import Register, Write

OWNER = "owner"
USER = "user"


class Kind(StrEnum):
    """What may be wrong."""

    READ = "wrong read"
    LOST = "lost acknowledged save"
    REVIVED = "revived session"
    STUCK = "no answer, or one that nobody foresaw"
    LEFT = "left behind"


@dataclass(eq=False)
class Session:
    """A session. From ``leaving`` on it may be gone, from ``gone`` on it must be."""

    owner: str
    leaving: float = inf
    gone: float = inf
    registers: dict[str, Register] = field(default_factory=lambda: defaultdict(Register))
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=400))


@dataclass(eq=False)
class Key:
    """A key to a session, with the same times of its own: a rotation ends it."""

    text: str
    session: Session
    leaving: float = inf
    gone: float = inf

    def may_be_gone(self, at: float) -> bool:
        return min(self.leaving, self.session.leaving) <= at

    def must_be_gone(self, at: float) -> bool:
        return min(self.gone, self.session.gone) < at

    def was_refused(self, at: float) -> None:
        """Note that it was: from then on it is for good."""
        self.gone = min(self.gone, at)


@dataclass(frozen=True)
class View:
    """Who has read, and when. An open socket may be so many seconds behind, but for its ``own``."""

    by: str
    began: float
    ended: float
    stale: float = 0
    own: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: Kind
    text: str
    history: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n      ".join((f"{self.kind}: {self.text}", *self.history))


class Model:
    """All sessions, and what was found wrong."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self.weather: list[tuple[float, str]] = []  # the faults, and when
        self.slowest = 0.0  # seconds of a request
        self._owners = 0

    def begin(self) -> Session:
        self._owners += 1
        self.counts["sessions"] += 1
        return Session(f"s{self._owners}")

    def begin_write(self, key: Key, name: str, number: int, at: float) -> Write:
        """Note that a value of this session's own is about to be written."""
        self.counts["writes"] += 1
        return key.session.registers[name].begin(f"{key.session.owner}:{name}:{number}", at)

    def judge(self, key: Key, held: dict[str, Any], view: View) -> bool:
        """Judge what a session held, in the eyes of an answer; tell whether it was there at all."""
        began, ended, by = view.began, view.ended, view.by
        self.counts["judged reads"] += 1
        self.note(
            key.session, ended, f"{by} with {key.text[14:18]} from {began:.3f}: {short(held)}"
        )
        if OWNER not in held:
            self._judge_absence(key, held, ended, by)
            return False
        owner = key.session.owner
        if key.must_be_gone(began - view.stale):
            self.find(Kind.REVIVED, key.session, ended, f"{by} read {short(held)}")
        elif held[OWNER] != owner:
            self.find(Kind.READ, key.session, ended, f"{by} read the session of {held[OWNER]}")
        else:
            self._judge_values(key.session, held, view)
        return True

    def refused(self, key: Key, at: float, by: str) -> None:
        """Judge that a key was refused: told to be of no session, or of one that is gone."""
        self.note(key.session, at, f"{by} refused {key.text[14:18]}")
        if not key.may_be_gone(at):
            self.find(Kind.READ, key.session, at, f"{by} took a living session for none")
        key.was_refused(at)

    def written(self, key: Key, began: float, at: float, by: str) -> None:
        """Judge that a write was acknowledged as one to the session of this key."""
        if key.must_be_gone(began):
            self.find(Kind.REVIVED, key.session, at, f"{by} wrote to a session that is gone")

    def find(self, kind: Kind, session: Session | None, at: float, text: str) -> None:
        """Note that something is wrong, with what is known of the session."""
        notes = () if session is None else (*session.notes,)[-25:]
        weather = [f"{when:.3f} fault: {what}" for when, what in self.weather if at - when < 20]
        self.findings.append(Finding(kind, f"{at:.3f} {text}", (*weather, *notes)))

    def note(self, session: Session, at: float, text: str) -> None:
        """Keep what happened to a session, for the history of a finding."""
        session.notes.append(f"{at:.3f} {text}")

    def _judge_absence(self, key: Key, held: dict[str, Any], ended: float, by: str) -> None:
        if held:
            self.find(Kind.READ, key.session, ended, f"{by} read {held}, which nobody wrote there")
        self.refused(key, ended, by)

    def _judge_values(self, session: Session, held: dict[str, Any], view: View) -> None:
        for name in sorted({*held, *session.registers} - {OWNER}):
            began = view.began - (0 if name == view.own else view.stale)
            complaint = session.registers[name].complaint(held.get(name), began, view.ended)
            if complaint:
                kind = Kind.READ if "never" in complaint else Kind.LOST
                self.find(kind, session, view.ended, f"{view.by}: {name}: {complaint}")


def short(held: dict[str, Any]) -> str:
    """Return what a session holds, in few words."""
    return " ".join(f"{name}={str(value).rpartition(':')[2]}" for name, value in held.items())
