"""What a run says in a terminal."""

import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from cursus_sandbox import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.errors import ExitCode
from cursus_sandbox.log_end import last_lines, tail
from cursus_sandbox.pipeline.result import StepStatus
from cursus_sandbox.reports.run import print_summary
from cursus_sandbox.tables import DataCompatibilityReport
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = Path("/w/runs/7f3a")


def logged(log):
    return {"log": log, "log_end": last_lines(tail(log), 50)}


def finding(**said) -> Mismatch:
    return Mismatch(**({"kind": Kind.TYPE, "severity": Severity.ERROR, "message": "column 'label' is string"} | said))


def ran(step: str, seconds: float, **said) -> StepExecutionResult:
    usual = {"status": StepStatus.SUCCEEDED, "started_at": STARTED, "attempts": 1, "log": RUN / f"steps/{step}/log.txt"}
    return StepExecutionResult(**(usual | {"step": step, "seconds": seconds} | said))


def result(*steps: StepExecutionResult, **said) -> PipelineExecutionResult:
    usual = {
        "pipeline": "flights",
        "run": "7f3a",
        "folder": RUN,
        "engine": "local",
        "started_at": STARTED,
        "seconds": 9.5,
    }
    return PipelineExecutionResult(**(usual | said), steps=steps)


@pytest.fixture
def shown(monkeypatch):
    """The text of a summary, in a terminal of so many columns."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def text(value, columns=100, **settings):
        stream = io.StringIO()
        print_summary(value, Console(file=stream, width=columns, **settings))
        return stream.getvalue()

    return text


def test_a_run_that_went_well(shown):
    """Each step has its seconds and its peak memory; whole numbers are plain, others have four digits."""
    metrics = {"auc_roc": 0.731234, "rows": 11820.0, "loss": 1.2e-7, "huge": 1e21}
    value = result(
        ran("load", 1.26, peak_memory=246 * 1024**2),
        ran("train", 61.0, peak_memory=int(1.5 * 1024**3), metrics=metrics, attempts=2),
        StepExecutionResult(step="register", status=StepStatus.SKIPPED, why="Registration has no script to run here"),
        notes=("the local engine runs no image",),
    )
    assert (
        shown(value)
        == """
flights on the local engine
note: the local engine runs no image
step      status       seconds  peak memory
load      succeeded        1.3       246 MB
train     succeeded       61.0       1.5 GB  2 attempts
register  skipped            -            -  Registration has no script to run here

metrics of train
  auc_roc   0.7312   rows       11820   loss     1.2e-07   huge       1e+21

ok: 2 succeeded, 1 skipped in 9.5 s (its steps 62.3 s together), peak memory 1.5 GB
outputs and logs: /w/runs/7f3a
next: cursus-sandbox report 7f3a --workspace /w
"""
    )


def test_what_is_longer_than_a_line(shown, tmp_path):
    """Notes, and what a failure means, go on in the next line where they don't fit."""
    log = tmp_path / "log.txt"
    log.write_text("ModuleNotFoundError: No module named 'xgboost'\n")
    bad = ran("bad", 2.0, status=StepStatus.FAILED, why="exit code 1", **logged(log))
    notes = ("the local engine runs no image, and this machine has two processors for it all",)
    text = shown(result(bad, notes=notes), 80)
    assert "\nnote: the local engine runs no image, and this machine has two processors for it\n      all\n" in text
    assert "\n  Install it in the image, or on the engines local and process in this machine's\n    Python.\n" in text


def test_a_terminal_narrower_than_the_table(shown):
    """Where the table is wider than the terminal, each step's figures go below its name; a pipe has one line a step."""
    long = "MissingValueImputation_calibration"
    after = StepExecutionResult(step="after", status=StepStatus.SKIPPED, why=f"it depends on '{long}', which failed")
    value = result(ran(long, 1.26, peak_memory=246 * 1024**2), after)
    assert """
step
  status       seconds  peak memory
MissingValueImputation_calibration
  succeeded        1.3       246 MB
after
  skipped            -            -
    it depends on
""" in shown(value, 40, force_terminal=True, color_system=None)
    assert f"\n{long}  succeeded        1.3       246 MB\n" in shown(value, 40)


