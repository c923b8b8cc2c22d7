"""What a file turns out to be, however odd."""

import csv
import gzip
import os
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cursus_sandbox.tables import Family, Mismatch, ObservedTable, observe
from cursus_sandbox.tables.footer import null_counts

ROWS = pa.table({"id": pa.array([1, 2, None], pa.int32()), "name": ["a", "b", "c"]})


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(ROWS, path)
    return path


def only_finding(table):
    assert isinstance(table, ObservedTable)
    (finding,) = table.findings
    return finding


def test_parquet_is_known_by_its_footer(parquet):
    """A Parquet file tells its columns, types, rows and nulls without its data being read."""
    table = observe(parquet)
    assert isinstance(table, ObservedTable)
    assert table.rows == 3
    assert [(c.name, c.type, c.family, c.null_count) for c in table.columns] == [
        ("id", "int32", Family.INTEGER, 1),
        ("name", "string", Family.STRING, 0),
    ]


def test_parquet_nulls_are_unknown_rather_than_invented(tmp_path):
    """Where the footer doesn't count a column's nulls, none are claimed; a column that can't hold any has none."""
    path = tmp_path / "a.parquet"
    schema = pa.schema([pa.field("a", pa.int64()), pa.field("b", pa.int64(), nullable=False)])
    pq.write_table(pa.table([[1, None], [1, 2]], schema=schema), path, write_statistics=False)
    assert [column.null_count for column in observe(path).columns] == [None, 0]


def test_parquet_nested_columns(tmp_path):
    """The nulls of nested columns are known to be none, or not known; the columns behind them stay in step."""
    path = tmp_path / "a.parquet"
    kind = pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))])
    rows = pa.table(
        {
            "s": pa.array([{"x": 1, "y": []}, {"x": None, "y": ["a"]}], kind),
            "l": pa.array([[1], None], pa.list_(pa.int64())),
            "m": pa.array([[("k", 1)], [("k", 2)]], pa.map_(pa.string(), pa.int64())),
            "last": pa.array([None, 1], pa.int64()),
        }
    )
    pq.write_table(rows, path)
    assert [column.null_count for column in observe(path).columns] == [None, None, 0, 1]


def test_parquet_odd_names_inside_types(tmp_path):
    """Names with brackets and quotes, of columns or inside them, don't hide what family a column belongs to."""
    odd = pa.struct([("x, y<", pa.int8()), ("(", pa.list_(pa.float32(), 2))])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([pa.array([None], pa.map_(pa.string(), odd)), pa.array([None], odd)], ["'", "a<"]), path)
    assert [column.family for column in observe(path).columns] == [Family.OBJECT, Family.OBJECT]


def test_gzipped_parquet(written, parquet):
    """A gzipped Parquet file is looked into as well."""
    table = observe(written("a.parquet.gz", gzip.compress(parquet.read_bytes(), mtime=0)))
    assert isinstance(table, ObservedTable)
    assert table.rows == 3


@pytest.mark.parametrize("size", [1, 4, 11, 100, -1, -4, -20])
def test_truncated_parquet(written, parquet, size):
    """A Parquet file that is cut off anywhere is unreadable, and says so in words."""
    finding = observe(written("cut.parquet", parquet.read_bytes()[:size]))
    assert isinstance(finding, Mismatch)
    assert finding.kind == "unreadable"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", b"", "the file is empty (0 bytes)"),
        ("a.csv", b"", "the file is empty (0 bytes)"),
        ("a.parquet", b"id,name\n1,a\n", "it is text"),
        ("a.parquet", bytes(range(256)), "it doesn't start with the Parquet mark"),
        ("a.parquet", b"PAR1" + b"x" * 90 + b"PARE", "its footer is encrypted"),
        ("a.parquet", b"PAR1" + b"x" * 90 + b"\x20\0\0\0PAR1", "its footer is damaged"),
        ("a.parquet", b"PAR1" + b"x" * 90 + b"\xff\xff\xff\x7fPAR1", "its footer is damaged"),
        ("a.parquet.gz", b"\x1f\x8bgarbage-and-more", "it is gzip-compressed, and"),
        ("a.csv", b"PAR1xxxx", "it is a Parquet file"),
        ("a.csv", gzip.compress(b"a,b\n", mtime=0), "it is gzip-compressed"),
        ("a.csv.gz", b"a,b\n1,2\n", "it can't be unpacked"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:-20], "it can't be unpacked"),
        ("a.csv", b"\n\n \n"[:2], "it has no header"),
        ("a.csv", b"a,b\n1,\0\n", "line 2 has a NUL byte"),
        ("a.csv", b'"' + b"x" * 200_000, "a quote is open that is never closed"),
        ("a.csv", b'"a"b",c"\n1,2\n', "its header can't be read"),
    ],
)
def test_unreadable_files(written, name, content, words):
    """A file that isn't what its name promises is a finding that says what is wrong with it."""
    finding = observe(written(name, content))
    assert isinstance(finding, Mismatch)
    assert (finding.kind, finding.severity, finding.file) == ("unreadable", "error", name)
    assert words in finding.message


