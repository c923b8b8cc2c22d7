"""What is in the cells: every row of a text file, and of Parquet what its footer doesn't settle."""

import ctypes
import gzip
import io
import threading
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema


@pytest.fixture
def check(tmp_path):
    """Write a file, check it against a schema."""

    def checked(content, fields, name="rows.csv", **words):
        file = tmp_path / "data" / name
        file.parent.mkdir(exist_ok=True)
        if isinstance(content, dict):
            written = io.BytesIO()
            pq.write_table(pa.table(content), written)
            file.write_bytes(gzip.compress(written.getvalue()) if name.endswith(".gz") else written.getvalue())
        else:
            raw = content if isinstance(content, bytes) else content.encode()
            file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        schema = TableSchema.model_validate({"fields": fields, **words}) if fields is not None else None
        return DataCompatibilityValidator().check(file.parent, schema, data="a:b", schema_from="contract 'A'")

    return checked


def the(report):
    (finding,) = report.findings
    return finding


def field(kind, **constraints):
    return [{"name": "a", "type": kind, "constraints": constraints}]


HEADER, SHORT = "a,b\n", "1,x\n"
MILLION = HEADER + SHORT * 1_000_000


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_a_late_cell_after_a_million_good_rows(check, name):
    """One bad cell at the very end is found, with its row, its line and its value; so is what it takes to get there."""
    found = the(check(MILLION + "1.0,x\n", field("integer"), name))
    assert (found.row, found.line, found.samples, found.count) == (1_000_001, 1_000_002, ("1.0",), 1)
    assert found.message == "column 'a' holds '1.0' (row 1,000,001, line 1,000,002); contract 'A' asks for integer"
    assert "Int64" in found.hint


@pytest.mark.parametrize("before", [MILLION, MILLION + "11,x\n", HEADER + SHORT * ((1 << 18) - 2) + "\n\n\n"])
@pytest.mark.parametrize("cell", ["0x1F", "0XA"])
def test_hexadecimal_is_no_integer(check, before, cell):
    """0x1F, which pyarrow reads as 31, is found wherever it is: at odd and even bytes, at a mebibyte's end."""
    assert the(check(f"{before}{cell},x\n", field("integer"))).samples == (cell,)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz"])
@pytest.mark.parametrize("content", ["a", '"a"', '"a"", and\nso on"'])
@pytest.mark.parametrize("fields", [None, []])
def test_a_header_that_no_line_end_follows(check, name, content, fields):
    """A file that is one row without a line end, as one record for a model is, can be read like any other."""
    found = check(content, fields, name)
    assert (found.rows, [one.kind.value for one in found.errors]) == (0, [])
    assert [one.kind for one in check(content + "\n", fields, name).findings] == [one.kind for one in found.findings]


def test_a_quote_that_is_open_in_the_only_row(check):
    """A row that begins a quote and never ends it is still said to."""
    assert "a quote is open that is never closed" in the(check('a,"b', None)).message


def test_rows_and_lines_differ(check):
    """A row is counted without the header, blank lines and line ends inside of quotes; a line with them."""
    content = 'b,a\n"two\nlines",1\n\nx,2\nx,none\nx,none either\n'
    found = the(check(content, field("integer")))
    assert (found.row, found.line, found.count, found.samples) == (3, 6, 2, ("none", "none either"))


def test_rows_are_counted(check):
    """Every row is counted, however many blocks there are."""
    report = check(MILLION, field("integer"))
    assert (report.rows, report.depth, report.findings) == (1_000_000, "every row of CSV", ())


