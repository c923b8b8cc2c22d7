"""Folders of real files against schemas."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cursus_sandbox.tables import DataCompatibilityReport, DataCompatibilityValidator, TableSchema

SCHEMA = {
    "fields": [{"name": "id", "type": "integer", "constraints": {"required": True}}, {"name": "x", "type": "number"}]
}


@pytest.fixture
def folder(tmp_path):
    """A folder, and a way to fill it: text is written as it is, a mapping as a Parquet file."""

    class Folder:
        path = tmp_path / "data"

        def write(self, name, content):
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str | bytes):
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            else:
                pq.write_table(pa.table(content), path)
            return path

        def check(self, schema=None, **keys):
            schema = None if schema is None else TableSchema.model_validate(schema)
            return DataCompatibilityValidator().check(self.path, schema, data="prepare:rows", **keys)

    Folder.path.mkdir()
    return Folder()


def kinds(report):
    return [(finding.kind.value, finding.severity.value) for finding in report.findings]


def the(report):
    (finding,) = report.findings
    return finding


def test_data_that_keep_their_contract(folder):
    """Data that are what their schema says have no findings, and the report says how much was looked at."""
    folder.write("part-0.parquet", {"id": [1, 2], "x": [1.5, None]})
    folder.write("more/part-1.csv", "x,id,other\n1,2,z\n")
    folder.write("notes.json", "{}")
    folder.write("_SUCCESS", "")
    report = folder.check(SCHEMA, reader="train:rows", schema_from="contract 'Train'")
    assert report == DataCompatibilityReport(
        data="prepare:rows",
        reader="train:rows",
        schema_from="contract 'Train'",
        files=4,
        tables=2,
        rows=3,
        depth="parquet footers and data, every row of CSV, JSON",
    )
    assert report.compatible


def test_reports_survive_json(folder):
    """A report is the same after a trip through JSON, whatever the names of the files in it."""
    path = os.fsencode(folder.path) + b"/\xff.csv"
    with open(path, "wb") as stream:  # noqa: PTH123
        stream.write(b"id\n")
    report = folder.check(SCHEMA)
    assert r"\xff.csv" in str(report.findings[0])
    assert DataCompatibilityReport.model_validate_json(report.model_dump_json()) == report
    assert report.model_dump()["compatible"] is False


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ({"id": [1]}, "missing_column", "column 'x' is missing; contract 'Train' asks for it"),
        (
            {"id": [1], "X": [1.5]},
            "renamed_column",
            "column 'x' is missing, but there is 'X'; contract 'Train' asks for 'x'",
        ),
        ({"id": ["1"], "x": [1.5]}, "type", "column 'id' is string; contract 'Train' asks for integer"),
        ({"id": [1.5], "x": [1.5]}, "type", "column 'id' is float64; contract 'Train' asks for integer"),
        (
            {"id": [1, None], "x": [1, 2]},
            "null",
            "column 'id' holds 1 null (the first in row 2); contract 'Train' allows none",
        ),
        (
            {"id": [None], "x": [1]},
            "null",
            "column 'id' holds 1 null (the first in row 1); contract 'Train' allows none",
        ),
        ("id,x\n1.0,2\n", "type", "column 'id' holds '1.0' (row 1, line 2); contract 'Train' asks for integer"),
        ("id,x\n0x1F,2\n", "type", "column 'id' holds '0x1F' (row 1, line 2); contract 'Train' asks for integer"),
        ('id,x\n1,"2,5"\n', "type", "column 'x' holds '2,5' (row 1, line 2); contract 'Train' asks for number"),
        (
            'id,x\n1,2\n"",3\n',
            "null",
            "column 'id' holds 1 null (the first in row 2, line 3); contract 'Train' allows none",
        ),
        ("id,x,x\n1,2,3\n", "duplicate_column", "column 'x' is there 2 times"),
        ("id,x\n1,2\n1,2,3\n", "ragged", "row 2 has 3 columns where the header has 2"),
        ("id;x\n1;2\n", "delimiter", "the columns are separated by semicolons, not by commas"),
        ("1,2.5\n2,3.5\n", "header", "the first line holds values, not names: the header is missing, and contract"),
        ("id,x\n", "empty", "the table has no rows: a header only"),
        ("", "unreadable", "the file is empty (0 bytes)"),
        ("id,x\n1,2\n".encode("utf-16"), "encoding", "the text is UTF-16, not UTF-8"),
        ("id,x,ü\n1,2,3\n".encode("latin-1"), "encoding", "the text isn't UTF-8: byte 0xfc in line 1"),
    ],
)
def test_data_that_break_their_contract(folder, content, kind, message):
    """Each way to break a contract is one finding, an error that says what is there and what was asked for."""
    folder.write("rows.parquet" if isinstance(content, dict) else "rows.csv", content)
    finding = the(folder.check(SCHEMA, schema_from="contract 'Train'"))
    assert (finding.kind, finding.severity) == (kind, "error")
    assert message in finding.message
    assert finding.file == ("rows.parquet" if isinstance(content, dict) else "rows.csv")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"id": [1], "x": pa.array([None], pa.float64())}, "all_null"),
        ({"id": [1], "x": pa.array([None])}, "all_null"),
        ({"id": [True], "x": [1]}, "type"),
        ("\ufeffid,x\n1,2\n", "encoding"),
    ],
)
def test_doubtful_data_are_a_warning(folder, content, kind):
    """What a reader can live with is told and stops nobody."""
    folder.write("rows.parquet" if isinstance(content, dict) else "rows.csv", content)
    report = folder.check(SCHEMA)
    assert kinds(report) == [(kind, "warning")]
    assert report.compatible


def test_text_stays_text(folder):
    """A declared text column takes whatever a CSV file holds, leading zeros and numbers included."""
    folder.write("a.csv", 'zip,code\n01234,1\n"",NA\n0x1F,2024-01-01\n')
    assert (
        folder.check({"fields": [{"name": "zip", "type": "string"}, {"name": "code", "type": "string"}]}).findings == ()
    )


def test_declared_missing_values(folder):
    """The texts that are declared to be missing values are nulls, and no others."""
    folder.write("a.csv", "id,x\nNA,1\n")
    fields = [{"name": "id", "type": "integer"}]
    assert kinds(folder.check({"fields": fields})) == [("type", "error")]
    assert folder.check({"fields": fields, "missingValues": ["NA"]}).findings == ()


@pytest.mark.parametrize(
    ("arrow", "content", "kind"),
    [
        ("int8", "c\n127\n", None),
        ("int8", "c\n128\n", "type"),
        ("uint64", "c\n-1\n", "type"),
        ("int64", "c\n18446744073709551615\n", "type"),
        ("uint64", "c\n18446744073709551615\n", None),
        ("timestamp[us]", "c\n2024-01-01\n", None),
        ("binary", "c\nx\n", None),
        ("int32", {"c": pa.array([1], pa.int16())}, None),
        ("int32", {"c": pa.array([1], pa.int64())}, "type"),
        ("timestamp[s]", {"c": pa.array([1], pa.timestamp("s"))}, None),
    ],
)
def test_exact_types(folder, arrow, content, kind):
    """An exact type is compared with a file's own type, or with the range of its text."""
    folder.write("a.parquet" if isinstance(content, dict) else "a.csv", content)
    report = folder.check({"fields": [{"name": "c", "arrow": arrow}]})
    assert kinds(report) == ([(kind, "error")] if kind else [])


