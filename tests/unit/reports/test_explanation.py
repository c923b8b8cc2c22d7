"""What is said of a step: why it ran or didn't, what came of it, what that means, what to do and to type."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cursus_sandbox import DataCompatibilityReport, PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.pipeline.result import MountRow
from cursus_sandbox.reports.difference import Difference
from cursus_sandbox.reports.explanation import explanation, explanation_lines
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity

AT = datetime(2026, 1, 2, tzinfo=UTC)
AFTER = {"load": (), "train": ("load",), "score": ("train",), "report": ("score", "load")}


def run(*steps, workspace=".cursus-sandbox", engine="local"):
    folder = Path(workspace).absolute() / "runs/r7"
    return PipelineExecutionResult(
        pipeline="p", run="r7", folder=folder, engine=engine, started_at=AT, seconds=1.0, steps=steps
    )


def step(name, status, why="", **said):
    return StepExecutionResult(step=name, status=status, why=why, **({"started_at": AT} | said))


def lines(one, *others, **said):
    return list(explanation_lines(explanation(one, run(*others, one), after=AFTER, **said)))


def test_why_it_failed():
    """The reason, what an exception's last line says, what came of it differently from before, and what to type."""
    failed = step(
        "train",
        "failed",
        "exit code 1",
        because="code changed: train.py",
        message="no rows",
        log=Path("/w/log.txt"),
        log_end=("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'xgboost'", ""),
        mounts=(MountRow(path="/a", source=Path("/b"), mode="private"),),
    )
    changes = [Difference("train", "code train.py", "1a", "2b"), Difference("train", "environment DEPTH", "", "3")]
    assert lines(failed, since="r6", changes=changes) == [
        "train: failed in run r7",
        "  it ran: code changed: train.py",
        "  what it came of, in run r6 and in this one:",
        "    code train.py: 1a -> 2b",
        "    environment DEPTH: not there -> 3",
        "  it failed: exit code 1",
        "  its message: no rows",
        "  its last word: ModuleNotFoundError: No module named 'xgboost'",
        "  what that means: What it imports isn't installed where it ran.",
        "  what to do:",
        "    Install it in the image, or on the engines local and process in this machine's Python.",
        "next: cursus-sandbox logs r7:train",
        "next: cursus-sandbox shell r7:train",
        "next: cursus-sandbox rerun r7 --failed",
    ]


@pytest.mark.parametrize(
    ("why", "log_end", "said"),
    [
        ("timed out after 5 s", "", "Give it more time"),
        ("out of memory, the limit is 64 MB (exit code 137)", "", "--memory 4g"),
        ("exit code 1", "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", "network: true"),
        ("exit code 2", "run.py: error: the following arguments are required: --x", "what `plan` shows"),
        ("exit code 1", "FileNotFoundError: [Errno 2] No such file: '/opt/ml/input/x'", "why each input is bound"),
        (
            "exit code 1",
            "OSError: Cannot save file into a non-existent directory: '/opt/ml/processing/x'",
            "outputs that",
        ),
        (
            "exit code 1",
            "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
            "secrets: for credentials",
        ),
        ("exit code 1", "KeyError: 'LABEL_FIELD'", "an exception that nobody caught"),
        ("exit code 1", "INFO memory usage: 12 MB", "an exception that nobody caught"),
        ("exit code 1", "gaierror is fine", "an exception that nobody caught"),
        ("exit code 1", "socket.gaierror: [Errno -5] No address associated with hostname", "network: true"),
        (
            "exit code 1: 'helper' lies beside clean.py, which goes along alone",
            "ModuleNotFoundError: No module named 'helper'",
            "contract: {source_dir: true}",
        ),
        ("exit code 1", "KeyError: 'label'", "an exception that nobody caught"),
        ("the command was not found (exit code 127)", "", "Install it in the image"),
        ("killed by SIGSEGV (exit code 139): a crash in native code", "", "a fault in native code"),
    ],
)
def test_what_a_failure_means(why, log_end, said):
    """Known failures are told from the reason and the end of the log."""
    text = "\n".join(lines(step("train", "failed", why, log_end=(log_end,))))
    assert said in text


def end_of(script):
    """The end of the log of a script that is run."""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return tuple(ended.stderr.splitlines()[-50:])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os; os.environ['LABEL_FIELD']", "It reads a variable that it wasn't given."),
        ("import pandas; pandas.DataFrame({'a': [1]})['CUSTOMER_ID']", "It asks a table for a column"),
        ("import pandas; pandas.DataFrame({'a': [1]}).sort_values('B')", "It asks a table for a column"),
        ("import pyarrow; pyarrow.table({'a': [1]})['B']", "It asks a table for a column"),
        ("{}['LABEL_FIELD']", "an exception that nobody caught"),
        (
            "import traceback\ntry: import nowhere\nexcept ImportError: traceback.print_exc()\n1 / 0",
            "that nobody caught",
        ),
        ("try: import nowhere\nexcept ImportError: 1 / 0", "What it imports isn't installed"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", "refuses the arguments"),
        ("raise SystemExit('usage: it is fine')", "an exception that nobody caught"),
    ],
)
def test_what_a_traceback_means(script, said):
    """What counts is the last traceback, where it was raised, and what it came of; no word that a log has elsewhere."""
    assert said in "\n".join(lines(step("train", "failed", "exit code 1", log_end=end_of(script))))