@pytest.mark.parametrize(
    ("kind", "constraints", "values", "said"),
    [
        ("integer", {"minimum": 2}, [2, 1, 3], "column 'a' holds '1' (row 2"),
        ("integer", {"maximum": 2}, [2, 3, 4], "holds '3' (row 2"),
        ("number", {"exclusiveMinimum": 0}, [0.5, 0.0], "asks for more than 0"),
        ("number", {"exclusiveMaximum": 1.5}, [0.5, 1.5], "asks for less than 1.5"),
        ("number", {"finite": True}, [0.5, float("nan"), float("inf")], "asks for finite numbers"),
        ("string", {"enum": ["x", "y"]}, ["x", "z"], "asks for one of x, y"),
        ("integer", {"enum": [1, 2]}, [1, 3], "asks for one of 1, 2"),
        ("string", {"pattern": "[a-z]+"}, ["abc", "ab1"], "asks for text like [a-z]+"),
        ("string", {"pattern": "(?!no).*"}, ["abc", "nothing"], "holds 'nothing' (row 2"),
        ("string", {"minLength": 2}, ["ab", "é"], "asks for at least 2 characters"),
        ("string", {"maxLength": 2}, ["ab", "abc"], "asks for at most 2 characters"),
        ("date", {"minimum": "2024-01-01"}, ["2024-01-01", "2023-12-31"], "asks for at least 2024-01-01"),
        ("datetime", {"maximum": "2024-01-01T00:00:00"}, ["2024-01-01", "2024-01-02"], "holds '2024-01-02 00:00:00'"),
        ("integer", {"unique": True}, [1, 2, 1], "holds '1' (row 1"),
        ("integer", {"required": True}, [1, None], "holds 1 null (the first in row 2"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_constraints(check, kind, constraints, values, said, form):
    """A value that breaks a constraint is named with its row, in text and in Parquet alike."""
    if form == "csv":
        content = "b,a\n" + "".join(f"x,{'' if one is None else one}\n" for one in values)
    else:
        typed = {"date": pa.date32(), "datetime": pa.timestamp("us")}.get(kind)
        column = pa.array(values) if typed is None else pa.array(values).cast(typed)
        content = {"b": ["x"] * len(values), "a": column}
    assert said in the(check(content, field(kind, **constraints), f"rows.{form}")).message


@pytest.mark.parametrize(
    ("zone", "minimum", "holds"),
    [
        (None, "2024-01-01T03:00:00", "2024-01-01 02:00:00"),
        (None, "2024-01-01T03:00:00Z", "2024-01-01 02:00:00"),
        (None, "2024-01-01T07:00:00+05:00", None),
        ("UTC", "2024-01-01T03:00:00", "2024-01-01 02:00:00+00:00"),
        ("UTC", "2024-01-01T00:00:00-05:00", "2024-01-01 02:00:00+00:00"),
        ("UTC", "2024-01-01", None),
        ("America/New_York", "2024-01-01", "2023-12-31 21:00:00-05:00"),
        ("America/New_York", "2024-01-01T02:00:00Z", None),
    ],
)
def test_bounds_and_time_zones(check, zone, minimum, holds):
    """A bound without a zone is of the column's own; moments without one are UTC's for a bound that has one."""
    moments = pa.array([datetime(2024, 1, 1, 2, tzinfo=UTC)], pa.timestamp("us", zone))
    findings = check({"a": moments}, field("datetime", minimum=minimum), "rows.parquet").findings
    assert [one.message.partition("'a' holds ")[2].partition(" (")[0] for one in findings] == (
        [f"'{holds}'"] if holds else []
    )


def test_a_day_is_compared_with_a_moment(check):
    """As its midnight: in UTC, if the moment has a zone."""
    for minimum in ("2024-01-01T00:00:01", "2024-01-01T00:00:01Z"):
        days = {"a": pa.array([date(2024, 1, 1), date(2024, 1, 2)])}
        found = the(check(days, field("date", minimum=minimum), "rows.parquet"))
        assert "holds '2024-01-01' (row 1)" in found.message


def test_bounds_at_midnight():
    """A moment at midnight is one, whatever the other bound is, and keeps its zone."""
    asked = field("datetime", minimum="2024-01-01T00:00:00+05:00", maximum="2024-01-01T00:00:00Z")
    (declared,) = TableSchema.model_validate({"fields": asked}).fields
    assert declared.constraints.minimum == datetime(2023, 12, 31, 19, tzinfo=UTC)
    TableSchema.model_validate({"fields": field("datetime", minimum="2024-01-01", maximum="2024-01-01T12:00:00")})
    with pytest.raises(ValueError, match="nothing is both at least"):
        TableSchema.model_validate({"fields": field("datetime", minimum="2024-01-02", maximum="2024-01-01T12:00:00")})


def test_what_keeps_all_constraints(check):
    """Values at the bounds, and nulls, keep them."""
    asked = field("integer", minimum=1, maximum=3, enum=[1, 2, 3], unique=True)
    assert check('a\n1\n3\n""\n2\n', asked).findings == ()
    assert check({"a": [1, 3, None, None, 2]}, asked, "rows.parquet").findings == ()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_keys(check, form):
    """A primary key is there once: of several columns all together, without a declaration of any."""
    values = {"a": ["1", "1", "2", "1"], "b": ["x", "y", "x", "y"]}
    content = "a,b\n1,x\n1,y\n2,x\n1,y\n" if form == "csv" else values
    fields = [{"name": "a"}, {"name": "b"}]
    found = the(check(content, fields, f"rows.{form}", primaryKey=["a", "b"]))
    assert (found.column, found.row, found.count) == ("a, b", 2, 2)
    assert found.samples == ("1, y",)
    assert found.message.startswith("column 'a, b' holds '1, y' (row 2")
    assert check(content, fields[1:], f"rows.{form}", primaryKey="b").findings[0].count == 4


@pytest.mark.parametrize("form", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("fields", [field("integer"), [{"name": "b"}]])
def test_a_key_has_no_gaps(check, form, fields):
    """A null in a column of the key is an error, whether the column is declared or not."""
    content = "a,b\n1,x\n,x\n2,x\n" if form.endswith("csv") else {"a": [1, None, 2], "b": ["x", "x", "x"]}
    assert the(check(content, fields, form, primaryKey=["a"])).kind.value == "null"


def test_flags_that_are_numbers(check):
    """In Parquet, too, 0 and 1 are flags as far as a reader copes, and no other number is."""
    (warned,) = check({"a": [0, 1, None]}, field("boolean"), "rows.parquet").findings
    assert warned.severity.value == "warning"
    (wrong,) = check({"a": [0, 7, 1]}, field("boolean"), "rows.parquet").errors
    assert (wrong.samples, wrong.row) == (("7",), 2)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_key_that_is_not_there(check, form):
    """A column of the primary key that is missing is an error, whether it is declared as a field or not."""
    content = "a\n1\n" if form == "csv" else {"a": [1]}
    for fields in (field("integer"), [{"name": "a"}, {"name": "b"}], []):
        found = the(check(content, fields, f"rows.{form}", primaryKey=["a", "b"]))
        assert (found.kind.value, found.column) == ("missing_column", "b")


def test_rows(check):
    """Fewer or more rows than asked for is one finding of the channel."""
    assert the(check("a\n1\n2\n", field("integer"), rows={"min": 3})).message == (
        "there are 2 rows; at least 3 are asked for"
    )
    assert the(check("a\n1\n2\n", field("integer"), rows={"max": 1})).found == "2 rows"
    assert check("a\n1\n2\n", field("integer"), rows={"min": 2, "max": 2}).findings == ()


def test_a_late_ragged_row(check):
    """A row of another width is found behind the first block, and what its cells would be isn't said."""
    found = the(check(MILLION + "1,x,y\nz,x\n", field("integer")))
    assert (found.kind.value, found.row, found.line, found.count) == ("ragged", 1_000_001, 1_000_002, 1)
    assert the(check(MILLION + "1,x,y\n", None)).severity.value == "warning"


def test_cells_behind_a_byte_order_mark(check):
    """They are looked at as ever, and a key's missing column is found: the mark itself is a warning."""
    report = check("\ufeffa,b\n1,x\nx,y\n", field("integer"), primaryKey=["c"])
    missing, cell, mark = report.findings
    assert (mark.kind.value, mark.severity.value) == ("encoding", "warning")
    assert "'c'" in missing.message
    assert (cell.column, cell.row, cell.line, cell.samples) == ("a", 2, 3, ("x",))


def test_late_bytes_that_are_no_text(check):
    """Latin-1 behind the first block is named with its line."""
    content = MILLION.encode() + "1,\u00e9\n".encode("latin-1")
    found = the(check(content, [*field("integer"), {"name": "b", "type": "string"}]))
    assert (found.kind.value, found.line) == ("encoding", 1_000_002)
    assert the(check(content, None)).kind.value == "encoding"


@pytest.mark.parametrize("asked", [{"fields": field("integer")}, {"fields": []}, None])
@pytest.mark.parametrize("name", ["rows.parquet", "rows.parquet.gz"])
def test_damaged_pages_behind_a_good_footer(tmp_path, asked, name):
    """Parquet whose footer is fine over pages that aren't is found, whoever asks for whatever of it."""
    written = io.BytesIO()
    pq.write_table(pa.table({"a": range(20_000), "b": [0.5] * 20_000}), written)
    content = bytearray(written.getvalue())
    content[200:4000] = b"\xff" * 3800
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    schema = None if asked is None else TableSchema.model_validate(asked)
    found = the(DataCompatibilityValidator().check(tmp_path / "data", schema, data="a:b"))
    assert found.message.startswith("not a readable parquet file: its data are damaged: ")


@pytest.mark.parametrize("depth", ["values", "full"])
def test_how_much_of_many_parquet_files_is_read(tmp_path, depth):
    """Of many files some are read to their ends, all of them where that is asked for; the report says how many."""
    for number in range(40):
        pq.write_table(pa.table({"a": [number], "b": ["x"]}), tmp_path / f"{number:02}.parquet")
    schema = TableSchema.model_validate({"fields": field("integer"), "checks": {"depth": depth}})
    report = DataCompatibilityValidator().check(tmp_path, schema, data="a:b")
    some = "parquet footers and data of 14 of 40 files"
    assert (report.findings, report.depth) == ((), {"values": some, "full": "parquet footers and data"}[depth])
    schema = TableSchema.model_validate({"fields": field("integer", minimum=0), "checks": {"depth": depth}})
    depths = {"values": "parquet footers and values and data of 14 of 40 files", "full": "parquet footers and data"}
    assert DataCompatibilityValidator().check(tmp_path, schema, data="a:b").depth == depths[depth]


def test_gzipped_parquet_is_read(check):
    """The values of a Parquet file that is gzipped as a whole are looked at as those of any other."""
    found = the(check({"a": [1, -1]}, field("integer", minimum=0), "rows.parquet.gz"))
    assert (found.row, found.samples) == (2, ("-1",))


def test_only_the_header_where_that_is_asked_for(check):
    """With depth schema a text file is judged by its header and first block, and the report says so."""
    report = check(MILLION + "bad,x\n", field("integer"), checks={"depth": "schema"})
    assert (report.findings, report.rows, report.depth) == ((), None, "CSV headers and first block")


def test_samples_can_be_left_out(check):
    """A finding without values says where and what was asked for, and nothing that was in the data."""
    found = the(check("a\n1\nsecret\nhidden\n", field("integer"))).without_values()
    assert "secret" not in found.model_dump_json()
    assert "hidden" not in found.model_dump_json()
    assert found.message == "column 'a' holds a value (row 2, line 3; 2 cells); contract 'A' asks for integer"


def thread_states():
    """How many threads have ever asked for this interpreter, pyarrow's own among them."""
    asked = []
    of_this_thread = ctypes.pythonapi.PyThreadState_Get
    of_this_thread.restype = ctypes.c_void_p
    number = ctypes.pythonapi.PyThreadState_GetID
    number.restype, number.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
    thread = threading.Thread(target=lambda: asked.append(number(of_this_thread())))
    thread.start()
    thread.join()
    return asked[0]


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize("content", [SHORT, SHORT * 500_000, SHORT * 300_000 + "1.0,x\n"], ids=["short", "long", "bad"])
def test_no_thread_of_pyarrow_asks_for_the_interpreter(check, name, content):
    """Reading text leaves nothing of Python's to pyarrow's threads: one that asked as it ends would abort all."""
    check(HEADER + SHORT, field("integer"))  # imports
    before = thread_states()
    check(HEADER + content, field("integer"), name)
    assert thread_states() == before + 1


LARGE = 2**63 + 5


@pytest.mark.parametrize(
    ("kind", "values", "constraints", "sample"),
    [
        ("number", pa.array([1.0, -5.0], pa.float16()), {"minimum": 0}, "-5.0"),
        ("number", pa.array([1.0, -5.0], pa.float16()), {"enum": [1]}, "-5.0"),
        ("number", pa.array([1.0, 1.0], pa.float16()), {"unique": True}, "1.0"),
        ("string", pa.array(["abc", "a"], pa.string_view()), {"minLength": 2}, "a"),
        ("string", pa.array(["abc", "a"], pa.string_view()), {"pattern": "..+"}, "a"),
        ("string", pa.array(["abc", "a"], pa.large_string()), {"minLength": 2}, "a"),
        ("string", pa.array(["abc", "a"]).dictionary_encode(), {"enum": ["abc"]}, "a"),
        ("integer", pa.array([1, LARGE], pa.uint64()), {"maximum": 5}, str(LARGE)),
        ("integer", pa.array([1, LARGE], pa.uint64()), {"enum": [1]}, str(LARGE)),
        ("integer", pa.array([LARGE, 7], pa.uint64()), {"enum": [1, LARGE]}, "7"),
        ("integer", pa.array([2**64 - 1, 7], pa.uint64()), {"minimum": 2**64 - 1}, "7"),
        ("integer", pa.array([7], pa.int64()), {"minimum": 2**70}, "7"),
        ("integer", pa.array([LARGE, LARGE], pa.uint64()), {"unique": True}, str(LARGE)),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else None,
)
def test_rules_hold_in_every_type_of_a_family(check, kind, values, constraints, sample):
    """A rule is held to in types that pyarrow itself can't compare, and what breaks it is not called damaged."""
    report = check({"a": values}, field(kind, **constraints), "rows.parquet")
    assert the(report).samples == (sample,)


def test_large_unsigned_numbers_that_are_as_they_should_be(check):
    """Numbers beyond what a signed one holds keep to the rules that they keep to."""
    rules = {"minimum": 1, "maximum": 2**64, "unique": True, "enum": [1, LARGE]}
    assert check({"a": pa.array([1, LARGE], pa.uint64())}, field("integer", **rules), "rows.parquet").findings == ()


@pytest.mark.parametrize(
    ("kind", "values", "constraints", "sample"),
    [
        (pa.decimal128(10, 2), [Decimal("1.00"), Decimal("2.50"), Decimal("3.00")], {"enum": [1, 2.5]}, "3.00"),
        (pa.time64("us"), [time(1), time(2, 30), time(3)], {"enum": ["01:00:00", "02:30"]}, "03:00:00"),
        (pa.decimal128(38, 30), [Decimal(7), Decimal(3)], {"minimum": 5}, "3." + 30 * "0"),
        (pa.list_(pa.int64()), [[1], [2], None, [1], None], {"unique": True}, "[1]"),
        (pa.struct({"x": pa.int64()}), [{"x": 1}, {"x": 2}, {"x": 1}], {"unique": True}, "{'x': 1}"),
    ],
    ids=["decimals", "times", "decimals of many digits", "lists", "structs"],
)
def test_rules_hold_in_types_that_pyarrow_does_not_compare(check, kind, values, constraints, sample):
    """What keeps a rule isn't taken for broken, nor the file for damaged, whatever type the column has."""
    fields = [{"name": "a", "arrow": str(kind), "constraints": constraints}]
    if pa.types.is_nested(kind):
        fields = [{"name": "a", "constraints": constraints}]
    found = the(check({"a": pa.array(values, kind)}, fields, "rows.parquet"))
    assert (found.samples, found.count) == ((sample,), 2 if "unique" in constraints else 1)