@pytest.mark.parametrize(
    ("match", "header", "expected"),
    [
        ("exact", "a,b", []),
        ("exact", "b,a", ["column_order"]),
        ("exact", "a,b,zzz", ["extra_column"]),
        ("exact", "a", []),
        ("equal", "b,a", []),
        ("equal", ",a,b", ["extra_column"]),
        ("subset", "zzz,b,a", []),
        ("subset", "b", ["missing_column"]),
        ("superset", "b", []),
        ("superset", "b,zzz", ["extra_column"]),
        ("partial", "zzz,b", []),
        ("partial", "zzz", ["missing_column"]),
    ],
)
def test_fields_match(folder, match, header, expected):
    """`fieldsMatch` decides which columns may be missing, too many, or in another order; `b` may always be missing."""
    folder.write("a.csv", f"{header}\n" + ",".join("v" for _ in header.split(",")))
    schema = {"fields": [{"name": "a"}, {"name": "b", "optional": True}], "fieldsMatch": match}
    assert [finding.kind.value for finding in folder.check(schema).findings] == expected


def test_a_leaked_index_is_recognised(folder):
    """An extra column that is pandas' index comes with the way to leave it out."""
    folder.write("a.csv", "Unnamed: 0,id\n0,1\n")
    report = folder.check({"fields": [{"name": "id"}], "fieldsMatch": "exact"})
    assert "index=False" in the(report).hint