def test_a_mapping_of_the_environment(tmp_path):
    """A name that isn't in what a script's main is given of its environment is a variable that it wasn't given."""
    (tmp_path / "script.py").write_text("def main(environ_vars):\n    environ_vars['A']\nmain({})\n")
    end = end_of(f"import runpy; runpy.run_path({str(tmp_path / 'script.py')!r})")
    assert "env: {NAME: value}" in "\n".join(lines(step("train", "failed", "exit code 1", log_end=end)))


@pytest.mark.parametrize(
    "last",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/processing/input/raw/a.csv'",
        "OSError: Cannot save file into a non-existent directory: '/opt/ml/processing/output/x'",
        "PermissionError: [Errno 13] Permission denied: '/opt/ml'",
    ],
)
def test_paths_of_a_container_on_the_process_engine(last):
    """On the engine that mounts nothing, the remedy for a path in /opt/ml is main's own paths, or another engine."""
    failed = step("train", "failed", "exit code 1", log_end=(last,))
    said = "\n".join(explanation_lines(explanation(failed, run(failed, engine="process"), after=AFTER)))
    assert "what that means: It names a path of a container, and the process engine has none" in said
    assert "--engine local" in said
    assert "the process engine" not in "\n".join(lines(failed))


def test_broken_data():
    """Each finding with who wrote the data; beyond three they are counted."""
    findings = tuple(
        Mismatch(kind=Kind.MISSING, severity=Severity.ERROR, message=f"column 'c{n}' is string") for n in range(5)
    )
    report = DataCompatibilityReport(data="load:rows", reader="train:data", findings=findings)
    failed = step("train", "failed", "its input data breaks the contract", data_broken=True, reports=(report,))
    text = "\n".join(lines(failed, step("load", "succeeded")))
    assert text.count("column 'c") == 3
    assert "Written by step 'load'" in text
    assert "and 2 findings more:  cursus-sandbox runs show r7" in text


def test_why_it_was_skipped():
    """The step that failed first on the way there is named, however far away, with what to ask about it."""
    failed = step("train", "failed", "exit code 1")
    between = step("score", "skipped", "it depends on 'train', which failed")
    skipped = step("report", "skipped", "it depends on 'train', which failed")
    assert lines(skipped, step("load", "succeeded"), failed, between) == [
        "report: skipped in run r7",
        "  it did not run: it depends on 'train', which failed",
        "  train failed: exit code 1",
        "  what to do:",
        "    Mend train.",
        "next: cursus-sandbox explain r7:train",
    ]


@pytest.mark.parametrize(
    ("status", "why", "said"),
    [
        ("skipped", "not selected", "--only, --from, --until or `rerun --failed` left it out"),
        ("skipped", "the document says  skip: true", "it did not run: the document says  skip: true"),
        ("skipped", "not started: interrupted", "it did not run: not started: interrupted"),
        ("reused", "unchanged since run r5", "--force train"),
        ("reused", "outputs of run r5", "it was not chosen, and what others read of it are the outputs of run r5"),
        ("stopped", "interrupted", "it has no end: interrupted"),
        ("succeeded", "", "it ended well, in 0.0 s"),
    ],
)
def test_steps_that_did_not_fail(status, why, said):
    """Whatever became of a step, there is a sentence for it."""
    assert said in "\n".join(lines(step("train", status, why), step("load", "succeeded")))


def test_a_run_that_goes_on():
    """A step that runs is said to, and its log can be followed; it isn't run again."""
    text = lines(step("train", "stopped", "it runs", log=Path("/w/log.txt")), is_running=True)
    assert text[0] == "train: running in run r7"
    assert text[-1] == "next: cursus-sandbox logs --follow r7:train"


def test_a_workspace_elsewhere():
    """What is to be typed leads there from here: a workspace that isn't the usual one is named."""
    failed = step("train", "failed", "exit code 1", exit_code=1)
    told = explanation(failed, run(failed, workspace="/a b"), after=AFTER)
    assert told.next == (
        "cursus-sandbox shell r7:train --workspace '/a b'",
        "cursus-sandbox rerun r7 --failed --workspace '/a b'",
    )


def test_a_workspace_that_is_named_from_here():
    """Nothing more is to be typed for a folder that is said relatively, as that of a run that goes on is."""
    failed = step("train", "failed", "exit code 1", exit_code=1)
    so_far = run(failed).model_copy(update={"folder": Path(".cursus-sandbox/runs/r7")})
    assert explanation(failed, so_far, after=AFTER).next[-1] == "cursus-sandbox rerun r7 --failed"


def test_a_step_that_failed_before():
    """A step that has failed in every run is not said to run for the first time."""
    changes = [Difference("train", "code train.py", "1a", "2b")]
    failed = step("train", "failed", "exit code 1", because="it has not run before")
    assert lines(failed, since="r6", changes=changes)[1] == "  it ran: it has not ended well before"
    assert lines(failed)[1] == "  it ran: it has not run before"


def test_a_step_that_was_not_started():
    """Of a step that its data kept from starting nobody says why it ran."""
    broken = step("train", "failed", "not started", because="it has not run before", started_at=None)
    assert lines(broken)[1] == "  it failed: not started"
