"""Secrets are taken out of text, of values and of streams that come in pieces."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.secrets.masking import Mask


def streamed(mask, pieces):
    said = bytearray()
    stream = mask.stream(said.extend)
    for piece in pieces:
        stream.feed(piece)
    stream.end()
    return bytes(said)


SECRET = st.binary(min_size=4, max_size=9)


@given(
    secrets=st.lists(SECRET, min_size=1, max_size=3),
    words=st.lists(st.integers(0, 2) | st.binary(max_size=6), max_size=12),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=8),
)
def test_pieces_make_no_difference(secrets, words, cuts):
    """However a stream is cut, no secret is left in it, and what comes out is what comes of it in one piece."""
    mask = Mask(secrets)
    data = b"".join(secrets[word % len(secrets)] if isinstance(word, int) else word for word in words)
    pieces, rest, n = [], data, 0
    while rest:
        pieces.append(rest[: cuts[n % len(cuts)]])
        rest, n = rest[cuts[n % len(cuts)] :], n + 1
    assert streamed(mask, pieces) == streamed(mask, [data])
    if not any(b"*" in secret for secret in secrets):
        assert not any(secret in streamed(mask, pieces) for secret in secrets)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"a tok", b"en-123 b"], b"a *** b"),
        ([b"token-12"], b"token-12"),
        ([b"token-123", b"456"], b"***456"),
        ([b"token-", b"token-", b"123"], b"token-***"),
        ([bytes([byte]) for byte in b"x token-123\n"], b"x ***\n"),
    ],
)
def test_streams(pieces, said):
    """A secret that comes in pieces is masked; the beginning of one that isn't is let go."""
    assert streamed(Mask([b"token-123"]), pieces) == said


def test_a_secret_that_begins_another():
    """Of two secrets that begin alike the longer is masked whole, though its end comes later."""
    assert streamed(Mask([b"pass", b"password1"]), [b"pass", b"word1 pass", b"ing"]) == b"*** ***ing"


def test_nothing_else_is_held_back():
    """What can't be the beginning of a secret comes out at once."""
    said = bytearray()
    Mask([b"token-123"]).stream(said.extend).feed(b"line\nto")
    assert said == b"line\n"


def test_forms():
    """What JSON, a URL and base64 make of a secret is masked too, and each line of a key."""
    secret = 'a"b/ü ?'
    mask = Mask([secret.encode(), b"-----BEGIN-----\nline one\nline two\n"])
    for form in (json.dumps(secret)[1:-1], quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
        assert mask.text(f"<{form}>") == "<***>"
    assert mask.text("only line two") == "only ***"


@given(secret=st.binary(min_size=4, max_size=20), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_base64_of_more(secret, before, after):
    """Whatever stands around a secret in what base64 was made of, no more is left of it than parts of two digits."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        masked = Mask([secret]).text(encode(before + secret + after).decode())
        digits = masked.replace("***", "").rstrip("=")
        assert "***" in masked
        assert len(digits) <= -(-len(before) * 8 // 6) + -(-len(after) * 8 // 6) + 1


def test_a_password_in_a_header():
    """A password is masked in the header of HTTP's basic authentication."""
    header = f"Authorization: Basic {base64.b64encode(b'user:s3cr3t/Tok+en').decode()}"
    assert Mask([b"s3cr3t/Tok+en"]).text(header) == "Authorization: Basic dXNlcjp***"


def test_results():
    """A result's text is masked, its status, paths and numbers are not."""
    result = StepExecutionResult(
        step="a", status=StepStatus.FAILED, why="token-123: no", log=Path("/token-123"), warnings=("x token-123",)
    )
    masked = Mask([b"token-123"]).value(result)
    assert (masked.why, masked.warnings, masked.status, masked.log) == (
        "***: no",
        ("x ***",),
        StepStatus.FAILED,
        Path("/token-123"),
    )
    assert Mask([]).value(result) is result


def test_without_secrets():
    """Where there are none, text and streams stay as they are."""
    assert streamed(Mask([]), [b"a", b"b"]) == b"ab"
    assert Mask([]).text("a") == "a"