def test_renames_are_one_to_one(folder):
    """Every renamed column is one finding, with its new name, and a name is used once."""
    folder.write("a.csv", "customerId,AMOUNT,purchase_dat,colour\n1,2,2024-01-01,red\n")
    names = ["customer_id", "amount", "purchase_date", "amounts", "weight"]
    report = folder.check({"fields": [{"name": name} for name in names]})
    assert [(finding.column, finding.found) for finding in report.findings] == [
        ("customer_id", "customerId"),
        ("amount", "AMOUNT"),
        ("purchase_date", "purchase_dat"),
        ("amounts", "nothing"),
        ("weight", "nothing"),
    ]


def test_a_look_alike_of_another_type_is_no_rename(folder):
    """A column of another type isn't taken for a renamed one."""
    folder.write("a.parquet", {"labels": [["a"]]})
    assert the(folder.check({"fields": [{"name": "label", "type": "integer"}]})).kind == "missing_column"


def test_shards_with_the_same_fault_are_one_finding(folder):
    """Every shard is looked at; the same finding in several is one, with their number."""
    for number in range(10):
        folder.write(f"part-{number}.parquet", {"id": [1], "x": ["a" if number % 3 else 1.5]})
    finding = the(folder.check(SCHEMA))
    assert (finding.file, finding.files, finding.column) == ("part-1.parquet", 6, "x")
    assert "(and 5 more like it)" in str(finding)


def test_counts_of_grouped_findings_add_up(folder):
    """Nulls in several shards are one finding with all of them."""
    for number in range(3):
        folder.write(f"part-{number}.csv", "id,x\n,1\n,2\n")
    assert (the(folder.check(SCHEMA)).count, the(folder.check(SCHEMA)).files) == (6, 3)


def test_errors_come_before_warnings(folder):
    """Findings are in a stable order: errors first, then as the files are sorted."""
    folder.write("a.csv", "\ufeffid,x\n1,2\n")
    folder.write("b.csv", "id\n1\n")
    folder.write("c.parquet", b"")
    report = folder.check(SCHEMA)
    assert [finding.file for finding in report.findings] == ["c.parquet", "b.csv", "a.csv"]
    assert report == folder.check(SCHEMA)
    assert (len(report.errors), len(report.warnings)) == (2, 1)


def test_one_shard_without_rows_is_a_warning(folder):
    """An empty shard among full ones stops nobody; a table that is empty as a whole does."""
    folder.write("part-0.csv", "id,x\n1,2\n")
    folder.write("part-1.csv", "id,x\n")
    assert kinds(folder.check(SCHEMA)) == [("empty", "warning")]
    folder.write("part-0.csv", "id,x\n")
    assert kinds(folder.check(SCHEMA)) == [("empty", "error")]


def test_missing_data(folder):
    """Data that were promised and aren't there are an error."""
    folder.path.rmdir()
    assert kinds(folder.check(SCHEMA)) == [("missing", "error")]


def test_an_empty_folder(folder):
    """A folder without a file is an error even without a schema, for S3 has no empty folders."""
    (folder.path / "deeper").mkdir()
    assert "S3 has no empty folders" in the(folder.check()).hint


def test_files_that_do_not_match(folder):
    """A declared table that is in none of the files is an error; markers are no data."""
    folder.write("_SUCCESS", "")
    folder.write(".part-0.csv.crc", "x")
    assert kinds(folder.check(SCHEMA)) == [("no_match", "error")]
    folder.write("rows.csv", "id,x\n1,2\n")
    assert folder.check(SCHEMA).findings == ()
    report = folder.check({**SCHEMA, "glob": "*.parquet"})
    assert kinds(report) == [("no_match", "error")]
    assert report.findings[0].message == "no file matches '*.parquet'; there is rows.csv, .part-0.csv.crc, _SUCCESS"


def test_formats_that_are_not_looked_into(folder):
    """Where the declared columns can't be looked for, that is said rather than passed over."""
    folder.write("rows.json", '{"id": 1}')
    report = folder.check(SCHEMA)
    assert kinds(report) == [("not_checked", "warning")]
    assert (report.tables, report.rows, report.depth) == (0, None, "JSON")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_a_leaked_index_where_others_are_allowed(folder, name):
    """A column that nobody has named is pandas' index: a warning, where other columns than the declared are allowed."""
    folder.write("rows.csv", f"{name},id,x\n0,1,2\n1,2,3\n")
    found = the(folder.check(SCHEMA))
    assert (found.kind, found.severity, found.column) == ("extra_column", "warning", name)
    assert "index=False" in found.hint


def test_nulls_that_no_statistics_count(folder):
    """A required column whose nulls the footer doesn't count is read, or said to be unchecked where it may not be."""
    pq.write_table(pa.table({"id": [1, None], "x": [1.5, 1]}), folder.path / "a.parquet", write_statistics=False)
    report = folder.check(SCHEMA)
    assert (the(report).message, report.depth) == (
        "column 'id' holds 1 null (the first in row 2); the schema allows none",
        "parquet footers and data",
    )
    assert kinds(folder.check({**SCHEMA, "checks": {"depth": "schema"}})) == [("not_checked", "warning")]