def test_a_run_that_failed(shown, tmp_path):
    """A failure has its message, the end of its log and where that is; what the step says commands no terminal."""
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(100)) + "10%\r20%\r30%\n\x1b[31m[bold]red\x1b[0m\n")
    value = result(
        ran("bad", 2.0, status=StepStatus.FAILED, why="exit code 1", message="no \x1b[2J rows", **logged(log)),
        StepExecutionResult(step="after", status=StepStatus.SKIPPED, why="it depends on 'bad', which failed"),
    )
    text = shown(value)
    assert (
        """
bad: exit code 1
  its message: no \\x1b[2J rows
  the end of its log:
    line 87
"""
        in text
    )
    assert (
        f"""
    line 99
    30%
    \\x1b[31m[bold]red\\x1b[0m
  log: {log}

failed: 1 failed, 1 skipped in 9.5 s
"""
        in text
    )


def test_data_that_break_a_contract(shown):
    """A finding names reader, channel and file, what to do, and the line that asks for it; then who wrote the data."""
    report = DataCompatibilityReport(
        data="preprocess:processed_data",
        reader="train:input_path",
        schema_from="contract 'Train'",
        files=5,
        tables=4,
        rows=1200,
        depth="every row of CSV",
        findings=(
            finding(
                file="train/part-0.parquet",
                message="column 'label' is string; contract 'Train' asks for int64",
                samples=("no", "yes"),
                asked_in="/contracts/train.step.yaml:14",
            ),
            finding(file="val", files=3, severity=Severity.WARNING, hint="drop them", message="column 'x' has nulls"),
        ),
    )
    own = DataCompatibilityReport(
        data="preprocess:report",
        depth="files counted",
        findings=(finding(message="the folder is empty", hint="write it"),),
    )
    outside = DataCompatibilityReport(data="/data/raw", reader="load:DATA", findings=(finding(),))
    why = "not started: its input data breaks the contract"
    value = result(
        ran(
            "preprocess",
            1.0,
            status=StepStatus.FAILED,
            data_broken=True,
            why="its outputs break the contract",
            reports=(own,),
        ),
        StepExecutionResult(step="train", status=StepStatus.FAILED, data_broken=True, why=why, reports=(report,)),
        StepExecutionResult(step="load", status=StepStatus.FAILED, data_broken=True, why=why, reports=(outside,)),
    )
    assert (
        shown(value, 90).partition("\n\n")[2]
        == """\
data error: preprocess › report: the folder is empty
  write it

  Written by step 'preprocess' (log: /w/runs/7f3a/steps/preprocess/log.txt), which breaks
    its own contract.

data error: train › input_path › train/part-0.parquet: column 'label' is string; contract
  'Train' asks for int64
  such as 'no', 'yes'
  Correct what is written, or contract 'Train'.
  Asked for in /contracts/train.step.yaml:14.

data warning: train › input_path › val: column 'x' has nulls (and in 2 more)
  drop them

  Written by step 'preprocess' (log: /w/runs/7f3a/steps/preprocess/log.txt), within its
    own contract.
  Looked at: every row of CSV; 4 of 5 files are tables, 1,200 rows.

data error: load › DATA: column 'label' is string
  Correct what is written, or the schema.

  Read from: /data/raw.

failed: 3 failed in 9.5 s
outputs and logs: /w/runs/7f3a
next: cursus-sandbox logs 7f3a:preprocess --workspace /w
next: cursus-sandbox explain 7f3a:preprocess --workspace /w
next: cursus-sandbox report 7f3a --workspace /w
"""
    )


def test_a_warning_of_who_wrote_the_data(shown):
    """A warning breaks nobody's contract; one that a reader has for the same file and reason is told once."""
    odd = finding(file="a.csv", severity=Severity.WARNING, hint="write it so", message="the text starts oddly")
    own = DataCompatibilityReport(data="load:DATA", findings=(odd,))
    readers = [DataCompatibilityReport(data="load:DATA", reader=f"{name}:DATA", findings=(odd,)) for name in "ab"]
    text = shown(
        result(ran("load", 1.0, reports=(own,)), *(ran(one.reader[0], 1.0, reports=(one,)) for one in readers))
    )
    assert text.count("the text starts oddly") == 1
    assert "\n  Written by step 'load' (log: /w/runs/7f3a/steps/load/log.txt).\n" in text


def test_a_warning_that_is_an_error_elsewhere(shown):
    """What one writes with a warning, and its reader can't read, is told as the reader's error."""
    odd = finding(file="a.csv", severity=Severity.WARNING, message="semicolons")
    own = DataCompatibilityReport(data="load:DATA", findings=(odd,))
    error = odd.model_copy(update={"severity": Severity.ERROR})
    read = DataCompatibilityReport(data="load:DATA", reader="fit:DATA", findings=(error,))
    failed = StepExecutionResult(step="fit", status=StepStatus.FAILED, data_broken=True, reports=(read,))
    text = shown(result(ran("load", 1.0, reports=(own,)), failed))
    assert "data error: fit › DATA › a.csv: semicolons" in text
    assert "data warning" not in text


