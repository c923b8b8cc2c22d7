"""Steps that write more, or other, than anybody can read: kept as they are, shown so that it does no harm."""

import os
import pty
import subprocess
import sys

import pytest
from small_pipeline import COMMAND, succeeded

MB = 1000 * 1000
MEASURED = """
import resource, sys, cursus_sandbox
document, workspace, engine, image = sys.argv[1:]
result = cursus_sandbox.run(document, workspace=workspace, engine=engine, image=image or None)
assert result.success, [step.why for step in result.steps]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
HUNDRED_MB = "for n in range(100_000): sys.stdout.write(f'{n:09} ' + 'x' * 989 + '\\n')\n"
ONE_LINE = "sys.stdout.write('y' * 50_000_001); sys.stdout.flush()\n"
END = "sys.stdout.write('\\nthe end, without a newline'); sys.stdout.flush(); say('x')"
ODD = b"\x1b[2J\x1b]0;owned\x07red \x1b[31m\xff\xfe\xc3(\x00\x08\x9b5n end"


def peak_memory(pipeline):
    """The most memory in kilobytes that a process takes which runs the pipeline."""
    ran = subprocess.run(
        [
            *(sys.executable, "-c", MEASURED, str(pipeline.document), str(pipeline.workspace)),
            *(str(pipeline.engine), pipeline.image or ""),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def test_memory_does_not_grow_with_the_log(anywhere):
    """A log of 150 MB, a third of it one line, is whole, and takes no more memory than a short one does."""
    anywhere.step("says", END)
    little = peak_memory(anywhere)
    anywhere.step("says", HUNDRED_MB + ONE_LINE + END)
    assert peak_memory(anywhere) < little * 1.5
    log = max(anywhere.workspace.glob("runs/*/steps/says/log.txt"))
    end = b"\nthe end, without a newline"
    assert log.stat().st_size == 100 * MB + 50_000_001 + len(end)
    with log.open("rb") as opened:
        opened.seek(-len(end), os.SEEK_END)
        assert opened.read() == end


def test_a_limit_of_the_log(anywhere):
    """Of a log that is longer than its limit the beginning and the end are kept, with a word of what is missing."""
    anywhere.step("says", "for n in range(1000): print(f'{n:09} ' + 'x' * 989)\n" + END, log_limit="100k")
    log = succeeded(anywhere.run()).step_results["says"].log.read_text()
    assert log.startswith("000000000 xxx")
    assert log.endswith("x\n\nthe end, without a newline")
    assert "bytes are left out here; the end follows]" in log
    assert 100 * 1024 < len(log) < 101 * 1024


def on_a_terminal(*command):
    """What a command writes to a terminal."""
    reading, writing = pty.openpty()
    with subprocess.Popen(
        command, stdin=writing, stdout=writing, stderr=writing, env={**os.environ, "TERM": "dumb"}
    ) as ran:
        os.close(writing)
        said = bytearray()
        while True:
            try:
                piece = os.read(reading, 65536)
            except OSError:
                break
            if not piece:
                break
            said += piece
        ran.wait(60)
    os.close(reading)
    return bytes(said)


@pytest.mark.parametrize("code", [0, 1])
def test_bytes_that_command_a_terminal(anywhere, code):
    """What would clear, colour or name a terminal is in the log as it was written, and shown as escapes everywhere."""
    anywhere.step("odd", f"os.write(1, {ODD!r} + b'\\n'); os.write(2, {ODD!r}); say('x'); sys.exit({code})")
    shown = on_a_terminal(*anywhere.command())
    log = max(anywhere.workspace.glob("runs/*/steps/odd/log.txt"))
    assert log.read_bytes().count(ODD) == 2
    logged = on_a_terminal(COMMAND, "logs", "odd", "--workspace", str(anywhere.workspace))
    for said in (shown, logged):
        assert b"\x1b[2J" not in said
        assert b"\x1b]0" not in said
        assert b"\x9b5n" not in said
    assert b"\\x1b[2J" in logged
    piped = subprocess.run(
        [COMMAND, "logs", "odd", "--workspace", str(anywhere.workspace)], capture_output=True, timeout=60, check=True
    )
    assert piped.stdout == log.read_bytes()
