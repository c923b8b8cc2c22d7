"""A job on this process's own terminal or pipes, on every engine."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from on_terminal import Terminal

ENGINES = ["process", "local", pytest.param("docker", marks=pytest.mark.docker)]
ATTEND = (sys.executable, str(Path(__file__).with_name("attend.py")))


@pytest.fixture(params=ENGINES)
def words(request, tmp_path, docker_image):
    """What `attend.py` is told before the command."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    image = docker_image() if request.param == "docker" else ""
    yield [request.param, str(scratch), image]
    assert list(scratch.iterdir()) == []


def test_what_is_piped_in_and_out(words, tmp_path):
    """Without a terminal stdin has an end, stdout and stderr are two, and the exit code is the command's."""
    command = ["sh", "-c", "cat; echo no >&2; exit 7"]
    done = subprocess.run([*ATTEND, *words, *command], input=b"a\0b" * 100_000, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (7, b"no\n")
    assert done.stdout == b"a\0b" * 100_000


def test_a_program_that_is_not_there(words):
    """A command that isn't there ends as in a shell: with 127, and a word on stderr."""
    done = subprocess.run([*ATTEND, *words, "nothere"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 127
    assert b"nothere" in done.stderr


def test_a_real_terminal(words, tmp_path):
    """On a terminal it has one of its own as large as ours, which grows with it; Ctrl-C goes to what is in front."""
    with Terminal(*words, "sh", "-i", cwd=tmp_path, command=ATTEND, columns=77, rows=19) as terminal:
        terminal.press(b"stty size; [ -t 0 ] && echo 'a te''rminal'\r")
        terminal.until("a terminal")
        assert "19 77" in terminal.text
        terminal.press(b"""until [ "$(stty size)" = '21 93' ]; do sleep 0.02; done; echo 'it gr''ew'\r""")
        terminal.grow(93, 21)
        terminal.until("it grew")
        terminal.press(b"""sh -c "echo slee''ping; exec sleep 4321"\r""")  # what says so is in front by then
        terminal.until("sleeping")
        terminal.press(b"\x03")
        terminal.press(b"echo still''here\r")
        terminal.until("stillhere")
        terminal.press(b"exit 5\r")
        assert terminal.end() == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGKILL, -9)])
def test_what_is_killed_leaves_nothing_running(words, tmp_path, number, code, endless):
    """A signal to this process ends what runs on the terminal."""
    if words[0] == "docker":
        pytest.skip("a container outlives its client, until it is reaped: tests/integration/test_shell.py")
    with Terminal(*words, "sh", "-c", f"echo be''gun; {endless}", cwd=tmp_path, command=ATTEND) as terminal:
        terminal.until("begun")
        terminal.send(number)
        assert terminal.end() == code
    give_up = time.monotonic() + 20
    while endless in subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout:
        assert time.monotonic() < give_up
    for left in Path(words[1]).iterdir():  # nobody could take it away
        shutil.rmtree(left) if left.is_dir() else left.unlink()
