"""What is in a Parquet file, in one word, however the file was written."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cursus_sandbox.tables.content import table_digest

VALUES = {
    "integer": pa.array([None if i % 7 == 0 else i for i in range(300)]),
    "float": pa.array([float(i) for i in range(299)] + [float("nan")]),
    "flag": pa.array([None if i % 5 == 0 else i % 3 == 0 for i in range(300)]),
    "text": pa.array([None if i % 4 == 0 else "ä" * (i % 9) for i in range(300)]),
    "bytes": pa.array([b"\xff" * (i % 3) for i in range(300)]),
    "day": pa.array([i if i % 3 else None for i in range(300)], pa.date32()),
    "instant": pa.array([datetime(2024, 1, 1 + i % 28, tzinfo=UTC) for i in range(300)]),
    "money": pa.array([Decimal(i) / 100 if i % 3 else None for i in range(300)], pa.decimal128(9, 2)),
    "list": pa.array([None if i % 6 == 0 else list(range(i % 4)) for i in range(300)]),
    "pair": pa.array([None if i % 6 == 0 else [i, None] for i in range(300)], pa.list_(pa.int32(), 2)),
    "record": pa.array([None if i % 6 == 0 else {"a": i, "b": None if i % 4 else ["x"]} for i in range(300)]),
    "map": pa.array([None if i % 6 == 0 else [("k", i)] for i in range(300)], pa.map_(pa.string(), pa.int64())),
    "category": pa.array([["x", "y", None][i % 3] for i in range(300)]).dictionary_encode(),
    "nothing": pa.nulls(300),
}
TABLE = pa.table(VALUES).replace_schema_metadata({"a": "1", "b": "2"})
PACKED = [
    {"compression": "zstd"},
    {"compression": "none", "write_statistics": False},
    {"row_group_size": 7},
    {"row_group_size": 101, "data_page_size": 64, "data_page_version": "2.0"},
    {"column_encoding": {"integer": "DELTA_BINARY_PACKED"}, "use_dictionary": ["category"]},
]


@pytest.fixture
def digest(tmp_path):
    """The digest of a table, written with some options."""

    def told(table, **options):
        pq.write_table(table, tmp_path / "x.parquet", **options)
        return table_digest(tmp_path / "x.parquet")

    return told


@pytest.mark.parametrize("how", PACKED, ids=str)
def test_the_same_table_packed_otherwise(digest, how):
    """Compression, row groups, pages, encodings and statistics don't count."""
    assert digest(TABLE, **how) == digest(TABLE) is not None


@pytest.mark.parametrize("column", [name for name in VALUES if name != "nothing"])
def test_another_value(digest, column):
    """A value that is another one counts, in whichever type, and so does one that is missing or elsewhere."""
    whole = VALUES[column]
    swapped = pa.concat_arrays([whole[2:3], whole[1:2], whole[:1], whole[3:]])
    without = pa.concat_arrays([pa.nulls(3, whole.type), whole[3:]])
    digests = [digest(pa.table({column: one})) for one in (whole, swapped, without, whole[:-1])]
    assert None not in digests
    assert len(set(digests)) == len(digests)


def test_where_values_are_cut(digest):
    """Neighbours that share their bytes otherwise are other values: in texts, in lists, between columns."""
    for one, other in [
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": [[1], [2, 3]]}, {"a": [[1, 2], [3]]}),
        ({"a": [1], "b": [2]}, {"b": [1], "a": [2]}),
        ({"a": [None, 1]}, {"a": [1, None]}),
        ({"a": [0.0]}, {"a": [-0.0]}),
    ]:
        assert digest(pa.table(one)) != digest(pa.table(other))


def test_what_a_reader_gets_counts(digest):
    """Names, types and their order count, and so do the order of categories and the table's metadata."""
    small = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", "y"]})
    others = [
        small.rename_columns(["a", "c"]),
        small.select(["b", "a"]),
        small.cast(pa.schema([("a", pa.int32()), ("b", pa.string())])),
        small.cast(pa.schema([pa.field("a", pa.int64(), nullable=False), ("b", pa.string())])),
        small.replace_schema_metadata({"index": "a"}),
        pa.table({"a": small["a"], "b": pa.DictionaryArray.from_arrays([0, 1], ["x", "y"])}),
        pa.table({"a": small["a"], "b": pa.DictionaryArray.from_arrays([1, 0], ["y", "x"])}),
    ]
    digests = [digest(one) for one in (small, *others)]
    assert len(set(digests)) == len(digests)


def test_who_wrote_it_does_not_count(digest):
    """The order of metadata, and the versions in those of pandas, say nothing of a table."""

    def by_pandas(version, index="a"):
        told = {
            "creator": {"library": "pyarrow", "version": version},
            "pandas_version": version,
            "index_columns": [index],
        }
        return pa.table({"a": [1]}).replace_schema_metadata({"pandas": json.dumps(told)})

    assert digest(by_pandas("1.0")) == digest(by_pandas("2.0")) != digest(by_pandas("2.0", index="b"))
    assert digest(TABLE.replace_schema_metadata({"b": "2", "a": "1"})) == digest(TABLE)


def test_metadata_that_nobody_can_read(tmp_path):
    """What a writer left as pandas' metadata may be nested deeper than anybody looks."""
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"pandas": "[" * 100_000}), file)
    assert table_digest(file) is None


def test_tables_without_columns_or_rows(digest):
    """A table of nothing is a table, and how many rows it has counts."""
    assert digest(TABLE.slice(0, 0)) not in (None, digest(TABLE))
    assert digest(TABLE.select([])) is not None


def test_what_is_no_table(tmp_path):
    """A file that is no Parquet file, is cut off, a link or not there has no table."""
    file = tmp_path / "x.parquet"
    assert table_digest(file) is None
    pq.write_table(TABLE, file)
    (tmp_path / "link.parquet").symlink_to(file)
    assert table_digest(tmp_path / "link.parquet") is None
    file.write_bytes(file.read_bytes()[:-100])
    assert table_digest(file) is None
    file.write_text("a,b\n")
    assert table_digest(file) is None
