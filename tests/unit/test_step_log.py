"""A step's log on disk."""

import pytest

from cursus_sandbox.steps.log import StepLog


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_long_log_has_its_beginning_and_its_end(tmp_path, piece):
    """Beyond its limit a log keeps how it began and how it ended, and says how much is missing between."""
    said = b"".join(b"line %d\n" % n for n in range(300))
    with StepLog(tmp_path / "log.txt", 200) as log:
        for at in range(0, len(said), piece):
            assert log.write(said[at : at + piece]) == len(said[at : at + piece])
    left_out = len(said) - 200
    between = f"\n[cursus-sandbox: {left_out:,} bytes are left out here; the end follows]\n".encode()
    assert (tmp_path / "log.txt").read_bytes() == said[:100] + between + said[-100:]


@pytest.mark.parametrize("length", [0, 99, 100, 101, 199, 200])
def test_a_log_within_its_limit_is_whole(tmp_path, length):
    """Up to its limit a log is what was written, byte for byte."""
    said = bytes(n % 256 for n in range(length))
    with StepLog(tmp_path / "log.txt", 200) as log:
        log.write(memoryview(said))
    assert (tmp_path / "log.txt").read_bytes() == said


def test_a_log_is_there_while_it_is_written(tmp_path):
    """Who follows a log sees at once what goes into it."""
    with StepLog(tmp_path / "log.txt") as log:
        log.write(b"now\n")
        assert (tmp_path / "log.txt").read_bytes() == b"now\n"
