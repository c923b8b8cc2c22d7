"""The texts of Arrow types, and which type may stand for which."""

import pyarrow as pa
import pytest

from cursus_sandbox.tables.arrow_types import Family, arrow_type, family_of, observed_type
from cursus_sandbox.tables.lattice import difference, families_conflict, family_difference

REAL_TYPES = [
    *(pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4)),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp("s"), pa.timestamp("ms", "UTC"), pa.timestamp("us", "Europe/Berlin"), pa.timestamp("ns", "+01:00")),
    *(pa.duration("s"), pa.duration("ns"), pa.month_day_nano_interval()),
    *(pa.decimal32(5, 2), pa.decimal64(10, 0), pa.decimal128(38, 10), pa.decimal256(76, 3), pa.decimal128(5, -2)),
    *(pa.list_(pa.int64()), pa.large_list(pa.string()), pa.list_(pa.float32(), 3), pa.list_view(pa.int8())),
    *(pa.dictionary(pa.int32(), pa.string()), pa.map_(pa.string(), pa.list_(pa.int64()))),
    pa.struct([("a b", pa.int64()), ("c", pa.struct([("d", pa.decimal128(5, 2)), ("e", pa.timestamp("us", "UTC"))]))]),
    pa.list_(pa.field("element", pa.struct([pa.field("x", pa.int8(), nullable=False)]), nullable=False)),
]


@pytest.mark.parametrize("real", REAL_TYPES, ids=str)
def test_reads_what_arrow_writes(real):
    """Every type is read from the text pyarrow gives it, and is itself again when written and read once more."""
    kind = arrow_type(str(real))
    assert arrow_type(str(kind)) == kind


@pytest.mark.parametrize(
    ("short", "real"),
    [
        ("double", pa.float64()),
        ("float", pa.float32()),
        ("halffloat", pa.float16()),
        ("date32", pa.date32()),
        ("decimal(10, 2)", pa.decimal128(10, 2)),
        ("list<string>", pa.list_(pa.string())),
        ("fixed_size_list<float>[3]", pa.list_(pa.float32(), 3)),
        ("dictionary<string>", pa.dictionary(pa.int8(), pa.string())),
        ("timestamp[us,tz=UTC]", pa.timestamp("us", "UTC")),
    ],
)
def test_short_names_mean_the_same(short, real):
    """The names people write mean the types pyarrow names more fully."""
    assert arrow_type(short) == arrow_type(str(real))


@pytest.mark.parametrize("text", ["", "int", "list<int>", "struct<int64>", "time32[ns]", "timestamp[us, UTC]", "x<y"])
def test_refuses_what_is_no_type(text):
    """A text that names no type is refused."""
    with pytest.raises(ValueError, match=r"\S"):
        arrow_type(text)


def test_a_type_we_cannot_read_stands_for_itself():
    """A column of an unknown type is equal to its like and to nothing else."""
    odd = observed_type("sparse_union<a: int8=0>")
    assert difference(odd, odd) is None
    assert difference(odd, arrow_type("int8")) is not None
    assert family_of(odd) is None


