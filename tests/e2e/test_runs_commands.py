"""`runs`, `logs`, `report` and `run --junit`, as typed."""

import json
import os
import subprocess
import sys
import time
from xml.etree import ElementTree as ET

import pytest

DAG = "source_dir: .\ncontracts: .\nsteps:\n  Load: {}\n"
LOAD = """\
step_type: Load
contract: {entry_point: load.py, outputs: {rows: {path: /opt/ml/processing/output}}}
"""
WELL = """\
import sys
open('/opt/ml/processing/output/a.csv', 'w').write('n\\n1\\n')
sys.stdout.write('one\\n\\x1b[31mtwo')
"""
WAITS = """\
import pathlib, time
print('first', flush=True)
out = pathlib.Path('/opt/ml/processing/output')
while not (out / 'go').exists():
    time.sleep(0.05)
(out / 'go').rename(out / 'a.csv')
(out / 'a.csv').write_text('n\\n1\\n')
print('last')
"""


def cursus_sandbox(*words, cwd, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "COLUMNS"))}
    return subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", *words],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a pipeline of one step that goes well, and its workspace with two runs: failed, then well."""
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "load.step.yaml").write_text(LOAD)
    (tmp_path / "load.py").write_text("print('no'); raise SystemExit(3)\n")
    failed = cursus_sandbox(
        "run", "dag.yaml", "--junit", "junit.xml", cwd=tmp_path, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="sum.md"
    )
    assert failed.returncode == 1
    (tmp_path / "run.err").write_bytes(failed.stderr)
    (tmp_path / "load.py").write_text(WELL)
    assert cursus_sandbox("run", "dag.yaml", cwd=tmp_path).returncode == 0
    return tmp_path


def test_runs_are_listed_shown_and_compared(folder):
    """The list has a line for each run; a run is shown as its end was; two runs are compared."""
    lines = cursus_sandbox("runs", "list", cwd=folder).stdout.decode().splitlines()
    assert [line.split()[1] for line in lines] == ["failed", "ok"]
    assert lines[0].endswith("Load")
    names = [line.split()[0] for line in lines]
    listed = json.loads(cursus_sandbox("runs", "list", "--json", cwd=folder).stdout)
    assert [row["run"] for row in listed] == names
    shown = cursus_sandbox("runs", "show", names[0], cwd=folder).stdout.decode()
    assert "Load: exit code 3" in shown
    assert json.loads(cursus_sandbox("runs", "show", "--json", cwd=folder).stdout)["run"] == names[1]
    compared = cursus_sandbox("diff", cwd=folder).stdout.decode()
    first, step, code, status = compared.splitlines()
    assert (first, step, status) == (f"{names[0]} -> {names[1]}", "Load", "  status: failed -> succeeded")
    assert code.startswith("  code load.py: ")
    itself = cursus_sandbox("diff", "last", cwd=folder)
    assert itself.returncode == 2
    assert f"With the one before it:  cursus-sandbox diff {names[0]} {names[1]}" in itself.stderr.decode()


def test_a_log_is_printed_as_it_is(folder):
    """Into a pipe go the bytes of the log, the last line without its end too."""
    assert cursus_sandbox("logs", "Load", cwd=folder).stdout == b"one\n\x1b[31mtwo"


def test_a_report_is_compared_with_what_was_well(folder):
    """The page says which run it is compared with: the last that went well; if none did, the last."""
    cursus_sandbox("report", cwd=folder)
    assert "The run before it; none went well: failed" in (folder / "report.html").read_text()
    well = cursus_sandbox("runs", "list", cwd=folder).stdout.decode().splitlines()[-1].split()[0]
    (folder / "load.py").write_text("raise SystemExit(5)\n")
    for _ in range(2):
        assert cursus_sandbox("run", "dag.yaml", "--engine", "local", cwd=folder).returncode == 1
    cursus_sandbox("report", cwd=folder)
    page = (folder / "report.html").read_text()
    assert f"Compared with run {well}<" in page
    assert "The last run before it that went well: ok" in page


def test_a_report_is_written(folder):
    """The page says which run it is of; the other forms go to stdout."""
    assert cursus_sandbox("report", cwd=folder).returncode == 0
    assert "<title>" in (folder / "report.html").read_text()
    assert b"<testsuite " in cursus_sandbox("report", "--format", "junit", cwd=folder).stdout
    refused = cursus_sandbox("report", "-o", "no/such/report.html", cwd=folder)
    assert (refused.returncode, b"could not write no/such/report.html" in refused.stderr) == (4, True)


