"""Schemas from data, and what two schemas have to do with each other."""

import gzip
import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema
from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.evolution import changes, compatibility
from cursus_sandbox.tables.inference import inferred
from cursus_sandbox.tables.synthetic import Recipe, write_table


@pytest.fixture
def columns(tmp_path):
    """The columns inferred from these files, each with its type, `!` where it is required, `?` where optional."""

    def columns_of(files, **options):
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True, parents=True)
            if isinstance(content, str):
                file.write_text(content)
            else:
                pq.write_table(pa.table(content), file)
        return {
            one.name: one.asks + "!" * one.constraints.required + "?" * one.optional
            for one in inferred(tmp_path, **options).schema.fields
        }

    return columns_of


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["1", "-2"], "integer!"),
        (["0", "1"], "integer!"),
        (["1", "2.5"], "number!"),
        (["1", ""], "integer"),
        (["01234", "99999"], "string!"),
        (["0", "0.5"], "number!"),
        (["0x1F"], "string!"),
        (["true", "False"], "boolean!"),
        (["2024-01-01"], "date!"),
        (["2024-01-01", "2024-01-01T10:00:00Z"], "datetime!"),
        (["2024-02-30"], "string!"),
        (["", ""], "any"),
        (["é", "1"], "string!"),
    ],
)
def test_the_narrowest_type_that_every_value_fits(columns, cells, found):
    """A column of text has the narrowest type of all its values; a leading zero, or no such day, makes it text."""
    assert columns({"a.csv": "k,a\n" + "".join(f"x,{cell}\n" for cell in cells)})["a"] == found


def test_a_late_value_counts(columns):
    """The last of a million values decides as much as the first."""
    assert columns({"a.csv": "a\n" + "1\n" * 1_000_000 + "1.5\n"}) == {"a": "number!"}


def test_several_files(columns):
    """Types of several files are widened, gaps are gaps of all, what one lacks is optional; markers are no data."""
    files = {"a.csv": "id,x\n1,2\n", "b.parquet": {"id": [1.5, None], "y": ["z", "z"]}, "_SUCCESS.csv": "no"}
    assert columns(files) == {"id": "number", "x": "integer!?", "y": "string!?"}


def test_a_name_that_two_columns_have(tmp_path):
    """A schema knows it once: that is said, with what to do."""
    (tmp_path / "d.csv").write_text("a,b,a\n1,2,3\n")
    found = inferred(tmp_path / "d.csv")
    assert [one.name for one in found.schema.fields] == ["a", "b"]
    assert found.doubts == (
        "d.csv: column 'a' is there 2 times; rename or drop all but one: readers disagree on which they take",
    )


def test_the_file_that_can_not_be_read(tmp_path):
    """A text that isn't UTF-8 is named among the files of a folder."""
    (tmp_path / "bad.csv").write_bytes(b"a,b\n1,\xff\xfe\n")
    (tmp_path / "well.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"^bad.csv: .*UTF8"):
        inferred(tmp_path)


def test_a_packed_file_that_breaks_off(tmp_path):
    """Where more than its beginning can be read, too: no schema is made of a part."""
    rows = "".join(f"{n},{hashlib.md5(b'%d' % n).hexdigest()}\n" for n in range(50_000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(f"id,name\n{rows}".encode(), 1)[:-1_000])
    with pytest.raises(ValueError, match=r"a\.csv\.gz: .*[Tt]runcated"):
        inferred(tmp_path)


def test_exact_types(columns):
    """Asked for them, Parquet's own types are given."""
    files = {"a.parquet": {"a": pa.array([1], pa.int8()), "b": pa.array([1], pa.timestamp("ms", "UTC"))}}
    assert columns(files, exact=True) == {"a": "int8!", "b": "timestamp[ms, tz=UTC]!"}


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([one for one in Family if one not in (Family.ARRAY, Family.OBJECT)]), min_size=1),
    st.sampled_from(["parquet", "csv"]),
)
def test_data_keep_the_schema_that_was_read_from_them(tmp_path_factory, kinds, end):
    """Whatever is in a table, the schema inferred from it is kept by it."""
    fields = [{"name": f"c{number}", "type": kind.value} for number, kind in enumerate(kinds)]
    folder = tmp_path_factory.mktemp("made")
    write_table(TableSchema.model_validate({"fields": fields, "glob": f"*.{end}"}), folder, Recipe(rows=30))
    assert DataCompatibilityValidator().check(folder, inferred(folder).schema, data="x").findings == ()


def schema(**kinds):
    fields = [
        {"name": name, "type": kind.strip("!?"), "constraints": {"required": "!" in kind}, "optional": "?" in kind}
        for name, kind in kinds.items()
    ]
    return TableSchema.model_validate({"fields": fields})


@pytest.mark.parametrize(
    ("old", "new", "reads"),
    [
        (schema(a="integer!"), schema(a="integer!"), "FULL"),
        (schema(a="integer!"), schema(a="number!"), "BACKWARD"),
        (schema(a="number!"), schema(a="integer!"), "FORWARD"),
        (schema(a="integer!"), schema(a="string!"), "NONE"),
        (schema(a="integer!", b="string"), schema(a="integer!"), "BACKWARD"),
        (schema(a="integer!"), schema(a="integer!", b="string"), "FORWARD"),
        (schema(a="integer!"), schema(a="integer!", b="string?"), "FULL"),
        (schema(a="integer!"), schema(a="integer"), "BACKWARD"),
    ],
)
def test_who_reads_whose_data(old, new, reads):
    """BACKWARD: whoever asks for the new schema reads the old data; FORWARD: the other way round."""
    assert compatibility(old, new) == reads
    assert bool(changes(old, new)) == (old != new)
