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


READS = """
import os, signal, sys

class Slow:
    # A signal comes while typer is imported, in what is called back, where an exception would be lost.

    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            sys.meta_path.remove(self)
            self.key = type("Key", (), {"__del__": lambda key: os.kill(os.getpid(), signal.SIGINT)})()
            del self.key
            for _ in range(1000):
                pass

sys.meta_path.insert(0, Slow())
from cursus_sandbox.cli import main
main(["--version"])
"""


def test_ctrl_c_at_the_very_beginning():
    """Ctrl-C while libraries are read ends a command in a word, not in what Python was importing."""
    ended = subprocess.run([sys.executable, "-c", READS], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "error: interrupted\n")


def test_ctrl_c_that_is_ignored():
    """Whoever has Ctrl-C ignored, as for what runs in the background, is not interrupted."""
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{READS}"
    ended = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
