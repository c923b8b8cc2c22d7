"""Made-up tables keep their schema, are the same for the same seed, and can be learned from."""

import hashlib
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.schema import TableSchema, like_another
from cursus_sandbox.tables.synthetic import CHUNK, Recipe, batches, write_table
from cursus_sandbox.tables.validator import DataCompatibilityValidator

FLIGHTS = [
    {"name": "id", "type": "integer", "constraints": {"required": True}},
    {"name": "hour", "type": "integer"},
    {"name": "wind", "type": "number"},
    {"name": "carrier", "type": "string", "constraints": {"required": True}},
    {"name": "late", "type": "integer", "constraints": {"required": True}},
]
EXACT = ("int8", "uint16", "int32", "float32", "decimal128(9, 2)", "timestamp[ns, tz=UTC]", "time64[us]", "date64")


def schema(fields, **words):
    return TableSchema.model_validate({"fields": fields, **words})


def table(fields, **recipe):
    return pa.Table.from_batches(batches(schema(fields), Recipe(**recipe)))


def problems(folder, asked):
    return DataCompatibilityValidator().check(folder, asked, data="x").errors


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.sampled_from(list(Family)), st.sampled_from(EXACT)), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
    st.booleans(),
)
def test_any_schema_is_kept(tmp_path_factory, kinds, rows, nasty):
    """Whatever the types, what is made up for a schema passes its check."""
    fields = [
        {
            "name": f"c{number}",
            **({"type": kind.value} if isinstance(kind, Family) else {"arrow": kind}),
            "constraints": {"required": required},
        }
        for number, (kind, required) in enumerate(kinds)
    ]
    folder = tmp_path_factory.mktemp("made")
    file = write_table(schema(fields), folder, Recipe(rows=rows, nasty=nasty))
    assert problems(folder, schema(fields)) == ()
    assert pq.read_metadata(file).num_rows == rows


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("**/*", "part-0.parquet"),
        ("*.csv", "part-0.csv"),
        ("train/**/*.tsv.gz", "train/part-0.tsv.gz"),
        ("flights.csv", "flights.csv"),
        ("day=*/part-?.parquet", "day=a/part-0.parquet"),
    ],
)
def test_names_and_formats(tmp_path, glob, name):
    """A table lies where its schema's glob looks for it, in the format that names."""
    asked = schema(FLIGHTS, glob=glob)
    file = write_table(asked, tmp_path, Recipe(rows=20))
    assert str(file.relative_to(tmp_path)) == name
    assert problems(tmp_path, asked) == ()


