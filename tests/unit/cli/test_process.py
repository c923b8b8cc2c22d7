"""How a process ends that was a command."""

import subprocess
import sys

import pytest

LEAVES = """
import sys, threading
from cursus_sandbox.cli import process

def say(what):
    print(what, end="")

{before}
process.leave(3)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("say('x' * 100_000)", "x" * 100_000),
        ("threading.Timer(0.2, say, ['late']).start()", "late"),
    ],
    ids=["what is printed", "what goes on in a thread"],
)
def test_nothing_is_lost(before, said):
    """A command that has ended leaves at once, but not before what was printed is out and its threads have ended."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAVES.format(before=before)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, said, "")
