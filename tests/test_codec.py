"""Values as signed bytes and back: nothing is lost, and nothing that was touched is believed."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.signing import JSONSerializer
from hypothesis import assume
from hypothesis import strategies as st

from redis_sessions import codec
from tests.properties import given
from tests.serializers import CountingSerializer, PickleSerializer, SaltedSerializer

JSON = JSONSerializer()
KEY = b"k" * 32
ID = "0123456789abcd"

# JSON joins two surrogates that make a pair into the character that they stand for.
any_text = st.text(st.characters()).filter(
    lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text)
)
markers = st.integers(0, 0x1F).map(chr)
marked_text = st.builds(lambda marker, text: marker + text, markers, any_text)
hex_text = st.binary(max_size=80).map(bytes.hex)
odd_hex_text = st.text("0123456789abcdef", max_size=80)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text | hex_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal and of equal types all the way down."""
    return repr(one) == repr(other)


@given(json_values)
def test_any_json_value_comes_back(value: Any) -> None:
    assert same(codec.decode(codec.encode(value, JSON), JSON), value)


@given(any_text | marked_text | hex_text | odd_hex_text | hex_text.map(str.upper))
def test_any_text_comes_back(text: str) -> None:
    assert codec.decode(codec.encode(text, JSON), JSON) == text


@pytest.mark.parametrize("length", range(140))
def test_hexadecimal_text_of_any_length_comes_back(length: int) -> None:
    text = ("0123456789abcdef" * 9)[:length]
    assert codec.decode(codec.encode(text, JSON), JSON) == text


@pytest.mark.parametrize("serializer", [JSON, PickleSerializer(), SaltedSerializer()])
@given(value=json_values)
def test_any_json_value_comes_back_through_any_serializer(serializer, value: Any) -> None:
    assert same(codec.decode(codec.encode(value, serializer), serializer), value)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        (1, (2,)),
        b"\0bytes",
        datetime(2030, 1, 2, tzinfo=UTC),
        Decimal("1.10"),
        {None: [object]},
        float("inf"),
        "\ud800\udc00",
    ],
    ids=repr,
)
def test_what_json_cannot_hold_comes_back_through_a_serializer_that_can(value: Any) -> None:
    pickling = PickleSerializer()
    assert same(codec.decode(codec.encode(value, pickling), pickling), value)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        ("", b""),
        ("Ada", b"Ada"),
        (" Ada", b" Ada"),
        ("ünï ☃", "ünï ☃".encode()),
        ("\x7f", b"\x7f"),
        ("ab" * 15, b"ab" * 15),
        ("ab" * 16, b"\x01" + b"\xab" * 16),
        ("ab" * 32, b"\x01" + b"\xab" * 32),
        ("AB" * 16, b"AB" * 16),
        ("ab" * 16 + "\n", b"ab" * 16 + b"\n"),
        ("\x1f", b'\x00"\\u001f"'),
        ("\x00", b'\x00"\\u0000"'),
        ("\x01" + "ab" * 16, b'\x00"\\u0001' + b"ab" * 16 + b'"'),
        ("a\ud800", b'\x00"a\\ud800"'),
        (Text("Ada"), b'\x00"Ada"'),
        (None, b"\x00null"),
        (True, b"\x00true"),
        (1, b"\x001"),
        ([1, "a"], b'\x00[1,"a"]'),
    ],
)
def test_a_payload_is_bare_text_or_a_marker_and_what_it_announces(value, payload) -> None:
    assert codec.encode(value, JSON) == payload


@given(any_text.filter(lambda text: text.isprintable() and text.isascii()))
def test_plain_text_needs_no_serializer(text: str) -> None:
    CountingSerializer.reset()
    serializer = CountingSerializer()
    assert codec.decode(codec.encode(text, serializer), serializer) == text
    assert (serializer.dumped, serializer.loaded) == ([], [])


@pytest.mark.parametrize("marker", range(3, 0x20))
def test_an_unknown_marker_is_refused(marker: int) -> None:
    with pytest.raises(ValueError, match="unknown marker"):
        codec.decode(bytes([marker]) + b"text", JSON)