def test_damaged_footers_never_raise(written, parquet):
    """Whichever byte of a footer is damaged, the answer is a table or a finding."""
    content = parquet.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for position in range(start, len(content), 3):
        for byte in (0x00, 0xFF, content[position] ^ 0x10):
            damaged = content[:position] + bytes([byte]) + content[position + 1 :]
            assert isinstance(observe(written("damaged.parquet", damaged)), Mismatch | ObservedTable)


@pytest.mark.parametrize("kinds", ["7", "1", "3", "B"], ids=["doubles", "truths", "bytes", "maps"])
def test_a_list_without_end(kinds):
    """A footer that tells of more elements than it has bytes is damaged, however many they are said to be."""
    endless = bytes.fromhex(f"19F{kinds}") + b"\xff" * 8 + b"\x7f" + b"\0" * 9
    assert null_counts(endless, columns=1) == [None]


def test_a_closed_file_is_a_finding(written, monkeypatch):
    """A file that this machine can't read is a finding with the machine's reason."""
    path = written("a.csv", "a\n1\n")

    def refused(*_args, **_keys):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert "Permission denied" in observe(path).message


def special(tmp_path, what):
    path = tmp_path / "rows.csv"
    match what:
        case "a pipe":
            os.mkfifo(path)
        case "a symbolic link":
            (tmp_path / "real.csv").write_text("a\n1\n")
            path.symlink_to("real.csv")
        case "a socket":
            with socket.socket(socket.AF_UNIX) as server:
                here = Path.cwd()
                os.chdir(tmp_path)  # a socket's path is short
                try:
                    server.bind("rows.csv")
                finally:
                    os.chdir(here)
    return path


@pytest.mark.parametrize("what", ["a pipe", "a symbolic link", "a socket"])
def test_special_files_are_never_opened(tmp_path, what):
    """A pipe, link or socket in place of a table is a finding, and nobody waits for it."""
    finding = observe(special(tmp_path, what))
    assert isinstance(finding, Mismatch)
    assert (finding.kind, finding.found) == ("special_file", what)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "A.CSV"])
def test_csv_is_known_by_its_text(written, name):
    """A CSV or TSV file, packed or not, tells its header, and its columns' types from their text."""
    separator = "\t" if "tsv" in name else ","
    text = "\n".join(separator.join(row) for row in (("id", "zip", "x", "when"), ("1", "01234", "1.5", "2024-02-29")))
    table = observe(written(name, gzip.compress(text.encode(), mtime=0) if name.endswith("gz") else text))
    assert [(column.name, column.type) for column in table.columns] == [
        ("id", "int64"),
        ("zip", "int64"),
        ("x", "double"),
        ("when", "date32[day]"),
    ]
    assert (table.rows, table.findings) == (1, ())


@pytest.mark.parametrize(
    ("value", "families"),
    [
        ("1", {Family.INTEGER, Family.NUMBER, Family.BOOLEAN}),
        ("-007", {Family.INTEGER, Family.NUMBER}),
        ("1.0", {Family.NUMBER}),
        ("1e5", {Family.NUMBER}),
        ("NaN", {Family.NUMBER}),
        ("0x1F", set()),
        ("2.5.1", set()),
        ("18446744073709551615", {Family.INTEGER, Family.NUMBER}),
        ("18446744073709551616", {Family.NUMBER}),
        ("True", {Family.BOOLEAN}),
        ("yes", set()),
        ("2024-02-29", {Family.DATE, Family.DATETIME}),
        ("2023-02-29", set()),
        ("29.02.2024", set()),
        ("2024-02-29 10:11:12.5+01:00", {Family.DATETIME}),
        ("2024-02-29T10:11", {Family.DATETIME}),
        ("10:11:12", {Family.TIME}),
        ("25:00", set()),
        ("[1]", {Family.ARRAY}),
        ("{}", {Family.OBJECT}),
    ],
)
def test_text_fits_families(written, value, families):
    """What a cell may stand for is decided by its text alone, whether it comes first or late."""
    judged = set(Family) - {Family.STRING, Family.ANY}
    for rows in ([value], [value] * 40):
        (column,) = observe(written("a.csv", "c\n" + "\n".join(rows))).columns
        assert judged - column.text.misfits.keys() == families
    (mixed,) = observe(written("a.csv", "c\n" + "12\n" * 30 + value)).columns
    assert mixed.text.misfits.get(Family.INTEGER) == (None if Family.INTEGER in families else (value, 31))


