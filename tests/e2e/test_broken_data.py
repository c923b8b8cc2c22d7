"""Data as broken as they come, at the command line: named, with exit code 3; and odd data with nothing wrong."""

import base64
import gzip
import io
import json
import os
import shutil
import signal
import socket
import tarfile
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from cursus_sandbox.cli import main

SCHEMA = """\
schema:
  fieldsMatch: exact
  fields:
    - {name: id, type: integer, constraints: {required: true}}
    - {name: x, type: number, constraints: {finite: true}}
    - {name: name, type: string}
  jsonSchema: {type: object}
  checks: {depth: full}
"""
HEAD = "id,x,name\n"
GOOD = HEAD + "1,1.5,ann\n2,2.5,bob\n"
MILLION = HEAD + "1,1.5,ann\n" * 1_000_000
TABLE = pa.table({"id": [1, 2], "x": [1.5, None], "name": ["ann", "bob"]})


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Write files, run `schema check` on their folder, and give its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()

    def check(files, *options, schema=SCHEMA):
        (tmp_path / "schema.yaml").write_text(schema)
        for name, content in files.items():
            file = tmp_path / "data" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(file)
            else:
                file.write_bytes(content.encode() if isinstance(content, str) else content)
        signal.alarm(60)  # a hang is a failure, too
        try:
            with pytest.raises(SystemExit) as ended:
                main(["schema", "check", "data", "schema.yaml", *options])
        finally:
            signal.alarm(0)
        said = capsys.readouterr()
        assert said.err == ""
        return ended.value.code or 0, said.out

    return check


def parquet(table=TABLE, **options):
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def damaged_pages():
    """A footer that is fine over pages that aren't."""
    table = pa.table({"id": range(20_000), "x": [1.5] * 20_000, "name": ["ann"] * 20_000})
    content = bytearray(parquet(table, compression="none", use_dictionary=False))
    content[40:4000] = b"\xff" * 3960
    return bytes(content)


class Keys(encryption.KmsClient):
    """Wraps keys in nothing: what is tested is the file without them."""

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, wrapped, _):
        return base64.b64decode(wrapped)