def test_the_same_for_the_same_seed(tmp_path):
    """The bytes of a file depend on seed and place alone; this one's are known."""
    files = [write_table(schema(FLIGHTS, glob=f"{n}.csv"), tmp_path, Recipe(rows=100, seed=7)) for n in "ab"]
    digests = {hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
    assert digests == {"835e6e04f0b99237"}
    assert table(FLIGHTS, seed=7) != table(FLIGHTS, seed=8)
    assert table(FLIGHTS, place="a") != table(FLIGHTS, place="b")


def test_columns_and_rows_that_are_added_change_nothing():
    """Each column has its own stream, each chunk of rows too: what was there stays as it was."""
    few, more = table(FLIGHTS[:3], rows=50), table([{"name": "new", "type": "date"}, *FLIGHTS], rows=CHUNK + 50)
    assert more.slice(0, CHUNK).column("hour") == table(FLIGHTS, rows=CHUNK).column("hour")
    assert few.column("wind").to_pylist() != more.slice(CHUNK, 50).column("wind").to_pylist()


def test_a_key_counts():
    """The key column has no value twice, over all chunks; as text it has leading zeros."""
    assert table(FLIGHTS, rows=CHUNK + 5, key="id").column("id").to_pylist() == list(range(CHUNK + 5))
    text = table([{"name": "id", "type": "string"}], rows=2, key="id")
    assert text.column("id").to_pylist() == ["000000000", "000000001"]


@pytest.mark.parametrize("keyed", [{"primaryKey": ["id", "wind"]}, {"primaryKey": "code"}, {}])
def test_a_table_like_another_joins_with_it(keyed):
    """The columns of a key are the same in all tables of one seed, of any place and of any number of rows."""
    code = {"name": "code", "type": "string", "constraints": {"pattern": "[A-Z]{2}-[0-9]{4}", "unique": not keyed}}
    first = schema([*FLIGHTS, code], **keyed)
    other = like_another(first, TableSchema.model_validate({"like": {"channel": "first", "minus": ["hour"]}}))
    keys = [*first.primary_key] or ["code"]
    (one,), (two,) = (
        batches(first, Recipe(rows=50, place="a:first/")),
        batches(other, Recipe(rows=40, place="b:other/")),
    )
    assert pa.table(one).join(pa.table(two).select(keys), keys, join_type="inner").num_rows == 40
    assert one.slice(0, 40).column("carrier") != two.column("carrier")


@pytest.mark.parametrize("kind", ["integer", "number", "boolean", "string"])
def test_a_label_can_be_learned(kind):
    """The label has two values, neither rare, and goes with the numbers of its row, not with the key."""
    fields = [*FLIGHTS[:4], {"name": "late", "type": kind}]
    made = table(fields, rows=4000, label="late", key="id")
    label = np.array([one in (1, True, "yes") for one in made.column("late").to_pylist()], dtype=float)
    assert 0.2 < label.mean() < 0.6
    for name, low, high in (("hour", 0.3, 1), ("wind", 0.3, 1), ("id", -0.1, 0.1)):
        numbers = made.column(name).cast("float64").fill_null(500.0).to_numpy()
        assert low < np.corrcoef(numbers, label)[0, 1] < high


def test_gaps_where_they_may_be():
    """A column that isn't required has some nulls, one that is has none."""
    made = table(FLIGHTS, rows=1000)
    assert 20 < made.column("wind").null_count < 100
    assert made.column("carrier").null_count == 0


def test_nasty_rows_come_first():
    """Edges lie in the first rows: text that looks like numbers, or like no value, quotes and line ends."""
    made = table([{"name": "s", "type": "string", "constraints": {"required": True}}], rows=30, nasty=True)
    assert {"", "007", "NA", "two\nlines", 'say "no"'} <= set(made.column("s").to_pylist()[:11])


@pytest.mark.parametrize("glob", ["*.parquet", "*.csv"])
@pytest.mark.parametrize("nasty", [False, True])
@pytest.mark.parametrize(
    ("kind", "constraints"),
    [
        ("integer", {"exclusiveMinimum": 0, "exclusiveMaximum": 3}),
        ("integer", {"minimum": 1_000_000, "unique": True}),
        ("integer", {"minimum": -250, "maximum": 249, "unique": True}),
        ("integer", {"enum": [3, 5]}),
        ("integer", {"maximum": -7}),
        ("number", {"exclusiveMinimum": 0, "maximum": 1, "finite": True}),
        ("number", {"minimum": 0, "maximum": 1, "unique": True}),
        ("number", {"minimum": 0.25, "maximum": 0.2500001}),
        ("string", {"minLength": 12}),
        ("string", {"minLength": 2, "maxLength": 2}),
        ("string", {"maxLength": 3, "unique": True}),
        ("string", {"pattern": "[A-Z]{3}[0-9]{2,4}"}),
        ("string", {"pattern": r"\d{4}-(a|bc)?[^x]\w+", "unique": True}),
        ("string", {"enum": ["a", "b"]}),
        ("date", {"minimum": date(2020, 1, 1), "maximum": date(2020, 2, 1)}),
        ("date", {"exclusiveMinimum": date(2020, 1, 1), "unique": True}),
        ("datetime", {"maximum": datetime(2020, 1, 1)}),  # noqa: DTZ001
        ("datetime", {"unique": True}),
    ],
)
def test_constraints_are_kept(tmp_path, kind, constraints, glob, nasty):
    """Whatever a column's constraints, what is made up for it passes its check, with nulls and edges in it."""
    asked = schema([{"name": "x", "type": kind, "constraints": constraints}], glob=glob, checks={"depth": "full"})
    write_table(asked, tmp_path, Recipe(rows=500, nasty=nasty))
    assert problems(tmp_path, asked) == ()


def test_a_schema_of_the_whole_table_is_kept(tmp_path):
    """Keys differ, over all chunks; there are as many rows as the schema allows; a label keeps to its list."""
    fields = [*FLIGHTS[:4], {"name": "late", "type": "string", "constraints": {"enum": ["on time", "late"]}}]
    asked = schema(fields, primaryKey=["hour", "id"], rows={"min": CHUNK + 10, "max": CHUNK + 20})
    file = write_table(asked, tmp_path, Recipe(rows=5, label="late"))
    assert problems(tmp_path, asked) == ()
    assert pq.read_metadata(file).num_rows == CHUNK + 10


@pytest.mark.parametrize(
    ("kind", "constraints", "said"),
    [
        ("integer", {"minimum": 1, "maximum": 5, "unique": True}, "of the 9 values that are to differ there are 5"),
        ("integer", {"minimum": 5, "exclusiveMaximum": 5}, "no value lies within its constraints"),
        ("string", {"pattern": "[ab]", "unique": True}, "2 different texts were found"),
        ("string", {"pattern": "a", "minLength": 2}, "no text was found that keeps to its constraints"),
        ("string", {"pattern": "(?=a)b"}, "a pattern with assert is more than can be made up"),
        ("boolean", {"unique": True}, "of the 9 values that are to differ there are 2"),
    ],
)
def test_what_no_data_can_keep(kind, constraints, said):
    """Constraints that no values keep to, or that are not understood, are refused with the column."""
    with pytest.raises(ValueError, match=f"column 'x': {said}"):
        table([{"name": "x", "type": kind, "constraints": constraints}], rows=9)


def test_texts_kept_once():
    """A column of a dictionary's values is made up like one of the values themselves."""
    made = table([{"name": "x", "arrow": "dictionary<values=string, indices=int32, ordered=0>"}], rows=9)
    assert made["x"].type == pa.dictionary(pa.int32(), pa.string())


def test_types_that_are_not_made_up():
    """A type nothing is known of is refused with its column."""
    with pytest.raises(ValueError, match=r"column .x.: no data can be made up for month_day_nano_interval"):
        table([{"name": "x", "arrow": "month_day_nano_interval"}])
