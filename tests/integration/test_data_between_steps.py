"""Data that break their contract, where they are written and where they are read."""

import json
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_pipeline import said, statuses, succeeded

from cursus_sandbox import DocumentError
from cursus_sandbox.tables.mismatch import Kind

TABLE = """
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({columns}), OUT / 'out' / 'part-0.parquet')
"""
NUMBERS = TABLE.format(columns="{'id': [1, 2], 'late': [0, 1]}")
TEXTS = TABLE.format(columns="{'id': [1, 2], 'late': ['no', 'yes']}")
ASKS = {"schema": {"fields": [{"name": "late", "type": "integer"}]}}


def wait_for_the_clock_to_tick(file):
    """Until a file's last change is so long ago that another would show in its times."""
    while time.time_ns() < file.stat().st_ctime_ns + 200_000_000:
        pass


def findings(step):
    return [finding for report in step.reports for finding in report.findings]


def test_an_output_that_is_missing_fails_its_producer(anywhere):
    """A step that exits with 0 and leaves an output empty has failed, is named, publishes nothing: exit code 3."""
    anywhere.step("writer", "print('done', flush=True); say('x')", outputs={"out": {}, "report": {}})
    anywhere.step("reader", reads={"data": "writer:out"})
    result = anywhere.run()
    writer = result.step_results["writer"]
    assert (result.exit_code, statuses(result)) == (3, {"writer": "failed", "reader": "skipped"})
    assert writer.why == "its outputs break the contract"
    assert [(report.data, report.compatible) for report in writer.reports] == [
        ("writer:out", True),
        ("writer:report", False),
    ]
    assert not (result.folder / "steps/writer/outputs").exists()
    assert writer.log.read_text().startswith("done\n--- failed: its outputs break the contract ---\n")


@pytest.mark.parametrize(
    ("leaves", "kind"),
    [
        ("(OUT / 'out/part-0.parquet').touch()", Kind.UNREADABLE),
        ("(OUT / 'out/link').symlink_to('/etc/passwd')", Kind.SPECIAL_FILE),
        ("os.mkfifo(OUT / 'out/pipe')", Kind.SPECIAL_FILE),
    ],
)
def test_outputs_that_nobody_can_read(small, leaves, kind):
    """A table of no bytes, a link and a pipe fail their producer; nothing waits for them and nothing follows them."""
    small.step("writer", f"say('x'); {leaves}")
    result = small.run()
    assert (result.exit_code, [one.kind for one in findings(result.step_results["writer"])]) == (3, [kind])


def test_a_breach_of_the_producer_s_own_schema(anywhere):
    """A table that is not what its writer's contract says fails the writer, and the column is named."""
    anywhere.step("writer", TEXTS, outputs={"out": ASKS})
    anywhere.step("reader", reads={"data": "writer:out"})
    result = anywhere.run()
    assert (result.exit_code, statuses(result)) == (3, {"writer": "failed", "reader": "skipped"})
    (finding,) = findings(result.step_results["writer"])
    assert (finding.file, finding.column, finding.found) == ("part-0.parquet", "late", "string")


def test_a_breach_of_one_reader_s_schema(anywhere):
    """A table that one reader can't take stops that reader before its container starts; another reader goes on."""
    anywhere.step("writer", TEXTS)
    anywhere.step("strict", reads={"data": "writer:out"}, inputs={"data": ASKS})
    anywhere.step("easy", reads={"data": "writer:out"})
    result = anywhere.run()
    strict = result.step_results["strict"]
    assert (result.exit_code, statuses(result)) == (3, {"writer": "succeeded", "strict": "failed", "easy": "succeeded"})
    assert strict.why == "not started: its input data breaks the contract"
    assert (strict.log, strict.started_at, strict.attempts) == (None, None, 0)
    assert not (result.folder / "steps/strict/log.txt").exists()
    (finding,) = findings(strict)
    lines = (anywhere.folder / "contracts/strict.step.yaml").read_text().splitlines()
    asked = next(number for number, line in enumerate(lines, start=1) if "name: late" in line)
    assert (finding.column, finding.asked_in) == ("late", f"{anywhere.folder}/contracts/strict.step.yaml:{asked}")
    assert [report.blame.value for report in strict.reports] == ["edge"]


def test_data_that_keep_every_contract(small):
    """A table that is what its writer promises and its readers ask for passes, and the reports say what was checked."""
    small.step("writer", NUMBERS, outputs={"out": ASKS})
    small.step("reader", reads={"data": "writer:out"}, inputs={"data": ASKS})
    result = succeeded(small.run()).step_results
    (wrote,), read = result["writer"].reports, result["reader"].reports[0]
    assert (wrote.data, wrote.reader, wrote.rows) == ("writer:out", None, 2)
    assert (read.data, read.reader, read.schema_from) == ("writer:out", "reader:data", "contract 'reader'")