def test_bare_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        codec.decode(b"\xff\xfe", JSON)


def test_what_the_serializer_raises_passes() -> None:
    with pytest.raises(json.JSONDecodeError):
        codec.decode(b"\x00{", JSON)
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        codec.encode({1}, JSON)


names = st.binary(max_size=20)
payloads = st.binary(max_size=40)


@given(names, payloads)
def test_a_sealed_payload_comes_back_with_the_position_of_its_key(name, payload) -> None:
    stored = codec.seal(ID, name, payload, KEY)
    assert len(stored) == len(payload) + 12
    assert codec.unseal(ID, name, stored, [KEY, b"other"]) == (payload, 0)
    assert codec.unseal(ID, name, stored, [b"a", b"b", KEY]) == (payload, 2)


@given(payloads, st.data())
def test_a_change_of_any_byte_is_found(payload: bytes, data: st.DataObject) -> None:
    stored = bytearray(codec.seal(ID, b"name", payload, KEY))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="signature"):
        codec.unseal(ID, b"name", bytes(stored), [KEY])


@given(payloads, st.data())
def test_bytes_cut_off_or_added_are_found(payload: bytes, data: st.DataObject) -> None:
    stored = codec.seal(ID, b"name", payload, KEY)
    cut = data.draw(st.integers(0, len(stored) - 1))
    for changed in (stored[:cut], stored[cut + 1 :], stored + b"\0", b"\0" + stored):
        assume(changed != stored)
        with pytest.raises(ValueError, match="signature"):
            codec.unseal(ID, b"name", changed, [KEY])


@given(names, payloads, st.data())
def test_bytes_shifted_between_name_and_payload_are_found(name, payload, data) -> None:
    signature, text = codec.sign(ID, name, payload, KEY), name + payload
    split = data.draw(st.integers(0, len(text)))
    assume(split != len(name))
    with pytest.raises(ValueError, match="signature"):
        codec.unseal(ID, text[:split], signature + text[split:], [KEY])


@given(names, names, payloads)
def test_a_payload_of_another_field_is_found(name: bytes, other: bytes, payload: bytes) -> None:
    assume(name != other)
    with pytest.raises(ValueError, match="signature"):
        codec.unseal(ID, other, codec.seal(ID, name, payload, KEY), [KEY])


@given(payloads)
def test_a_payload_of_another_session_is_found(payload: bytes) -> None:
    with pytest.raises(ValueError, match="signature"):
        codec.unseal("1123456789abcd", b"name", codec.seal(ID, b"name", payload, KEY), [KEY])


@given(payloads)
def test_a_payload_signed_with_another_key_or_none_is_found(payload: bytes) -> None:
    for stored in (codec.seal(ID, b"name", payload, b"other"), payload, b"", b"\0" * 12 + payload):
        with pytest.raises(ValueError, match="signature"):
            codec.unseal(ID, b"name", stored, [KEY])
    with pytest.raises(ValueError, match="signature"):
        codec.unseal(ID, b"name", codec.seal(ID, b"name", payload, KEY), [])


@pytest.mark.parametrize("key", ["name", "", "ü", 1, 0, -1, True, False, None, 1.5, float("nan")])
def test_a_key_becomes_a_field_as_json_writes_it(key: Any) -> None:
    (written,) = json.loads(json.dumps({key: None}))
    assert codec.key_text(key) == written
    assert codec.field_name(key) == written.encode()


@pytest.mark.parametrize("key", [(1, 2), b"bytes", object(), frozenset()], ids=repr)
def test_a_key_that_json_refuses_is_a_type_error_that_names_it(key: Any) -> None:
    with pytest.raises(TypeError, match=r"The session key .* cannot be one") as caught:
        codec.field_name(key)
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize("key", ["\0", "\0k", "\0anything"])
def test_a_key_that_begins_with_nul_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="begins with NUL"):
        codec.field_name(key)


def test_a_key_that_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        codec.field_name("a\ud800")
