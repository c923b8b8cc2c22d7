"""The command on a real terminal: what is seen while it runs, and what is left when it has ended."""

import os
import re
from pathlib import Path

import pytest
from on_terminal import SECONDS_AT_MOST, Terminal

CONTRACT = """\
step_type: {name}
contract: {{entry_point: {name}.py, outputs: {{out: {{path: /opt/ml/processing/output, required: false}}}}}}
"""
GOES_ON = """\
import pathlib, time
print('needle \\x1b[2J\\x1b[31m in the log', flush=True)
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def folder(tmp_path):
    """A pipeline of two steps: one that ends, one that goes on."""
    (tmp_path / "dag.yaml").write_text("source_dir: .\ncontracts: .\nsteps: {Quick: {}, GoesOnForAVeryLongTime: {}}\n")
    for name, script in (("Quick", "print('done')\n"), ("GoesOnForAVeryLongTime", GOES_ON)):
        (tmp_path / f"{name}.step.yaml").write_text(CONTRACT.format(name=name))
        (tmp_path / f"{name}.py").write_text(script)
    return tmp_path


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_a_run_is_seen_and_ctrl_c_leaves_a_clean_terminal(folder, columns):
    """Each step's state and last line are seen; after Ctrl-C the view is gone and the summary there.

    The cursor is never hidden: after kill -9 nobody could bring it back.
    """
    words = ["run", "dag.yaml", "--engine", "local", "--jobs", "2"]
    with Terminal(*words, cwd=folder, columns=columns, rows=40) as terminal:
        terminal.until("✓ Quick")
        if columns >= 80:
            terminal.until("needle \\x1b[2J\\x1b[31m in the" if columns == 200 else "needle")
        assert max(map(len, terminal.text.split("\n"))) < columns
        terminal.press(b"\x03")
        assert terminal.end() == 130
        assert b"\x1b[?25l" not in terminal.raw
        assert "⠋" not in terminal.text
        assert "1 wait" not in terminal.text
        assert "interrupted:" in terminal.text
        assert terminal.text.replace("\n", "").count("next: ") == 1
    assert (folder / ".cursus-sandbox/runs").is_dir()


@pytest.mark.parametrize(
    ("words", "environment"),
    [([], {"CI": "true"}), ([], {"TERM": "dumb"}), (["--verbose"], {}), (["--quiet"], {})],
    ids=["CI", "dumb", "verbose", "quiet"],
)
def test_lines_where_a_view_would_not_do(folder, words, environment):
    """In CI, on a dumb terminal and for who wants every line nothing is drawn over: no line is written twice."""
    command = ["run", "dag.yaml", "--engine", "local", "--only", "Quick", *words]
    with Terminal(*command, cwd=folder, columns=150, **environment) as terminal:
        assert terminal.end() == 0
        text = re.sub(rb"\x1b\[[0-9;]*m", b"", terminal.raw)  # colours
        assert b"\x1b" not in text
        assert (b"started    Quick" in text) is (words != ["--quiet"])
        assert (b"log        Quick | done" in text) is (words == ["--verbose"])
        assert b"ok: " in text


def test_no_color(folder):
    """--no-color wherever it stands, and NO_COLOR, leave no colour in what is written."""
    words = ["run", "dag.yaml", "--engine", "local", "--only", "Quick", "--verbose"]
    for more, environment in ((["--no-color"], {}), ([], {"NO_COLOR": "1"})):
        with Terminal(*words, *more, cwd=folder, **environment) as terminal:
            assert terminal.end() == 0
            colours = {code for found in re.findall(rb"\x1b\[([0-9;]*)m", terminal.raw) for code in found.split(b";")}
            assert not colours & {b"%d" % code for code in (*range(30, 50), *range(90, 108))}


def test_a_terminal_that_is_closed(folder):
    """A terminal that goes away ends the run as SIGTERM does, and what came of it is saved."""
    words = ["run", "dag.yaml", "--engine", "local", "--jobs", "2"]
    with Terminal(*words, cwd=folder) as terminal:
        terminal.until("needle")
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal._end)
        assert terminal._process.wait(SECONDS_AT_MOST) == 143
    [run] = Path(folder / ".cursus-sandbox/runs").iterdir()
    assert (run / "result.json").exists()
