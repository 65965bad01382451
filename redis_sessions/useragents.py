"""User agents in words: browser, system and device, by ua-parser where that is installed.

Nothing is parsed before somebody wants to read it: never at a login. No I/O, no settings.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

_SHOWN = 60  # characters of a user agent of which nothing is known
_EVERYBODYS = "Mozilla/5.0 "  # how all browsers begin
_CACHED = 1000  # user agents; sites see few different ones

# One browser has several families. Nobody who reads "Chrome" on an iPhone misses "Mobile iOS".
_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "HeadlessChrome": "Chrome",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
}
_SYSTEMS = {"Mac OS X": "macOS"}
_NO_DEVICES = {"Mac", "Other", "Spider"}  # what the system says already, or what is none


@dataclass(frozen=True, slots=True)
class Description:
    """A user agent in words; what it does not tell is empty. Escape it: some words are its own.

    There are no versions of systems: browsers tell a frozen one, Windows 10 on Windows 11.
    """

    browser: str = ""
    system: str = ""
    device: str = ""  # a phone's or a tablet's name
    user_agent: str = ""

    def __str__(self) -> str:
        """Say it in a few words: "Firefox on Ubuntu", or what there is of that."""
        known = " on ".join(filter(None, (self.browser, self.system)))
        return known or self.device or _shortened(self.user_agent) or "Unknown device"


@lru_cache(_CACHED)
def describe(user_agent: str) -> Description:
    """Describe a user agent; without ua-parser, or where it knows nothing, by nothing but itself.

    Install the extra ``devices`` for ua-parser.
    """
    return Description(
        browser=_named(_family("parse_user_agent", user_agent), _BROWSERS),
        system=_named(_family("parse_os", user_agent), _SYSTEMS),
        device=_device(user_agent),
        user_agent=user_agent,
    )


def _named(family: str, names: dict[str, str]) -> str:
    return names.get(family, family)


def _family(parse: str, user_agent: str) -> str:
    found = _parsed(parse, user_agent)
    return "" if found is None else str(found.family)


def _device(user_agent: str) -> str:
    found = _parsed("parse_device", user_agent)
    if found is None or found.family in _NO_DEVICES or str(found.brand).startswith("Generic"):
        return ""
    return str(found.family)


def _parsed(parse: str, user_agent: str) -> Any:
    """Call a function of ua-parser; None where it finds nothing."""
    parser = _parser()
    if parser is None:
        return None
    try:
        return getattr(parser, parse)(user_agent)
    except ValueError:  # a pattern that matches with an empty name: "Android 4;  )"
        return None


@cache
def _parser() -> ModuleType | None:
    """Import ua-parser at its first use: it compiles its patterns, which takes 0.3 seconds."""
    try:
        import ua_parser
    except ImportError:
        return None
    return ua_parser


def _shortened(text: str) -> str:
    """Leave out the middle: the system comes first, and the browser's own name last."""
    text = " ".join(text.split()).removeprefix(_EVERYBODYS)
    half = _SHOWN // 2
    return (
        text if len(text) <= _SHOWN else f"{text[: half - 1]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"
    )
