"""The end of a log, however long it is."""

from cursus_sandbox.log_end import last_lines, tail


def test_the_last_lines(tmp_path):
    """The last lines are given, and of one that was drawn over and over what was last drawn."""
    log = tmp_path / "log.txt"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(100)) + b"10%\r20%\r30%\r\nno end")
    assert last_lines(tail(log), 3) == ("line 99", "30%", "no end")


def test_no_log(tmp_path):
    """Of a log that is gone, or empty, there are no lines."""
    assert last_lines(tail(tmp_path / "gone")) == ()
    (tmp_path / "log.txt").write_bytes(b"\n\n")
    assert last_lines(tail(tmp_path / "log.txt")) == ()


def test_a_long_log(tmp_path):
    """Of a long log no more than its end is read, of a long line its end is shown, and odd bytes are replaced."""
    log = tmp_path / "log.txt"
    log.write_bytes(b"x" * 1_000_000 + b"\nshort\n" + b"y" * 50_000 + b" \xff the end")
    short, long = last_lines(tail(log))
    assert short == "short"
    assert long.startswith("… yyy")
    assert long.endswith(" � the end")
    assert len(long) < 1100
