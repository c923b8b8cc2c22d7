"""What a run has seen is blessed with --update-schemas, and later runs are held to it."""

import pytest
from small_pipeline import succeeded

from cursus_sandbox.errors import DocumentError, ExitCode
from cursus_sandbox.reports.findings import finding_lines

TABLE = """
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({columns}), OUT / 'out' / 'part-0.parquet')
"""
NUMBERS = TABLE.format(columns="{'id': [1, 2], 'late': [0, None]}")
WRITTEN = """\
golden:
  writer:
    out:
      fieldsMatch: equal
      fields:
        - {name: id, type: integer, constraints: {required: true}}
        - {name: late, type: integer}
  reader:
    more:
      fieldsMatch: equal
      fields:
        - {name: zip, type: string, constraints: {required: true}}
"""


@pytest.fixture
def blessed(small):
    """A pipeline whose tables were blessed, and the file that says so."""
    (small.folder / "given").mkdir()
    (small.folder / "given/a.csv").write_text("zip\n01234\n")
    small.step("writer", NUMBERS)
    small.step("reader", reads={"data": "writer:out", "more": "./given"})
    result = succeeded(small.run(update_schemas=True))
    file = small.folder / "dag.schemas.yaml"
    assert result.notes[-1] == f"{file}: the schemas of 2 channels, as seen in this run"
    return small, file


def body(file):
    return "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("#"))


def findings(result, step):
    return [finding.message for report in result.step_results[step].reports for finding in report.findings]


def test_what_was_seen_is_written(blessed):
    """What steps left and were given from outside is in a file of its own; a second run is held to it, and passes."""
    small, file = blessed
    assert body(file) == WRITTEN
    succeeded(small.run())
    assert [path.name for path in small.folder.glob(".*schemas*")] == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("{'id': [1]}", "column 'late' is missing; dag.schemas.yaml asks for it"),
        ("{'id': [1], 'late': [1], 'new': [1]}", "column 'new' is not declared, and dag.schemas.yaml allows no others"),
        ("{'id': ['a'], 'late': [1]}", "column 'id' is string"),
        ("{'id': [None, 2], 'late': [0, 1]}", "column 'id' holds 1 null"),
    ],
)
def test_what_was_blessed_holds(blessed, columns, message):
    """Another column, type or gap than what was blessed fails the step that writes it; blessed anew, it is well."""
    small, file = blessed
    small.step("writer", TABLE.format(columns=columns))
    result = small.run()
    assert result.exit_code is ExitCode.DATA
    assert message in findings(result, "writer")[0]
    (report,) = result.step_results["writer"].reports
    said = "\n".join(finding_lines(report, report.errors[0], result))
    assert "Bless what there is now:  run --update-schemas" in said
    assert said.endswith("other than when its schema was blessed.")
    assert body(file) == WRITTEN
    succeeded(small.run(update_schemas=True))
    assert body(file) != WRITTEN
    succeeded(small.run())


def test_data_from_outside_are_held_to_it(blessed):
    """A file of this machine that is no longer what was blessed stops its reader."""
    small, _ = blessed
    (small.folder / "given/a.csv").write_text("code\n01234\n")
    result = small.run()
    assert (result.exit_code, findings(result, "reader")[0][:24]) == (3, "column 'zip' is missing;")


def test_contracts_have_the_last_word(blessed):
    """What a contract says of a column counts, whatever was blessed."""
    small, _ = blessed
    asked = {"out": {"schema": {"fields": [{"name": "id", "type": "string"}]}}}
    small.step("writer", TABLE.format(columns="{'id': ['a'], 'late': [1]}"), outputs=asked)
    succeeded(small.run())


def test_nothing_is_blessed_of_a_run_that_failed(blessed):
    """A run that fails leaves what was blessed as it was, and says so."""
    small, file = blessed
    small.step("writer", TABLE.format(columns="{'other': [1]}"))
    small.step("reader", "sys.exit(3)", reads={"data": "writer:out", "more": "./given"})
    result = small.run(update_schemas=True)
    assert (result.exit_code, body(file)) == (1, WRITTEN)
    assert result.notes[-1].endswith("not written, for the run is not well")


def test_steps_that_did_not_run_stay_blessed(blessed):
    """Of a part of the pipeline, only what ran is blessed anew."""
    small, file = blessed
    (small.folder / "given/a.csv").write_text("code\n01234\n")
    succeeded(small.run(update_schemas=True, only=["reader"]))
    assert body(file) == WRITTEN.replace("zip", "code")


def test_what_is_no_single_table(small):
    """Tables of several kinds in one channel are not blessed, and a note says what to do."""
    small.step("writer", "say('a\\n1\\n', name='a.csv'); say('b\\n1\\n', name='b.csv')")
    result = succeeded(small.run(update_schemas=True))
    assert result.notes[-1].startswith("writer:out is not in dag.schemas.yaml: a.csv and b.csv have other columns")
    assert body(small.folder / "dag.schemas.yaml") == "golden: {}\n"
    succeeded(small.run())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("golden:\n  writr: {out: {}}\n", ":2: a blessed schema is of step 'writr', which isn't there"),
        ("golden:\n  writer: {put: {}}\n", ":2: a blessed schema is of channel 'put' of step 'writer', which isn't"),
        ("golden:\n  writer:\n    out: {feilds: []}\n", ":3: golden.writer.out: 'feilds' is not known here"),
        ("golden: [", ":2: this is not YAML"),
    ],
)
def test_a_damaged_file(blessed, content, said):
    """Schemas of steps that are gone, and what is no schema, are problems of the documents, each with its line."""
    small, file = blessed
    file.write_text(content)
    with pytest.raises(DocumentError) as caught:
        small.run()
    assert f"dag.schemas.yaml{said}" in str(caught.value)
