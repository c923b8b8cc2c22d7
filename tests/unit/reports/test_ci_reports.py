"""A run as JUnit XML and as GitHub reads it, and what differs between two runs."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from cursus_sandbox import DocumentError, PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.errors import Problem
from cursus_sandbox.log_end import last_lines, tail
from cursus_sandbox.pipeline.result import StepStatus
from cursus_sandbox.reports.difference import Difference, differences
from cursus_sandbox.reports.github import problem_commands, summary, workflow_commands
from cursus_sandbox.reports.junit import junit
from cursus_sandbox.tables import DataCompatibilityReport
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def step(name, status=StepStatus.SUCCEEDED, **said):
    usual = {"started_at": STARTED, "attempts": 1, "seconds": 1.5, "peak_memory": 3 << 20}
    return StepExecutionResult(**(usual | {"step": name, "status": status} | said))


def run(*steps, **said):
    usual = {"pipeline": "flights", "run": "7f3a", "folder": Path("/runs/7f3a"), "engine": "local"}
    return PipelineExecutionResult(**(usual | {"started_at": STARTED, "seconds": 9.5} | said), steps=steps)


def broken(message="column 'label' is string"):
    finding = Mismatch(kind=Kind.TYPE, severity=Severity.ERROR, message=message, hint="cast it")
    return DataCompatibilityReport(data="load:rows", reader="train:data", findings=(finding,))


def failed_run(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"fine\n\x1b[31mred\x00 <b>&\nline ]]> \xff last\n")
    return run(
        step("load"),
        step(
            "train",
            StepStatus.FAILED,
            why="exit code 1: 50%",
            exit_code=1,
            log=log,
            log_end=last_lines(tail(log)),
            message="no, it's | broken",
        ),
        step(
            "score", StepStatus.FAILED, why="its input data breaks the contract", data_broken=True, reports=(broken(),)
        ),
        step("report", StepStatus.SKIPPED, why="it depends on 'train', which failed", started_at=None, seconds=0.0),
        step("serve", StepStatus.STOPPED, why="interrupted"),
    )


def test_junit_has_a_case_for_each_step(tmp_path):
    """Failed steps are failures with what was found, stopped ones errors, the others skipped or well."""
    suite = ET.fromstring(junit(failed_run(tmp_path))).find("testsuite")
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
    }
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {
        "load": [],
        "train": ["failure", "system-out"],
        "score": ["failure"],
        "report": ["skipped"],
        "serve": ["error"],
    }
    score = suite.find("testcase[@name='score']/failure")
    assert "column 'label' is string" in score.text
    assert "cast it" in score.text


def test_junit_is_xml_whatever_a_log_holds(tmp_path):
    """Bytes that XML can't hold are replaced, so that every reader can read the document."""
    log = ET.fromstring(junit(failed_run(tmp_path))).find(".//system-out").text
    assert log.splitlines()[-1] == "line ]]> \ufffd last"
    assert "<b>&" in log
    assert "\x1b" not in log


def test_a_failed_step_is_an_annotation(tmp_path):
    """Each failed step is one error in GitHub's own form, its line ends and per cents escaped."""
    lines = list(workflow_commands(failed_run(tmp_path)))
    assert [line.split("::")[1] for line in lines] == ["error title=train", "error title=score"]
    assert "exit code 1: 50%25%0A" in lines[0]
    assert all("\n" not in line and "\x1b" not in line for line in lines)


def test_an_annotation_stands_where_the_data_are_asked_for(tmp_path):
    """Of data that break a contract the annotation stands at the contract's line, by its whole path."""
    report = broken()
    finding = report.findings[0].model_copy(update={"asked_in": f"{tmp_path}/a,b/score.step.yaml:12"})
    odd = report.model_copy(update={"findings": (finding,)})
    (line,) = workflow_commands(run(step("score", StepStatus.FAILED, why="its data", data_broken=True, reports=(odd,))))
    assert line.startswith(f"::error file={tmp_path}/a%2Cb/score.step.yaml,line=12,title=score::its data%0A")