def test_a_narrow_terminal(shown):
    """What doesn't fit beside the figures goes below them, folded between words."""
    step = StepExecutionResult(step="evaluate", status=StepStatus.SKIPPED, why="it depends on 'train', which failed")
    assert """
evaluate  skipped            -            -
    it depends on 'train', which
    failed
""" in shown(result(step), 34)
    assert "skipped            -            -  it depends on 'train', which\n" in shown(result(step), 76)


def test_colour_is_for_terminals(shown, monkeypatch):
    """A terminal gets colours, unless NO_COLOR is set; a file gets none."""
    value = result(ran("load", 1.0))
    assert "\x1b[32msucceeded" in shown(value, force_terminal=True)
    assert "\x1b" not in shown(value)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in shown(value, force_terminal=True)


def test_an_interrupted_run(shown):
    """An interrupted run says so."""
    value = result(ran("slow", 3.0, status=StepStatus.STOPPED, why="interrupted"), interrupted=ExitCode.INTERRUPTED)
    assert "\ninterrupted: 1 stopped in 9.5 s\n" in shown(value)


def test_many_findings_of_one_check(shown):
    """Of one check twenty findings are shown; the rest is counted."""
    report = DataCompatibilityReport(data="a:b", findings=tuple(finding(column=str(n)) for n in range(25)))
    text = shown(result(ran("a", 1.0, status=StepStatus.FAILED, data_broken=True, reports=(report,))))
    assert text.count("data error") == 20
    assert "and 5 findings more, all in result.json" in text


def test_a_long_line_in_a_log(shown, tmp_path):
    """Of a line of megabytes, the end is shown."""
    log = tmp_path / "log.txt"
    log.write_text("x" * 3_000_000 + " the end")
    text = shown(result(ran("bad", 1.0, status=StepStatus.FAILED, why="exit code 1", **logged(log))))
    assert "x the end\n" in text
    assert len(text) < 2000


def test_paths_below_here_are_short(shown, tmp_path, monkeypatch):
    """A path below the current folder is shown as it can be typed from there."""
    monkeypatch.chdir(tmp_path)
    assert "\noutputs and logs: here/runs/1\n" in shown(result(folder=tmp_path / "here/runs/1"))


def test_a_thousand_steps_are_shown_quickly(shown):
    """The summary of a thousand steps takes less than half a second."""
    steps = [ran(f"step_{n}", 1.0, metrics={"auc": 0.5}, why="a reason that is folded " * 3) for n in range(1000)]
    value = result(*steps)
    before = time.process_time()
    shown(value, force_terminal=True)
    assert time.process_time() - before < 0.5


def test_a_quiet_summary(shown):
    """What failed and why, and how it ended: nothing of what went well, nothing to type next."""
    value = result(
        ran("load", 1.26, metrics={"auc": 1.0}), ran("bad", 1.0, status=StepStatus.FAILED, why="exit code 1")
    )
    stream = io.StringIO()
    print_summary(value, Console(file=stream, width=100), quiet=True)
    assert stream.getvalue() == (
        "\nbad: exit code 1\n  its log is empty\n  log: /w/runs/7f3a/steps/bad/log.txt\n"
        "failed: 1 succeeded, 1 failed in 9.5 s (its steps 2.3 s together)\noutputs and logs: /w/runs/7f3a\n"
    )


def test_a_failure_that_is_known(shown):
    """Below the end of a log that tells the cause stand what it means and what to do; of another, nothing more."""
    end = ("URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",)
    failed = {"status": StepStatus.FAILED, "why": "exit code 1"}
    text = shown(result(ran("bad", 1.0, **failed, log_end=end)), 200)
    assert (
        f"""
    {end[0]}
  It asked the network for something, and steps have none unless they ask for it.
  Give it what it needs as an input, or a network: network: true of the step, or --network bridge.
  log: """
        in text
    )
    assert "exception that nobody caught" not in shown(result(ran("bad", 1.0, **failed, log_end=("ValueError: 1",))))


def test_a_log_that_is_gone(shown):
    """A log that somebody took away doesn't keep the summary from being shown."""
    text = shown(result(ran("bad", 1.0, status=StepStatus.FAILED, why="exit code 1", log=Path("/gone"))))
    assert "its log is empty" in text
