"""What an attacker may send or write: keys, headers, bytes, and what looks like the real thing."""

from hypothesis import strategies as st

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
PRIVATE = "what nobody else may see"

keys = st.text(LETTERS, min_size=40, max_size=40)
ids = st.text(LETTERS, min_size=14, max_size=14)
# A header is bytes, of which a server hands on all but line breaks and NUL.
header_text = st.text(
    st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=80
) | st.text(LETTERS + '=;,"\\%+ ', max_size=120)
huge = st.builds(lambda text, times: text * times, header_text, st.integers(100, 1000))
numbers = (
    st.integers(-(10**40), 10**40).map(str)
    | st.sampled_from(["nan", "inf", "-inf", "1e400", "0x10", "1_0", " 1", "-0", "", "9" * 18])
)  # fmt: skip
any_bytes = st.binary(max_size=60) | numbers.map(str.encode) | st.text(max_size=30).map(str.encode)
field_names = st.sampled_from(
    [b"\0k", b"\0c", b"\0v", b"\0x", b"\0i", b"\0p", b"\0l", b"\0s", b"\0d", b"\0",
     b"_auth_user_id", b"_auth_user_hash", b"_auth_user_backend", b"_session_expiry", b"private"]
) | st.binary(max_size=12)  # fmt: skip


# What makes nearly a session key of one. Keys are random, so that no strategy may depend on one.
mutations = st.one_of(
    st.tuples(st.just("another secret"), st.text(LETTERS, min_size=26, max_size=26)),
    st.tuples(st.integers(0, 39), st.sampled_from(LETTERS + "A\xe9\x00")),
    st.sampled_from(["cut", "longer", "upper case", "shifted"]).map(lambda name: (name, "")),
)


def nearly(key: str, mutation: tuple[str | int, str]) -> str:
    """Return what is nearly this session key: with another secret, one letter off, and so on."""
    what, text = mutation
    if isinstance(what, int):
        found = key[:what] + text + key[what + 1 :]
        return found if found != key else key[:-1] + ("0" if key[-1] == "1" else "1")
    return {
        "another secret": key[:14] + text,
        "cut": key[:-1],
        "longer": f"{key}0",
        "upper case": f"{key.upper()}A",
        "shifted": key[14:] + key[:14],
    }[what]


def cookies(key: str) -> st.SearchStrategy[str]:
    """Return what a Cookie header may hold, by one who does not know ``key``."""
    near = mutations.map(lambda mutation: nearly(key, mutation))
    values = near | keys | header_text | huge
    named = values.map(lambda value: f"sessionid={value}")
    quoted = values.map(lambda value: f'sessionid="{value}"')
    return named | quoted | header_text | st.lists(named, max_size=4).map("; ".join)
