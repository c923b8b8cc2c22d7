"""Accidents that happen to text and to bytes, and how many of them are tried.

A few, always the same, run with the other tests. `make fuzz` tries CURSUS_SANDBOX_FUZZ of them for each test, others
each time; a failure says how to see it again.
"""

from __future__ import annotations

import faulthandler
import functools
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("CURSUS_SANDBOX_FUZZ", "0"))
SECONDS_AT_MOST = 60  # of one input
tried = 0


def fuzzed(test: Callable[..., None]) -> Callable[..., None]:
    """A test of one input, tried as often as is asked for; an input that takes a minute ends all with a traceback."""
    inner = test.hypothesis.inner_test  # type: ignore[attr-defined]

    @functools.wraps(inner)
    def one(*args: Any, **given: Any) -> None:
        global tried  # noqa: PLW0603 -- said at the end
        tried += 1
        faulthandler.dump_traceback_later(SECONDS_AT_MOST, exit=True)
        try:
            inner(*args, **given)
        finally:
            faulthandler.cancel_dump_traceback_later()

    test.hypothesis.inner_test = one  # type: ignore[attr-defined]
    return settings(
        max_examples=EXAMPLES or 25,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)


FRAGMENTS = st.sampled_from(
    [
        *(": ", "- ", "[", "]", "{", "}", "\n", "\n  ", "\t", "#", "&a ", "*a", "*env", "!!int ", "!x ", "|\n", ">-\n"),
        *(
            "? ",
            "<<: ",
            "---\n",
            "...\n",
            "%YAML 1.3\n",
            '"',
            "'",
            "\\",
            "\0",
            "\r",
            "\x85",
            "\u2028",
            "\x07",
            "\ufeff",
        ),
        *("\ud800", "😀", "null", "~", "no", "010", "1_0", "0x1", "1:30", ".inf", ".nan", "1e999", "-0", "9" * 5000),
        *("..", "/", "../", "~root", "s3://a/b", "=", "@", "`", "%", ",", "[" * 70, "{a: " * 70, "x" * 1100),
        *("steps:\n", "dag: dag.yaml\n", "dag: x.dag.json\n", "nodes: [a]\n", "contract: ", "schema: ", "path: "),
    ]
)


@st.composite
def mutations(draw, text):
    """The text after a few accidents: characters and lines taken out, doubled, moved, and fragments put in."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(1, 12)))
        lines = text.splitlines(keepends=True) or [""]
        line = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 6)):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:end] + text[at:]
            case 2 | 3:
                text = text[:at] + draw(FRAGMENTS) + text[at:]
            case 4:
                text = text[:at] + draw(FRAGMENTS) + text[end:]
            case 5:
                text = "".join(lines[:line] + lines[line + 1 :])
            case 6:
                text = "".join(lines[: line + 1] + lines[line:])
    return text


@st.composite
def damages(draw, content: bytes) -> bytes:
    """The bytes after a few accidents: flipped, cut off, taken out, doubled, overwritten with what means something."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        end = min(len(content), at + draw(st.sampled_from([1, 2, 4, 8, 64, 1000])))
        match draw(st.integers(0, 6)):
            case 0:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                content[at] = draw(st.integers(0, 255))
            case 2:
                del content[at:]
            case 3:
                del content[at:end]
            case 4:
                content[at:at] = content[at:end]
            case 5:
                content[at : at + 4] = draw(st.sampled_from(_NUMBERS))
            case 6:
                content[at:at] = draw(_PIECES)
    return bytes(content)


_NUMBERS = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\x80\0\0\0", b"PAR1"]
_PIECES = st.sampled_from(
    [
        *(
            b'"',
            b'""',
            b"\n",
            b"\r\n",
            b"\r",
            b",",
            b",,",
            b"\t",
            b"\0",
            b"\x1a",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\x1f\x8b\x08",
        ),
        *(b"\xe9", b"\xc3", b"nan", b"inf", b"-0", b"9" * 400, b"1e999", b"{", b"[" * 3000, b"]", b"\\ud800", b"NaN"),
        *(b"../../x", b"/etc/passwd", b"ustar", b"=cmd()", b"\x1b[2J", b"2026-02-30", b"true", b"null", b"a" * 70000),
    ]
)