def test_a_single_file(folder):
    """A channel may be one file, and is then compared whatever the glob."""
    path = folder.write("rows.csv", "id,x\n1,b\n")
    schema = TableSchema.model_validate({**SCHEMA, "glob": "*.parquet"})
    report = DataCompatibilityValidator().check(path, schema, data="a:b")
    assert (report.files, the(report).file, the(report).column) == (1, "rows.csv", "x")


def test_parts(folder):
    """Each part must be there with files in it, and keep to the schema; other files are only counted."""
    folder.write("train/part-0.csv", "id,x\n1,2\n")
    folder.write("val/part-0.csv", "id,x\n1,b\n")
    folder.write("summary.csv", "nothing,like\nit\n")
    (folder.path / "test").mkdir()
    report = folder.check({**SCHEMA, "glob": "*.csv"}, parts=("train", "val", "test", "calibration"))
    assert [(finding.kind.value, finding.file) for finding in report.findings] == [
        ("type", "val/part-0.csv"),
        ("empty", "test"),
        ("missing", "calibration"),
    ]
    assert (report.files, report.tables) == (3, 2)


def test_special_files_in_a_folder(folder):
    """A pipe or a link among the files is an error, and neither it nor what it leads to is opened."""
    folder.write("rows.csv", "id,x\n1,2\n")
    os.mkfifo(folder.path / "more.csv")
    (folder.path / "loop").symlink_to(folder.path)
    report = folder.check(SCHEMA)
    assert [(finding.file, finding.found) for finding in report.findings] == [
        ("loop", "a symbolic link"),
        ("more.csv", "a pipe"),
    ]
    assert report.files == 1


def test_without_a_schema_nothing_is_asked(folder):
    """Without a schema, tables of any shape pass, and other files are only counted."""
    folder.write("report.csv", "title\n\na,b\n1,2\n")
    folder.write("scores.csv", "0,1.5,1.5\n1,2,3\n")
    folder.write("zips-1.csv", "zip\n01234\n")
    folder.write("zips-2.csv", "zip\nabc\n")
    folder.write("model.bin", b"\x1f\x8b")
    folder.write("empty.txt", "")
    folder.write("odd", bytes(range(256)))
    report = folder.check()
    assert report.compatible
    assert [(finding.kind.value, finding.file) for finding in report.findings] == [("ragged", "report.csv")]
    assert report.files == 7


@pytest.mark.parametrize(
    ("name", "content", "severity"),
    [
        ("a.parquet", b"PAR1", "error"),
        ("a.csv", b"", "error"),
        ("a.csv", b"a,b\n\0\n", "error"),
        ("a.csv", "a,ü\n1,2\n".encode("latin-1"), "warning"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "warning"),
        ("a.csv", b"a;b\n1;2\n", "warning"),
        ("a.csv", b"a,b\n1\n", "warning"),
        ("a.csv", b"a,b\n", "warning"),
    ],
)
def test_without_a_schema_tables_must_be_readable(folder, name, content, severity):
    """Without a schema, what nobody can read is an error, and what some reader copes with a warning."""
    folder.write(name, content)
    assert the(folder.check()).severity == severity


def test_without_a_schema_shards_should_agree(folder):
    """Without a schema, shards of one name and folder that disagree are a warning; other files may differ."""
    folder.write("part-00000.parquet", {"id": [1], "x": [1]})
    folder.write("part-00001.parquet", {"id": [1], "x": [1.5]})
    folder.write("part-00002.parquet", {"id": [1]})
    folder.write("part-00003.parquet", {"id": [1], "x": pa.array([1], pa.int32())})
    folder.write("other.parquet", {"z": [1]})
    folder.write("deeper/part-00000.parquet", {"z": [1]})
    report = folder.check()
    assert [(finding.file, finding.column, finding.found) for finding in report.findings] == [
        ("part-00001.parquet", "x", "float64"),
        ("part-00002.parquet", "x", "missing"),
    ]
    assert report.compatible


def test_many_shards(folder):
    """Every one of many shards is looked at."""
    folder.write("part-0.csv", "id,x\n1,2\n")
    for number in range(1, 200):
        os.link(folder.path / "part-0.csv", folder.path / f"part-{number}.csv")
    report = folder.check(SCHEMA)
    assert (report.tables, report.rows, report.findings) == (200, 200, ())
