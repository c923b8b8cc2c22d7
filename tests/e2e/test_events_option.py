"""`run --events`, and runs whose output goes to odd places."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def folder(tmp_path):
    """A pipeline of two steps, the second of which fails; the first says what not every terminal can show."""
    (tmp_path / "dag.yaml").write_text("source_dir: .\ncontracts: .\nsteps: {Good: {}, Bad: {}}\n")
    for name, script in (("Good", "print('gut gemacht: ü')\n"), ("Bad", "raise SystemExit(3)\n")):
        (tmp_path / f"{name}.step.yaml").write_text(
            f"step_type: {name}\ncontract: {{entry_point: {name}.py, "
            "outputs: {o: {path: /opt/ml/processing/output, required: false}}}\n"
        )
        (tmp_path / f"{name}.py").write_text(script)
    return tmp_path


def run(folder, *words, code=1, **environment):
    """Run the pipeline as a command whose output is read by a program; what it wrote on stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", "run", "dag.yaml", "--engine", "local", *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == code, ended.stderr.decode()
    return ended.stdout, ended.stderr


def test_events_in_a_file(folder):
    """Each line is an object with its time and kind; the same is kept in the run's folder."""
    run(folder, "--events", "events.jsonl")
    said = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert all("at" in one for one in said)
    assert said[0]["event"] == "progress" or said[0]["event"] == "run_started"
    assert (said[-1]["event"], said[-1]["exit_code"]) == ("run_ended", 1)
    ends = {one["result"]["step"]: one["result"]["status"] for one in said if one["event"] == "step_ended"}
    assert ends == {"Good": "succeeded", "Bad": "failed"}
    [kept] = folder.glob(".cursus-sandbox/runs/*/events.jsonl")
    assert json.loads(kept.read_text().splitlines()[-1])["event"] == "run_ended"


def test_the_log_is_in_the_events(folder):
    """Every line of a step's log is told, those that are written below a failure too."""
    run(folder, "--events", "events.jsonl")
    said = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    for step in ("Good", "Bad"):
        [log] = folder.glob(f".cursus-sandbox/runs/*/steps/{step}/log.txt")
        told = [line for one in said if one["event"] == "step_logged" and one["step"] == step for line in one["lines"]]
        assert told == log.read_text().splitlines()
        assert told


def test_events_on_stdout(folder):
    """With --events - stdout holds the events and nothing else; the summary goes to stderr."""
    out, err = run(folder, "--events", "-")
    assert {json.loads(line)["event"] for line in out.splitlines()} >= {"run_started", "step_ended", "run_ended"}
    assert b"failed: 1 succeeded, 1 failed" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--events", "no/such/folder/e"], 4, b"could not write no/such/folder/e: No such file or directory"),
        (["--junit", "no/such/j.xml"], 4, b"could not write no/such/j.xml: No such file or directory"),
        (["--junit", "."], 4, b"could not write .: Is a directory Name another: --junit FILE"),
        (["--events", "-", "--json"], 2, b"stdout can hold the events or the result"),
        (["-q", "-v"], 2, b"it is the opposite of --verbose"),
    ],
)
def test_options_that_cannot_be(folder, words, code, said):
    """What can't be written to, and what contradicts itself, is refused before anything runs."""
    assert said in b" ".join(run(folder, *words, code=code)[1].replace("│".encode(), b"").split())
    assert not (folder / ".cursus-sandbox").exists()


def test_no_events_of_no_run(folder):
    """Where the documents are wrong no file of events is left, nor that of an earlier run; a device stays."""
    (folder / "dag.yaml").write_text("steps: [")
    (folder / "events.jsonl").write_text("{}\n")
    run(folder, "--events", "events.jsonl", code=2)
    assert not (folder / "events.jsonl").exists()
    (folder / "link").symlink_to("/dev/null")
    run(folder, "--events", "link", code=2)
    assert (folder / "link").is_symlink()


@pytest.mark.parametrize("words", [[], ["--json"], ["--events", "-"], ["--verbose"]])
def test_a_run_whose_reader_goes_away(folder, words):
    """Piped to `head -c 1`, on stdout or stderr, the run goes on to its end and its exit code is its own."""
    command = [sys.executable, "-m", "cursus_sandbox", "run", "dag.yaml", "--engine", "local", *words]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        for ours, theirs in (("stdout", "stderr"), ("stderr", "stdout")):
            ended = subprocess.run(
                command, cwd=folder, check=False, timeout=120, **{ours: closed, theirs: subprocess.PIPE}
            )
            assert ended.returncode == 1
            assert b"Traceback" not in (ended.stdout or b"") + (ended.stderr or b"")
            assert b"BrokenPipe" not in (ended.stdout or b"") + (ended.stderr or b"")
    assert len(list(folder.glob(".cursus-sandbox/runs/*/result.json"))) == 2


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["C", "ascii"],
)
def test_a_locale_that_is_not_utf8(folder, environment):
    """In the C locale a run, its lines, its events and its page are what they are anywhere."""
    out, err = run(folder, "--verbose", "--events", "e.jsonl", **environment)
    assert b"failed: 1 succeeded, 1 failed" in out
    assert b"gut gemacht: \\xfc" in err
    assert "gut gemacht: ü" in (folder / "e.jsonl").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "cursus_sandbox", "report"]
    subprocess.run(command, cwd=folder, env=os.environ | environment, check=True, capture_output=True)
    assert "gut gemacht: ü" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_home_that_cannot_be_written(folder, tmp_path):
    """A run needs no home: neither one that isn't there nor one that is a file."""
    (tmp_path / "file").write_text("")
    for home in ("/nonexistent", str(tmp_path / "file")):
        run(folder, HOME=home, XDG_CACHE_HOME=home, XDG_CONFIG_HOME=home)