def test_csv_blanks_and_nulls(written):
    """An unquoted empty cell is a null, a quoted one only for what isn't text, and other tokens where declared."""
    path = written("a.csv", 'n,s\n1,x\n,\n"",""\nNA,NA\n')
    number, text = observe(path, nulls=("", "NA")).columns
    assert (number.null_count, number.text.blanks, number.type) == (2, 1, "int64")
    assert (text.null_count, text.text.blanks) == (2, 1)
    assert observe(path).columns[0].text.misfits[Family.INTEGER] == ("NA", 4)


def test_csv_is_read_no_further_than_its_first_block(written):
    """A long CSV file is judged by its first block, whose last row is whole even when it holds line breaks."""
    row = '7,"a,\n""b"" c"\n'
    table = observe(written("a.csv", "id,text\n" + row * 100_000 + "not,a,row\n"))
    assert (table.rows, table.findings) == (None, ())
    assert [column.type for column in table.columns] == ["int64", "string"]


def test_csv_row_longer_than_a_block(written):
    """A row that is longer than the first block is read whole."""
    table = observe(written("a.csv", f"a,b\n1,{'x' * 3_000_000}\n"))
    assert isinstance(table, ObservedTable)
    assert table.findings == ()


def test_csv_with_a_byte_order_mark(written):
    """A byte order mark is no part of the first column's name, and is told."""
    table = observe(written("a.csv", b"\xef\xbb\xbfid,b\n1,2\n"))
    assert table.columns[0].name == "id"
    assert (only_finding(table).kind, only_finding(table).severity) == ("encoding", "warning")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_utf_16(written, encoding):
    """UTF-16 is named, with what to write instead."""
    finding = observe(written("a.csv", "id,name\n1,a\n".encode(encoding)))
    assert isinstance(finding, Mismatch)
    assert (finding.kind, finding.found) == ("encoding", "UTF-16")


def test_csv_in_latin_1(written):
    """Text that isn't UTF-8 is found with its line, and its columns are still known."""
    table = observe(written("a.csv", "id,name\n1,a\n2,Jürgen\n".encode("latin-1")))
    assert only_finding(table).example == "byte 0xfc in line 3"
    assert [column.name for column in table.columns] == ["id", "name"]


def test_csv_cut_inside_a_character(written):
    """A character that the end of the first block cuts in two is no encoding error."""
    for shift in range(3):
        assert observe(written("a.csv", "a" * shift + "b,c\n" + "€€€,€\n" * 100_000)).findings == ()


@pytest.mark.parametrize(("name", "separator", "found"), [("a.csv", ";", "semicolon"), ("a.tsv", ",", "comma")])
def test_wrong_delimiter(written, name, separator, found):
    """A file with another delimiter than its name promises is found out."""
    text = "\n".join(separator.join(row) for row in (("id", "x"), ("1", "2"), ("3", "4")))
    assert (only_finding(observe(written(name, text))).kind) == "delimiter"
    assert only_finding(observe(written(name, text))).found == found


def test_decimal_commas_behind_a_wrong_delimiter(written):
    """A file with semicolons and decimal commas has one finding, the delimiter."""
    assert only_finding(observe(written("a.csv", "a;b\n1,5;2,5\n"))).kind == "delimiter"


def test_ragged_rows(written):
    """Rows with more or fewer columns than the header are counted, and the first is shown."""
    finding = only_finding(observe(written("a.csv", "a,b\n1,2\n1,2,3\n1\n1,2\n")))
    assert (finding.kind, finding.count, finding.example) == ("ragged", 2, "row 2 has 3: '1,2,3'")


def test_header_only(written):
    """A header alone is a table with no rows."""
    assert observe(written("a.csv", "a,b\n")).rows == 0
    assert observe(written("a.csv", "a,b")).rows == 0


def test_other_files_are_not_tables(written):
    """Asking for the table in a file that isn't named like one is a mistake of the caller."""
    with pytest.raises(ValueError, match="isn't named like a table"):
        observe(written("model.tar.gz", b"x"))


@pytest.mark.parametrize("limit", [131_072, 1 << 30])
def test_a_long_header_is_judged_the_same_whatever_else_is_imported(written, limit):
    """How long a cell the csv module takes is one number for all of a process, which other libraries set."""
    before = csv.field_size_limit(limit)
    try:
        finding = observe(written("a.csv", b'"' + b"x" * 200_000))
    finally:
        csv.field_size_limit(before)
    assert finding.message.endswith("a quote is open that is never closed, and all that follows is in it")