def test_a_failed_step_weighs_more_than_broken_data(small):
    """With a failed step and broken data in one run, the exit code is 1."""
    small.step("bad", "sys.exit(9)")
    small.step("empty", "pass")
    assert small.run().exit_code == 1


def test_data_from_outside_are_checked_too(small):
    """A folder of this machine that breaks the reader's schema stops the reader."""
    (small.folder / "given").mkdir()
    pq.write_table(pa.table({"late": ["no"]}), small.folder / "given/part-0.parquet")
    small.step("reader", reads={"data": "./given"}, inputs={"data": ASKS})
    result = small.run()
    assert (result.exit_code, result.step_results["reader"].log) == (3, None)
    assert result.step_results["reader"].reports[0].data == str(small.folder / "given")


def test_an_empty_folder_from_outside(small):
    """An empty folder bound to an input stops the reader, as an empty prefix would on SageMaker."""
    (small.folder / "given").mkdir()
    small.step("reader", reads={"data": "./given"})
    assert [one.kind for one in findings(small.run().step_results["reader"])] == [Kind.EMPTY]


def test_an_empty_folder_that_stands_for_an_output(small):
    """An empty folder bound in place of a step's output stops its reader likewise."""
    (small.folder / "given").mkdir()
    small.step("source", outputs={"DATA": {}}, kind="CradleDataLoading")
    small.steps["source"]["outputs"] = {"DATA": "given"}
    small.step("reader", reads={"data": "source:DATA"})
    assert [one.kind for one in findings(small.run().step_results["reader"])] == [Kind.EMPTY]


def test_warnings_stop_nobody(small):
    """What some reader may cope with is in the report as a warning, and the run is well."""
    small.step("writer", "say('a,b\\n1,2\\n3\\n', name='table.csv')")
    result = succeeded(small.run())
    assert [str(one.severity) for one in findings(result.step_results["writer"])] == ["warning"]


def test_reports_are_in_the_result_file(small):
    """The findings are in result.json, with file, column, what was expected and what was found."""
    small.step("writer", TEXTS)
    small.step("reader", reads={"data": "writer:out"}, inputs={"data": ASKS})
    result = small.run()
    steps = json.loads((result.folder / "result.json").read_text())["steps"]
    (finding,) = steps[1]["reports"][0]["findings"]
    assert (finding["file"], finding["column"], finding["expected"]) == ("part-0.parquet", "late", "integer")


def test_a_part_of_an_output_may_be_read_by_a_step_that_succeeds(small):
    """Markers such as _SUCCESS are no data: a schema doesn't speak of them, and readers find them."""
    small.step("writer", NUMBERS + "(OUT / 'out/_SUCCESS').touch()", outputs={"out": ASKS})
    small.step("reader", "say(json.dumps(tree(IN / 'data')))", reads={"data": "writer:out"}, inputs={"data": ASKS})
    result = succeeded(small.run()).step_results
    assert json.loads(said(result["reader"])) == ["_SUCCESS", "part-0.parquet"]


def test_data_from_outside_that_have_not_changed(small):
    """A second run takes data of this machine that were found well, and are the same, for well; the report says so."""
    (small.folder / "given").mkdir()
    file = small.folder / "given/part-0.parquet"
    pq.write_table(pa.table({"late": [1]}), file)
    wait_for_the_clock_to_tick(file)
    small.step("reader", "say('x')", reads={"data": "./given"}, inputs={"data": ASKS})
    first, second = (succeeded(small.run(cache=False)).step_results["reader"].reports[0] for _ in range(2))
    assert (first.depth, second.depth.endswith(", unchanged since)")) == ("parquet footers and data", True)
    pq.write_table(pa.table({"late": ["no"]}), file)
    assert small.run().exit_code == 3


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ({"channel": "out", "step": "frist"}, "no step is called 'frist'"),
        ({"channel": "out", "step": "first", "minus": ["lable"]}, "minus: 'first:out' has no field 'lable'"),
    ],
)
def test_a_schema_like_one_that_is_not_there(small, like, said):
    """A contract's schema that is like another step's names its file and line where there is no such step or column."""
    fields = [{"name": "id"}, {"name": "label"}]
    small.step("first", outputs={"out": {"schema": {"fields": fields}}})
    small.step("second", reads={"rows": "first:out"}, inputs={"rows": {"schema": {"like": like}}})
    with pytest.raises(DocumentError) as refused:
        small.run()
    (problem,) = refused.value.problems
    assert said in problem.what
    assert problem.file.read_text().splitlines()[problem.line - 1].strip().startswith("like:")
