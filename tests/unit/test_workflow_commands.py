"""Text of steps commands nobody who reads it for GitHub."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox.workflow_commands import _COMMAND, guarded, harmless, harmless_json, unguarded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("::add-mask::a", r":\:add-mask::a"),
        ("well\n \t\u00a0::error::a\n", "well\n \t\u00a0:\\:error::a\n"),
        ("50%\r::error::a", "50%\r:\\:error::a"),
        ("12:00:00  log  W | ##[error]no", r"12:00:00  log  W | ##\[error]no"),
        ("###[group]", r"###\[group]"),
        ("std::string, [::1]:80, a: :b, # [x]", "std::string, [::1]:80, a: :b, # [x]"),
    ],
)
def test_commands_in_a_text(text, said):
    """`::` at a line's start, after blanks, and `##[` anywhere are broken; all else stays."""
    assert harmless(text) == said


@given(st.lists(st.text(":#[ \n\ra\u2003"), max_size=12))
def test_a_stream_in_pieces(pieces):
    """However a text comes in pieces, no command is in what is written, and what is written says the same."""
    there = io.StringIO(newline="")
    stream = guarded(there)
    for piece in pieces:
        assert stream.write(piece) == len(piece)
    assert not _COMMAND.search(there.getvalue())
    assert there.getvalue() == harmless("".join(pieces))


def test_json_says_the_same():
    """JSON is the same value, without a command in it."""
    text = json.dumps(["##[error]", "####[", "::x"], indent=0)
    assert "##[" not in harmless_json(text)
    assert json.loads(harmless_json(text)) == json.loads(text)


def test_our_own_commands():
    """What is written past the guard stays as it is; a stream has no more than one, and no bytes go past it."""
    there = io.StringIO()
    stream = guarded(guarded(there))
    unguarded(stream).write("::error::ours\n")
    stream.write("::error::theirs\n")
    assert there.getvalue() == "::error::ours\n:\\:error::theirs\n"
    assert not hasattr(stream, "buffer")
    assert unguarded(there) is there
