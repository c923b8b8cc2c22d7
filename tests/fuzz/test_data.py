"""Whatever becomes of a file that a step left, looking at it gives findings: no traceback, no endless look."""

import gzip
import io
import json
import tarfile

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from mutations import damages, fuzzed

from cursus_sandbox.inputs.manifests import listed
from cursus_sandbox.sagemaker.model import ModelError, unpack
from cursus_sandbox.tables.content import table_digest
from cursus_sandbox.tables.inference import inferred
from cursus_sandbox.tables.preview import table_preview
from cursus_sandbox.tables.schema import TableSchema
from cursus_sandbox.tables.validator import DataCompatibilityValidator
from cursus_sandbox.untrusted import empty

# pyarrow prints a traceback of its own for a ragged row that isn't UTF-8; the command line keeps it back.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
ROWS = 40
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "name": [f'name "{n}", é' if n % 7 else None for n in range(ROWS)],
        "share": [n / 7 for n in range(ROWS)],
        "late": [n % 2 == 0 for n in range(ROWS)],
        "day": pa.array(range(ROWS), pa.int32()).cast(pa.date32()),
        "at": pa.array([n * 10**9 for n in range(ROWS)], pa.timestamp("us", "UTC")),
    }
)
SCHEMA = TableSchema.model_validate(
    {
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True, "unique": True, "minimum": 0}},
            {"name": "name", "type": "string", "constraints": {"pattern": "name.*", "maxLength": 30}},
            {"name": "share", "type": "number", "constraints": {"maximum": 10}},
            {"name": "late", "type": "boolean"},
            {"name": "day", "type": "date"},
            {"name": "at", "type": "datetime"},
        ],
        "primaryKey": ["id", "name"],
        "checks": {"depth": "full"},
    }
)
METRICS = TableSchema.model_validate(
    {"jsonSchema": {"type": "object", "required": ["auc"], "properties": {"auc": {"maximum": 1}}}}
)
MEMBERS = TableSchema.model_validate({"members": ["model.json", "code/*.py"]})


def _parquet(**settings):
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, row_group_size=15, **settings)
    return sink.getvalue()


def _csv(delimiter=","):
    sink = io.BytesIO()
    pacsv.write_csv(TABLE, sink, pacsv.WriteOptions(delimiter=delimiter))
    return sink.getvalue()


def _tar(mode="w"):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:
        for name, content in (("model.json", b"{}"), ("code/inference.py", b"pass\n"), ("x" * 200, b"long")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "model.json"
        archive.addfile(link)
    return sink.getvalue()


JSON = json.dumps({"auc": 0.7, "deep": {"a": [1, 2.5, None, True, 'é"\\'], "b": {}}}, indent=1).encode()
LINES = b"".join(json.dumps({"auc": n / 10, "text": "x" * n}).encode() + b"\n" for n in range(12))
MANIFEST = b'[{"prefix": "./folder/"}, "a.csv", "deep/b.csv"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def look(folder, name, content, *schemas):
    """Look at it in each way there is; every finding can be written as JSON, and shown."""
    empty(folder)
    (folder / name).write_bytes(content)
    for schema in (None, *schemas):
        report = DataCompatibilityValidator().check(folder, schema, data="step:out")
        report.model_dump_json()
        for finding in report.findings:
            str(finding).encode("utf-8")
    table_preview(folder)
    if name.endswith((".csv", ".tsv", ".parquet", ".csv.gz")):
        try:
            inferred(folder)
        except ValueError as error:
            assert str(error)  # noqa: PT017 -- what keeps it from being a table


@fuzzed
@given(content=damages(_parquet()))
def test_any_parquet(folder, content):
    """A Parquet file after any accident."""
    look(folder, "a.parquet", content, SCHEMA)
    table_digest(folder / "a.parquet")


@fuzzed
@given(content=damages(_parquet(compression="zstd", version="1.0", use_dictionary=False)))
def test_any_other_parquet(folder, content):
    """A Parquet file of another version and compression, packed once more."""
    look(folder, "a.parquet", content, SCHEMA)
    table_digest(folder / "a.parquet")
    look(folder, "a.parquet.gz", gzip.compress(content, 1), SCHEMA)


@fuzzed
@given(content=damages(_csv()))
def test_any_csv(folder, content):
    """A CSV file, plain and packed."""
    look(folder, "a.csv", content, SCHEMA)
    look(folder, "a.csv.gz", gzip.compress(content, 1), SCHEMA)


@fuzzed
@given(content=damages(_csv("\t")))
def test_any_tsv(folder, content):
    """A TSV file."""
    look(folder, "a.tsv", content, SCHEMA)


@fuzzed
@given(content=damages(gzip.compress(_csv(), mtime=0)))
def test_any_gzip(folder, content):
    """A packed file whose packing is damaged."""
    look(folder, "a.csv.gz", content, SCHEMA)
    look(folder, "a.json.gz", content, METRICS)


@fuzzed
@given(content=damages(JSON))
def test_any_json(folder, content):
    """A JSON document."""
    look(folder, "metrics.json", content, METRICS)


@fuzzed
@given(content=damages(LINES))
def test_any_json_lines(folder, content):
    """Lines of JSON."""
    look(folder, "a.jsonl", content, METRICS)


@fuzzed
@given(content=damages(_tar()))
def test_any_archive(folder, content):
    """A tar archive: looked into, and unpacked as a model would be."""
    look(folder, "model.tar", content, MEMBERS)
    packed = gzip.compress(content, 1)
    look(folder, "model.tar.gz", packed, MEMBERS)
    unpacked(folder)


@fuzzed
@given(content=damages(_tar("w:gz")))
def test_any_packed_archive(folder, content):
    """A gzipped archive whose packing is damaged."""
    look(folder, "model.tar.gz", content, MEMBERS)
    unpacked(folder)


def unpacked(folder):
    """Unpack it; nothing lands beside the folder it is unpacked in."""
    try:
        unpack(folder / "model.tar.gz", folder / "inside/model", size=1 << 20)
    except ModelError as error:
        assert "model.tar.gz" in str(error)  # noqa: PT017
    assert sorted(one.name for one in folder.iterdir()) == ["inside", "model.tar.gz"]
    assert [one.name for one in (folder / "inside").iterdir()] == ["model"]


@fuzzed
@given(content=damages(MANIFEST))
@example(content=MANIFEST.replace(b"./folder", b"9" * 5000))
def test_any_manifest(folder, content):
    """A manifest of single objects."""
    empty(folder)
    (folder / "folder/deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv"):
        (folder / "folder" / name).touch()
    (folder / "manifest.json").write_bytes(content)
    try:
        listed(folder / "manifest.json")
    except ValueError as error:
        assert str(error)  # noqa: PT017
