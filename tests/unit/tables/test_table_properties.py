"""What holds for every schema and every table written from it."""

import csv
import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from cursus_sandbox.tables import DataCompatibilityValidator, Field, TableSchema
from cursus_sandbox.tables.arrow_types import arrow_type, family_of
from cursus_sandbox.tables.evolution import Compatibility, changes, compatibility
from cursus_sandbox.tables.inference import inferred
from cursus_sandbox.tables.lattice import difference

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=8)
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001
INTEGERS = {bits: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}

FLAT = [
    *((kind, INTEGERS[kind.bit_width]) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    (pa.uint8(), st.integers(0, 2**8 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.date32(), st.dates(dt.date(1, 1, 1))),
    (pa.timestamp("s"), MOMENTS),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("ms", "UTC"), MOMENTS),
    (pa.time32("s"), st.times()),
    (pa.time64("us"), st.times()),
    (pa.decimal128(10, 2), st.decimals(-(10**7), 10**7, places=2)),
]
NESTED = [
    (pa.binary(), st.binary(max_size=4)),
    (pa.duration("us"), st.timedeltas(dt.timedelta(-9), dt.timedelta(9))),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
    (pa.list_(pa.int32()), st.lists(st.none() | INTEGERS[32], max_size=3)),
    (pa.struct([("a", pa.int64()), ("b", pa.string())]), st.fixed_dictionaries({"a": INTEGERS[64], "b": TEXT})),
    (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(TEXT, INTEGERS[64]), max_size=2)),
    (pa.decimal128(5, 2), st.just(Decimal("1.25"))),
]


@st.composite
def tables(draw, kinds):
    """A schema, and rows that it allows."""
    names = draw(st.lists(TEXT.filter(str.strip), min_size=2, max_size=4, unique=True))
    rows = draw(st.integers(1, 5))
    fields, columns = [], []
    for name in names:
        kind, values = draw(st.sampled_from(kinds))
        required, exact = draw(st.booleans()), draw(st.booleans())
        family = family_of(arrow_type(str(kind)))
        asked = {"arrow": str(kind)} if exact or family is None else {"type": family}
        fields.append(Field.model_validate({"name": name, **asked, "constraints": {"required": required}}))
        cells = draw(st.lists(values if required else st.none() | values, min_size=rows, max_size=rows))
        columns.append(pa.array(cells, kind))
    match = draw(st.sampled_from(["exact", "equal", "subset", "superset", "partial"]))
    return TableSchema(fields=tuple(fields), fieldsMatch=match), pa.table(columns, names)


def findings(write, schema, name):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return DataCompatibilityValidator().check(Path(folder), schema, data="a:b").errors


def plainly(table, path):
    """Write as Python's csv module does, with no more quotes than needed; a null is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_NOTNULL if hasattr(csv, "QUOTE_NOTNULL") else csv.QUOTE_MINIMAL)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))


def quick(test):
    return settings(max_examples=25, deadline=None, database=None)(test)


@quick
@given(tables([*FLAT, *NESTED]))
def test_parquet_written_from_a_schema_is_compatible(drawn):
    """A Parquet file written from a schema never breaks it."""
    schema, table = drawn
    assert findings(lambda path: pq.write_table(table, path), schema, "a.parquet") == ()


@quick
@given(tables(FLAT))
def test_csv_written_from_a_schema_is_compatible(drawn):
    """A CSV file written from a schema never breaks it."""
    schema, table = drawn
    assert findings(lambda path: pacsv.write_csv(table, path), schema, "a.csv") == ()


@quick
@given(tables([(kind, values) for kind, values in FLAT if values is not TEXT]))
def test_plain_csv_written_from_a_schema_is_compatible(drawn):
    """A CSV file that another writer wrote from a schema never breaks it."""
    schema, table = drawn
    assert findings(lambda path: plainly(table, path), schema, "a.csv") == ()


@quick
@given(tables(FLAT), st.data())
def test_a_dropped_column_is_always_found(drawn, data):
    """Whichever declared column is left out, exactly that one is found, in Parquet and in CSV."""
    schema, table = drawn
    schema = schema.model_copy(update={"fields_match": "equal"})
    schema = TableSchema(fields=schema.fields, fieldsMatch="equal")
    dropped = data.draw(st.sampled_from(table.column_names))
    rest = table.drop_columns([dropped]).append_column("\x7fkept", pa.array(["v"] * table.num_rows))
    schema = TableSchema(fields=(*schema.fields, Field(name="\x7fkept")), fieldsMatch="subset")
    for name, write in (("a.parquet", pq.write_table), ("a.csv", pacsv.write_csv)):
        found = findings(lambda path, write=write: write(rest, path), schema, name)
        assert [(finding.kind, finding.column) for finding in found] == [("missing_column", dropped)]


@quick
@given(tables([*FLAT, *NESTED]), st.booleans())
def test_parquet_keeps_what_was_inferred_from_it(drawn, exact):
    """Whatever is in a Parquet file, the schema inferred from it, by families or exactly, is kept by it."""
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(drawn[1], Path(folder) / "a.parquet")
        asked = inferred(Path(folder), exact=exact).schema
        assert DataCompatibilityValidator().check(Path(folder), asked, data="a:b").errors == ()


@quick
@given(tables(FLAT))
def test_csv_keeps_what_was_inferred_from_it(drawn):
    """Whatever is in a CSV file, the schema inferred from it is kept by it."""
    with tempfile.TemporaryDirectory() as folder:
        pacsv.write_csv(drawn[1], Path(folder) / "a.csv")
        asked = inferred(Path(folder)).schema
        assert DataCompatibilityValidator().check(Path(folder), asked, data="a:b").errors == ()


@quick
@given(tables([*FLAT, *NESTED]))
def test_a_schema_reads_its_own_data(drawn):
    """No column of a schema differs from itself, and each of the two reads the other's data."""
    schema, _ = drawn
    assert changes(schema, schema) == ()
    assert compatibility(schema, schema) is Compatibility.FULL


def test_what_is_well_in_two_steps_is_well_in_one():
    """If a type may stand for another, and that for a third, with nothing to be said, so may the first for it."""
    kinds = {arrow_type(str(kind)) for kind, _ in [*FLAT, *NESTED]}
    well = {kind: {other for other in kinds if difference(kind, other) is None} for kind in kinds}
    for kind, others in well.items():
        assert kind in others
        assert set().union(*(well[other] for other in others)) == others