def encrypted(file, *, plaintext_footer=False):
    """Columns whose keys nobody gives us, and the footer too or not."""
    asked = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"columns": ["id", "x", "name"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(lambda _: Keys())
    keys = factory.file_encryption_properties(encryption.KmsConnectionConfig(), asked)
    with pq.ParquetWriter(file, TABLE.schema, encryption_properties=keys) as writer:
        writer.write_table(TABLE)


def archive(*names):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            packed.addfile(member, io.BytesIO(b"x"))
    return stream.getvalue()


def socket_at(file):
    here = os.getcwd()  # noqa: PTH109
    os.chdir(file.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(file.name)
    os.chdir(here)


def sparse(file):
    """A terabyte that takes no room."""
    with file.open("wb") as stream:
        stream.truncate(1 << 40)


BROKEN = {
    "truncated parquet": ({"a.parquet": parquet()[:-20]}, "a.parquet: not a readable parquet file: it is cut off"),
    "zero-byte parquet": ({"a.parquet": b""}, "a.parquet: not a readable parquet file: the file is empty (0 bytes)"),
    "wrong magic": ({"a.parquet": b"\x89PNG" + parquet()}, "doesn't start with the Parquet mark PAR1"),
    "encrypted": ({"a.parquet": encrypted}, "its footer is encrypted"),
    "encrypted columns": ({"a.parquet": partial(encrypted, plaintext_footer=True)}, "its columns are encrypted"),
    "damaged pages": ({"a.parquet": damaged_pages()}, "a.parquet: not a readable parquet file: its data are damaged"),
    "CSV called parquet": ({"a.parquet": GOOD}, "a.parquet: not a readable parquet file: it is text"),
    "parquet called CSV": ({"a.csv": parquet()}, "a.csv: not a readable csv file: it is a Parquet file"),
    "mixed shards": (
        {"p-0.parquet": parquet(), "p-1.parquet": parquet(pa.table({"id": ["1"], "x": [1.5], "name": ["a"]}))},
        "p-1.parquet: column 'id' is string; schema.yaml asks for integer",
    ),
    "a shard without a column": (
        {"p-0.parquet": parquet(), "p-1.parquet": parquet(TABLE.drop_columns(["x"]))},
        "p-1.parquet: column 'x' is missing",
    ),
    "zero-byte CSV": ({"a.csv": b""}, "a.csv: not a readable csv file: the file is empty (0 bytes)"),
    "UTF-16": ({"a.csv": GOOD.encode("utf-16")}, "a.csv: the text is UTF-16, not UTF-8"),
    "latin-1": ({"a.csv": (GOOD + "3,1,zoë\n").encode("latin-1")}, "a.csv: the text isn't UTF-8: byte 0xeb in line 4"),
    "late latin-1": (
        {"a.csv": MILLION.encode() + b"3,1,zo\xeb\n"},
        "the text isn't UTF-8: byte 0xeb in line 1,000,002",
    ),
    "wrong delimiter": (
        {"a.csv": GOOD.replace(",", ";")},
        "a.csv: the columns are separated by semicolons, not by commas",
    ),
    "missing header": ({"a.csv": "1,1.5,ann\n2,2.5,bob\n"}, "a.csv: the first line holds values, not names"),
    "a header of words that is missing": ({"a.csv": "1,NaN,ann\n2,2.5,bob\n"}, "the header is missing"),
    "leaked header": ({"a.csv": GOOD + GOOD}, "a.csv: row 3, line 4 is the header once more\n"),
    "leaked index": (
        {"a.csv": ",id,x,name\n0,1,1.5,ann\n"},
        "a.csv: column '' is not declared, and schema.yaml allows no others\n  this looks like pandas' index",
    ),
    "ragged rows": ({"a.csv": GOOD + "3,1\n"}, "a.csv: row 3 has 2 columns where the header has 3"),
    "late ragged row": ({"a.csv": MILLION + "3,1\n"}, "row 1,000,001, line 1,000,002 has more or fewer columns"),
    "unterminated quote": ({"a.csv": HEAD + '1,1.5,"ann\n' + "2,2.5,bob\n" * 9}, "a quote is open"),
    "late unterminated quote": ({"a.csv": MILLION + '1,1.5,"ann\n' + "2,2.5,bob\n" * 9}, "a quote is open"),
    "duplicate columns": ({"a.csv": "id,x,name,x\n1,2,a,3\n"}, "a.csv: column 'x' is there 2 times"),
    "hexadecimal": ({"a.csv": GOOD + "0x1F,1,a\n"}, "a.csv: column 'id' holds '0x1F' (row 3, line 4)"),
    "a fraction for an integer": ({"a.csv": GOOD + "1.0,1,a\n"}, "column 'id' holds '1.0' (row 3, line 4)"),
    "a decimal comma": ({"a.csv": GOOD + '3,"2,5",a\n'}, "a.csv: column 'x' holds '2,5' (row 3, line 4)"),
    "overflow": (
        {"a.csv": GOOD + "99999999999999999999999,1,a\n"},
        "column 'id' holds '99999999999999999999999' (row 3",
    ),
    "NaN": ({"a.csv": GOOD + "3,NaN,a\n"}, "column 'x' holds 'nan' (row 3, line 4); schema.yaml asks for finite"),
    "infinity": ({"a.csv": GOOD + "3,-inf,a\n"}, "column 'x' holds '-inf' (row 3, line 4)"),
    "NaN in parquet": (
        {"a.parquet": parquet(pa.table({"id": [1], "x": [float("nan")], "name": ["a"]}))},
        "a.parquet: column 'x' holds 'nan' (row 1)",
    ),
    "NA": ({"a.csv": GOOD + "NA,1,a\n"}, "column 'id' holds 'NA' (row 3, line 4)"),
    "header only": ({"a.csv": HEAD}, "a.csv: the table has no rows: a header only"),
    "no rows in parquet": ({"a.parquet": parquet(TABLE.slice(0, 0))}, "a.parquet: the table has no rows"),
    "a late cell": ({"a.csv": MILLION + "x,1,a\n"}, "column 'id' holds 'x' (row 1,000,001, line 1,000,002)"),
    "a late cell in gzip": (
        {"a.csv.gz": gzip.compress((MILLION + "x,1,a\n").encode(), 1)},
        "a.csv.gz: column 'id' holds 'x' (row 1,000,001, line 1,000,002)",
    ),
    "truncated gzip": ({"a.csv.gz": gzip.compress(GOOD.encode() * 9)[:-9]}, "a.csv.gz: not a readable csv file"),
    "JSON with NaN": ({"a.csv": GOOD, "m.json": '{"auc": NaN}'}, "m.json: it holds NaN, which is no JSON"),
    "JSON cut off": ({"a.csv": GOOD, "m.json": '{"auc": '}, "m.json: not a readable JSON file"),
    "tar with ..": (
        {"a.csv": GOOD, "m.tar.gz": archive("../../etc/passwd")},
        "m.tar.gz: its member '../../etc/passwd'",
    ),
    "tar with /": ({"a.csv": GOOD, "m.tar.gz": archive("/etc/passwd")}, "m.tar.gz: its member '/etc/passwd'"),
    "truncated tar": ({"a.csv": GOOD, "m.tar.gz": archive("a", "b")[:-30]}, "m.tar.gz: not a readable tar archive"),
    "FIFO": ({"a.csv": os.mkfifo}, "a.csv: this is a pipe, not a regular file"),
    "socket": ({"a.csv": socket_at}, "a.csv: this is a socket, not a regular file"),
    "link": ({"a.csv": lambda file: file.symlink_to("/etc/passwd")}, "a.csv: this is a symbolic link"),
    "sparse terabyte CSV": ({"a.csv": sparse}, "a.csv: not a readable csv file: line 1 has a NUL byte"),
    "sparse terabyte parquet": ({"a.parquet": sparse}, "a.parquet: not a readable parquet file: it doesn't start with"),
    "sparse terabyte JSON": ({"0.csv": GOOD, "a.json": sparse}, "a.json: "),
    "sparse terabyte JSON lines": ({"0.csv": GOOD, "a.jsonl": sparse}, "a.jsonl: "),
    "sparse terabyte tar": ({"0.csv": GOOD, "a.tar": sparse}, "a.tar: "),
    "sparse terabyte gzip": ({"0.csv": GOOD, "a.csv.gz": sparse}, "a.csv.gz: not a readable csv file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_data(checked, name):
    """What is wrong is said with the file and, where there is one, the column and the line; exit code 3."""
    files, words = BROKEN[name]
    code, said = checked(files)
    assert (code, words in said) == (3, True), said
    assert said.startswith(f"error: {max(files)}: ")
    assert "looked at: " in said


def test_values_stay_inside(checked):
    """With --no-values nothing that was in the data is said, in words or as JSON."""
    for options in ((), ("--json",)):
        code, said = checked({"a.csv": GOOD + "secret,1,a\n"}, "--no-values", *options)
        assert (code, "secret" in said) == (3, False)


def test_everything_is_in_the_json(checked):
    """As JSON a finding has its file, column, row, line, what was expected and found, how many, and five samples."""
    rows = "".join(f"x{number},1,a\n" for number in range(9))
    _, said = checked({"train/a.csv": GOOD, "val/a.csv": GOOD + rows}, "--json")
    (found,) = json.loads(said)["findings"]
    assert {key: found[key] for key in ("split", "file", "column", "row", "line", "expected", "count", "samples")} == {
        "split": "val",
        "file": "val/a.csv",
        "column": "id",
        "row": 3,
        "line": 4,
        "expected": "integer",
        "count": 9,
        "samples": ["x0", "x1", "x2", "x3", "x4"],
    }


def test_twenty_thousand_files(checked, tmp_path):
    """However many files there are, each is looked at, and the odd one out is named."""
    good = tmp_path / "good.csv"
    good.write_text(GOOD)
    files = {f"part-{number:05}.csv": partial(os.link, good) for number in range(20_000)}
    code, said = checked({**files, "part-12345.csv": GOOD + "x,1,a\n"})
    shutil.rmtree(tmp_path / "data")
    first = "error: part-12345.csv: column 'id' holds 'x' (row 3, line 4); schema.yaml asks for integer"
    assert (code, said.splitlines()[0]) == (3, first)
    assert "20000 of 20000 files are tables" in said


ODD = {
    "no line end at the end": {"a.csv": GOOD.removesuffix("\n")},
    "Windows' line ends": {"a.csv": GOOD.replace("\n", "\r\n")},
    "old Macs' line ends": {"a.csv": GOOD.replace("\n", "\r")},
    "blank lines": {"a.csv": GOOD.replace("\n", "\n\n")},
    "quoted newlines": {"a.csv": HEAD + '1,1.5,"ann\nlee"\n2,2,"bob\r\n"\n'},
    "quoted newline at the end of the file": {"a.csv": HEAD + '1,1.5,"ann\n"'},
    "quotes in quotes": {"a.csv": HEAD + '1,1.5,"say ""hi"""\n2,2,""""\n3,3,""\n'},
    "an empty text at the end of the file": {"a.csv": HEAD + '1,1.5,""'},
    "everything quoted": {"a.csv": '"id","x","name"\n"1","1.5","ann"\n'},
    "quotes inside of text": {"a.csv": HEAD + '1,1.5,5" nail\n2,2.5,a "b\n'},
    "delimiters in quotes": {"a.csv": HEAD + '1,1.5,"a,b;c\td"\n'},
    "a row longer than a block": {"a.csv": HEAD + f"1,1.5,{'x' * 3_000_000}\n2,2,b\n"},
    "a quoted row longer than a block": {"a.csv": HEAD + '1,1.5,"' + "x\n" * 1_500_000 + '"\n2,2,b\n'},
    "leading zeros": {"a.csv": HEAD + "007,00.5,007\n"},
    "signs and exponents": {"a.csv": HEAD + "+1,-1.5e-3,+\n-0,1E5,-\n"},
    "numbers at their ends": {"a.csv": HEAD + "-9223372036854775808,1e308,a\n18446744073709551615,.5,b\n"},
    "empty cells": {"a.csv": HEAD + '1,,\n2,"",""\n'},
    "words that others take for nulls": {"a.csv": HEAD + "1,1,NA\n2,2,null\n3,3,NaN\n4,4,None\n"},
    "text that looks like hexadecimal": {"a.csv": HEAD + "1,1,0x1F\n2,2,0X\n"},
    "text in all scripts": {"a.csv": HEAD + "1,1,Zoë\n2,2,日本\n3,3,🎉\n4,4,שלום\n"},
    "gzip in several members": {"a.csv.gz": gzip.compress(GOOD.encode()) + gzip.compress(b"3,3,c\n")},
    "a capital suffix": {"A.CSV": GOOD},
    "tabs in TSV": {"a.tsv": GOOD.replace(",", "\t")},
    "markers and checksums": {"a.csv": GOOD, "_SUCCESS": "", "_HEALTH": "", ".a.csv.crc": "x", "_temp/b.csv": "no"},
    "hive folders": {"day=1/a.csv": GOOD, "day=2/a.csv": GOOD},
    "an odd name": {"a b'\"é,;.csv": GOOD},
    "other files beside": {"a.csv": GOOD, "readme.txt": "hello", "model.bin": b"\0\1"},
    "parquet of pandas' kind": {"a.parquet": parquet(TABLE.replace_schema_metadata({"pandas": "{}"}))},
    "dictionaries": {"a.parquet": parquet(TABLE.set_column(2, "name", TABLE["name"].dictionary_encode()))},
    "large strings": {"a.parquet": parquet(TABLE.cast(pa.schema([*list(TABLE.schema)[:2], ("name", "large_string")])))},
    "narrow integers": {"a.parquet": parquet(TABLE.set_column(0, "id", TABLE["id"].cast("int8")))},
    "no statistics": {"a.parquet": parquet(write_statistics=False)},
    "old parquet": {"a.parquet": parquet(version="1.0", data_page_version="1.0")},
    "many row groups": {"a.parquet": parquet(row_group_size=1)},
    "every compression": {f"{one}.parquet": parquet(compression=one) for one in ("none", "gzip", "zstd", "lz4")},
    "JSON in odd forms": {"a.csv": GOOD, "m.json": ' {"a": 1e400, "é": null}\n', "n.jsonl": '{}\n\n{"a": 1}'},
    "an archive with its own links": {"a.csv": GOOD, "m.tar.gz": archive("./a", "b/c", "..d/e")},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_data_that_nothing_is_wrong_with(checked, name):
    """What is unusual and valid passes, without a word."""
    code, said = checked(ODD[name])
    assert (code, said.startswith("ok: ")) == (0, True), said