LATTICE = {
    "ok": [
        ("dictionary<string>", "string"),
        ("large_string", "string"),
        ("string_view", "large_string"),
        ("date64", "date32"),
        ("fixed_size_binary[8]", "fixed_size_binary[8]"),
        ("fixed_size_binary[8]", "large_binary"),
        ("large_list<int8>", "list<int64>"),
        ("int8", "int64"),
        ("uint32", "int64"),
        ("uint8", "uint16"),
        ("float32", "float64"),
        ("int16", "float32"),
        ("int32", "float64"),
        ("int64", "decimal128(19, 0)"),
        ("int32", "decimal128(12, 2)"),
        ("decimal128(5, 2)", "decimal128(7, 3)"),
        ("timestamp[ms]", "timestamp[ns]"),
        ("timestamp[us, tz=UTC]", "timestamp[us, tz=+00:00]"),
        ("time32[ms]", "time64[us]"),
        ("fixed_size_list<float>[3]", "list<double>"),
        ("struct<a: int8, b: string>", "struct<a: int64>"),
        ("list<null>", "list<int64>"),
    ],
    "lossy": [
        ("int64", "float64"),
        ("uint64", "double"),
        ("int32", "float32"),
        ("double", "float"),
        ("decimal128(5, 2)", "double"),
        ("timestamp[ns]", "timestamp[us]"),
        ("list<int64>", "list<double>"),
    ],
    "timezone": [("timestamp[us, tz=UTC]", "timestamp[us, tz=Europe/Berlin]")],
    "date_to_timestamp": [("date32", "timestamp[ns]")],
    "type": [("bool", "int8"), ("int8", "bool")],
    "error": [
        ("fixed_size_binary[8]", "fixed_size_binary[16]"),
        ("binary", "fixed_size_binary[8]"),
        ("int64", "int32"),
        ("int8", "uint8"),
        ("uint64", "int64"),
        ("double", "int64"),
        ("double", "decimal128(10, 2)"),
        ("decimal128(7, 3)", "decimal128(7, 2)"),
        ("int64", "decimal128(10, 2)"),
        ("string", "int64"),
        ("int64", "string"),
        ("binary", "string"),
        ("timestamp[us]", "date32"),
        ("timestamp[us]", "timestamp[us, tz=UTC]"),
        ("list<int64>", "fixed_size_list<int64>[3]"),
        ("fixed_size_list<int64>[2]", "fixed_size_list<int64>[3]"),
        ("struct<a: int8>", "struct<b: int8>"),
        ("list<string>", "list<int64>"),
        ("map<string, double>", "map<string, int64>"),
    ],
}


@pytest.mark.parametrize(
    ("verdict", "found", "asked"), [(verdict, *pair) for verdict, pairs in LATTICE.items() for pair in pairs]
)
def test_lattice(verdict, found, asked):
    """Widening is well, losing digits a warning, and changing the meaning an error."""
    gap = difference(arrow_type(found), arrow_type(asked))
    if verdict == "ok":
        assert gap is None
    elif verdict == "error":
        assert gap is not None
        assert gap.severity == "error"
    else:
        assert gap is not None
        assert (gap.severity, gap.kind) == ("warning", verdict)


@pytest.mark.parametrize("real", REAL_TYPES, ids=str)
def test_every_type_may_stand_for_itself(real):
    """A type is no different from itself, nor from its own family."""
    kind = arrow_type(str(real))
    family = family_of(kind)
    assert difference(kind, kind) is None
    assert family_difference(kind, Family.ANY) is None
    assert family is None or family_difference(kind, family) is None


def test_nested_differences_say_where():
    """A difference inside a nested type comes with the path that leads to it."""
    gap = difference(arrow_type("struct<a: struct<b: string>>"), arrow_type("struct<a: struct<b: int64>>"))
    assert gap is not None
    assert (gap.path, gap.found, gap.asked) == (".a.b", "string", "int64")


@pytest.mark.parametrize(
    ("found", "family", "severity"),
    [
        ("uint8", Family.INTEGER, None),
        ("int64", Family.NUMBER, None),
        ("decimal128(5, 2)", Family.NUMBER, None),
        ("decimal128(38, 0)", Family.INTEGER, "warning"),
        ("double", Family.INTEGER, "error"),
        ("bool", Family.INTEGER, "warning"),
        ("int64", Family.BOOLEAN, "warning"),
        ("double", Family.BOOLEAN, "error"),
        ("dictionary<string>", Family.STRING, None),
        ("binary", Family.STRING, "error"),
        ("date32", Family.DATETIME, "warning"),
        ("timestamp[ns]", Family.DATE, "error"),
        ("map<string, int64>", Family.OBJECT, None),
        ("null", Family.DATE, None),
    ],
)
def test_families_take_any_width(found, family, severity):
    """A family takes every width of its kind, and warns where only the values can tell."""
    gap = family_difference(arrow_type(found), family)
    assert (gap and gap.severity) == severity


def test_promised_families():
    """A promised family conflicts with another only where that can be proved."""
    assert families_conflict(Family.INTEGER, Family.NUMBER) is None
    assert families_conflict(Family.ANY, Family.DATE) is None
    assert families_conflict(Family.NUMBER, Family.INTEGER) == "error"
    assert families_conflict(Family.BOOLEAN, Family.INTEGER) == "warning"