@pytest.mark.parametrize(("ends", "code"), [("", 4), ("raise SystemExit(3)", 1)])
def test_a_junit_file_that_can_not_be_written_any_more(folder, ends, code):
    """The summary is told, then what could not be written; the exit code is that of a step that failed, if one did."""
    (folder / "ci").mkdir()
    (folder / "load.py").write_text(
        f"import shutil\ndef main(*_):\n    shutil.rmtree({str(folder / 'ci')!r})\n    {ends}\n"
    )
    (folder / "load.step.yaml").write_text("step_type: Load\ncontract: {entry_point: load.py}\n")
    ended = cursus_sandbox("run", "dag.yaml", "--engine", "process", "--junit", "ci/junit.xml", cwd=folder)
    assert ended.returncode == code
    assert (b"failed: 1 failed" if ends else b"ok: 1 succeeded") in ended.stdout
    assert ended.stderr.endswith(
        b"could not write ci/junit.xml: No such file or directory\nName another:  --junit FILE\n"
    )


def test_documents_that_are_wrong_tell_continuous_integration(folder):
    """There is the JSON of `check`, and a JUnit file with one error that has every problem."""
    (folder / "dag.yaml").write_text("steps:\n  Load: {imge: x}\n  Save: {envv: {}}\n")
    checked = cursus_sandbox("check", "dag.yaml", "--json", cwd=folder)
    ended = cursus_sandbox("run", "dag.yaml", "--json", "--junit", "junit.xml", cwd=folder)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, checked.stdout, checked.stderr)
    assert len(json.loads(ended.stdout)["problems"]) == 2
    suite = ET.fromstring((folder / "junit.xml").read_text()).find("testsuite")
    assert {key: suite.get(key) for key in ("name", "tests", "errors")} == {
        "name": "dag.yaml",
        "tests": "1",
        "errors": "1",
    }
    assert f"error: {suite.find('testcase/error').text}\n" == ended.stderr.decode()


def test_nothing_to_run_again_tells_continuous_integration(folder):
    """Where every step ended well `rerun --failed` leaves a JUnit file with no test case."""
    assert cursus_sandbox("rerun", "--failed", "--junit", "junit.xml", cwd=folder).returncode == 0
    assert ET.fromstring((folder / "junit.xml").read_text()).find("testsuite").get("tests") == "0"


@pytest.mark.parametrize("verb", ["report --format junit -o -", "report -o -", "run dag.yaml --junit -"])
def test_a_report_on_stdout(folder, verb):
    """`-` is stdout, which then holds nothing else."""
    ended = cursus_sandbox(*verb.split(), cwd=folder)
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"<!doctype html>" if verb == "report -o -" else b"<?xml")
    assert ended.stdout.count(b"<!doctype html>") + ended.stdout.count(b"</testsuites>") == 1
    assert ended.stdout.rstrip().endswith(b">")
    assert not (folder / "-").exists()
    assert (b"ok: 1 reused" in ended.stderr) == (verb == "run dag.yaml --junit -")


@pytest.mark.parametrize("other", [["--json"], ["--events", "-"]])
def test_two_reports_on_stdout(folder, other):
    """Of JUnit XML and JSON only one goes to stdout."""
    ended = cursus_sandbox("run", "dag.yaml", "--junit", "-", *other, cwd=folder)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"--junit: stdout can hold that, or" in ended.stderr


@pytest.mark.parametrize("verb", ["run dag.yaml", "plan dag.yaml", "clean", "report", "runs list", "doctor"])
def test_a_workspace_without_a_name(tmp_path, verb):
    """An empty name, as of a variable that isn't set, is refused: nothing is made, removed or read in this folder."""
    (tmp_path / "runs").mkdir()
    ended = cursus_sandbox(*verb.split(), "--workspace", "", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"--workspace: it is empty: is a variable not set?" in ended.stderr
    assert [*tmp_path.iterdir()] == [tmp_path / "runs"]


def test_a_run_tells_continuous_integration(folder):
    """JUnit XML where it is asked for, annotations and a summary where GitHub runs it."""
    suite = ET.fromstring((folder / "junit.xml").read_text()).find("testsuite")
    assert suite.get("failures") == "1"
    assert "::error title=Load::exit code 3%0Ano" in (folder / "run.err").read_text()
    assert (folder / "sum.md").read_text().startswith("### dag: failed in ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs", "show", "2020"], "there is no run '2020'"),
        (["logs", "Laod"], "Did you mean 'Load'?"),
        (["report", "--workspace", "elsewhere"], "no run is kept in elsewhere"),
    ],
)
def test_what_is_not_there_is_said(folder, words, said):
    """What isn't kept is one clear error, and nothing is written."""
    ended = cursus_sandbox(*words, cwd=folder)
    assert ended.returncode == 2
    assert said in ended.stderr.decode()
    assert not (folder / "report.html").exists()