def test_problems_are_annotations(tmp_path, monkeypatch):
    """Each problem of the documents is an error at its line; one without a line stands at the first, or nowhere."""
    monkeypatch.chdir(tmp_path)
    problems = [
        Problem("it is odd", hint="Mend it.", file=Path("dag.yaml"), line=7),
        Problem("it is away", file=Path("gone.yaml")),
        Problem("50%"),
    ]
    assert list(problem_commands(DocumentError(problems))) == [
        f"::error file={tmp_path}/dag.yaml,line=7,title=the documents are wrong::it is odd%0AMend it.",
        f"::error file={tmp_path}/gone.yaml,line=1,title=the documents are wrong::it is away",
        "::error title=the documents are wrong::50%25",
    ]


def test_the_summary_is_a_table(tmp_path):
    """A row for each step, whatever its texts hold, then the log or findings of those that failed."""
    text = summary(failed_run(tmp_path))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 5
    assert text.startswith("### flights: failed in 9.5 s")
    assert "column 'label' is string" in text


def plan(**step_of_plan):
    return {"name": "flights", "steps": [{"name": "train", **step_of_plan}]}


def test_equal_runs_do_not_differ():
    """A run compared with itself has no difference, though it took another time."""
    assert not list(differences(run(step("train")), run(step("train", seconds=7.0)), (plan(), plan())))


def test_runs_of_two_pipelines():
    """Runs of two pipelines differ in that before all else."""
    other = run(step("train")).model_copy(update={"pipeline": "trains"})
    found = differences(run(step("train")), other, (plan(), plan()))
    assert list(found) == [Difference("", "pipeline", "flights", "trains")]


def test_differences_are_named():
    """What was set, what was read, how it ended and what was measured: each is one difference."""
    reports = [(DataCompatibilityReport(data="load:rows", reader="train:data", rows=rows),) for rows in (10, 12)]
    before = run(
        step("train", reports=reports[0], metrics={"auc": 0.5, "rows": 3}), images={"xgb": "sha256:" + "a" * 64}
    )
    after = run(
        step("train", reports=reports[1], metrics={"auc": 0.75, "rows": 3}), images={"xgb": "sha256:" + "b" * 64}
    )
    plans = (
        plan(environment={"DEPTH": {"value": "3", "origin": "contract"}}, arguments=["--a", "1"]),
        plan(environment={"DEPTH": {"value": "4", "origin": "pipeline"}}, arguments=["--a", "2"]),
    )
    assert list(differences(before, after, plans)) == [
        Difference("", "image xgb", "a" * 12, "b" * 12),
        Difference("train", "arguments", "--a 1", "--a 2"),
        Difference("train", "environment DEPTH", "3", "4"),
        Difference("train", "rows of train:data", "10", "12"),
        Difference("train", "metric auc", "0.5", "0.75"),
    ]


def test_other_code_data_and_schemas_are_named():
    """A file of code or of an input that has other contents, and a column that a schema asks for otherwise."""

    def channel(**types):
        fields = [{"name": name, "type": type_} for name, type_ in types.items()]
        source = {"step": "load", "channel": "rows"}
        return [{"channel": "data", "path": "/opt/ml/x", "source": source, "table_schema": {"fields": fields}}]

    plans = plan(inputs=channel(a="integer", b="string")), plan(inputs=channel(a="number", c="string"))
    many = {f"f{number}.csv": "0" for number in range(7)}
    sides = (
        {"train": {"code": {"t.py": "1" * 64}, "settings": {"x": "1"}, "input data": {"": "9", **many}}},
        {"train": {"code": {"t.py": "2" * 64}, "settings": {"x": "2"}, "input data": dict.fromkeys(many, "1")}},
    )
    found = [
        (one.what, one.before, one.after)
        for one in differences(run(step("train")), run(step("train", status=StepStatus.REUSED)), plans, sides)
    ]
    assert found == [
        ("schema of data, column a", "integer", "number"),
        ("schema of data, column b", "string", ""),
        ("schema of data, column c", "", "string"),
        ("code t.py", "1" * 12, "2" * 12),
        *((f"data of data f{number}.csv", "0", "1") for number in range(5)),
        ("data of data", "", "and 2 files more"),
    ]


def test_steps_that_came_or_went_are_named():
    """A step of one run only is a difference, and not compared further."""
    found = list(differences(run(step("a")), run(step("b")), (plan(), plan())))
    assert found == [Difference("b", "step", "", "there"), Difference("a", "step", "there", "")]