def test_a_report_ends_well_when_nobody_reads_it(folder):
    """Into a pipe that is closed a report goes without a traceback."""
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "cursus_sandbox", "report", "--format", "json"],
        cwd=folder,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert b"Traceback" not in ended.stderr


def test_a_log_is_followed_while_the_run_goes_on(folder):
    """`logs --follow` prints what the step says as it says it, and ends when the step does."""
    (folder / "load.py").write_text(WAITS)
    runs = folder / ".cursus-sandbox" / "runs"
    command = [sys.executable, "-m", "cursus_sandbox"]
    before = set(runs.iterdir())
    with subprocess.Popen([*command, "run", "dag.yaml"], cwd=folder, stdout=subprocess.DEVNULL) as run:
        wait_for(lambda: [log for new in set(runs.iterdir()) - before for log in new.glob("steps/Load/log.txt")])
        with subprocess.Popen([*command, "logs", "-f", "Load"], cwd=folder, stdout=subprocess.PIPE) as followed:
            assert followed.stdout.readline() == b"first\n"
            (outputs,) = max(runs.iterdir()).glob("steps/Load/attempt-*/outputs/rows")
            (outputs / "go").touch()
            assert followed.stdout.read() == b"last\n"
            assert followed.wait(20) == 0
        assert run.wait(20) == 0


def test_a_log_is_waited_for(folder):
    """`logs --follow` of a step that waits for another goes on until it has started and ended."""
    (folder / "dag.yaml").write_text(DAG + "  Load_testing: {depends_on: [Load]}\n")
    (folder / "load.py").write_text(WAITS)
    runs = folder / ".cursus-sandbox" / "runs"
    command = [sys.executable, "-m", "cursus_sandbox"]
    before = set(runs.iterdir())
    with subprocess.Popen([*command, "run", "dag.yaml"], cwd=folder, stdout=subprocess.DEVNULL) as run:
        wait_for(lambda: [log for new in set(runs.iterdir()) - before for log in new.glob("steps/Load/log.txt")])
        with subprocess.Popen([*command, "logs", "-f", "Load_testing"], cwd=folder, stdout=subprocess.PIPE) as followed:
            for step in ("Load", "Load_testing"):
                [outputs] = wait_for(
                    lambda step=step: list(max(runs.iterdir()).glob(f"steps/{step}/attempt-*/outputs/rows"))
                )
                (outputs / "go").touch()
            assert followed.stdout.read() == b"first\nlast\n"
            assert followed.wait(20) == 0
        assert run.wait(20) == 0


def wait_for(condition, seconds=20):
    """Until it holds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


COMMANDS = """\
print("::add-mask::a")
print("  ::stop-commands::x")
print("fine ##[error]forged")
open("/opt/ml/output/message", "w").write("\\n::error::forged ##[group]")
raise SystemExit(1)
"""


def test_a_step_does_not_command_github(folder):
    """On GitHub nothing that a step wrote is a workflow command, whatever shows it; what goes into a file stays."""
    (folder / "load.py").write_text(COMMANDS)
    github = {"GITHUB_ACTIONS": "true"}
    verbs = [
        ["run", "dag.yaml", "-v", "--events", "events.jsonl"],
        ["run", "dag.yaml", "--events", "-"],
        ["run", "dag.yaml", "--json"],
        ["logs", "Load"],
        ["runs", "show"],
        ["runs", "show", "last:Load"],
        ["runs", "show", "last:Load", "--json"],
        ["explain", "Load"],
        ["report", "--format", "junit"],
        ["report", "--format", "json"],
    ]
    for words in verbs:
        ended = cursus_sandbox(*words, cwd=folder, **github)
        assert ended.returncode in (0, 1), ended.stderr
        lines = (ended.stdout + ended.stderr).decode().splitlines()
        obeyed = [line for line in lines if line.strip().startswith("::") or "##[" in line]
        ours = [line for line in obeyed if line.startswith(("::error title=Load::", "::warning title=Load::"))]
        assert obeyed == ours
        assert bool(ours) == (words[0] == "run")
        if words[-1] in ("json", "--json"):
            assert "##[error]forged" in json.dumps(json.loads(ended.stdout))
    assert "##[error]forged" in str([json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()])
    with (folder / "log.txt").open("wb") as log:
        command = [sys.executable, "-m", "cursus_sandbox", "logs", "Load"]
        subprocess.run(command, cwd=folder, stdout=log, env=os.environ | github, check=True)
    assert "::add-mask::a\n  ::stop-commands::x\nfine ##[error]forged\n" in (folder / "log.txt").read_text()
