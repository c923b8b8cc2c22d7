"""JSON, archives and splits: what lies in a channel besides single tables."""

import gzip
import io
import json
import os
import tarfile

import pytest
from pydantic import ValidationError

from cursus_sandbox.tables import DataCompatibilityValidator, TableSchema

METRICS = {"type": "object", "required": ["auc"], "properties": {"auc": {"type": "number", "maximum": 1}}}


@pytest.fixture
def check(tmp_path):
    """Write files into a channel's folder, check it against a schema, and give kind, severity and message of each."""

    def checked(files, schema=None, **options):
        for name, content in files.items():
            file = tmp_path / "data" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        asked = None if schema is None else TableSchema.model_validate(schema)
        report = DataCompatibilityValidator(**options).check(
            tmp_path / "data", asked, data="a:b", schema_from="its contract"
        )
        return [(one.kind.value, one.severity.value, one.message) for one in report.findings]

    return checked


def archive(*names, mode="w:gz"):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as tar:  # its gzip header holds the time: give such parameters an id
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return raw.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.json", '{"auc": 0.7}', None),
        ("m.json", '{"auc": 7}', ("json", "error", "$.auc: 7 is greater than the maximum of 1")),
        ("m.json", "{}", ("json", "error", "$: 'auc' is a required property")),
        (
            "m.jsonl",
            '{"auc": 1}\n\n{"auc": 2}\n',
            ("json", "error", "$.auc: 2 is greater than the maximum of 1 (line 3)"),
        ),
        ("m.json.gz", gzip.compress(b'{"auc": "x"}', mtime=0), ("json", "error", "$.auc: 'x' is not of type 'number'")),
        ("m.json", '{"auc": NaN}', ("json", "error", "it holds NaN, which is no JSON")),
        ("m.json", '{"auc": 1', ("unreadable", "error", "not a readable JSON file: Expecting ',' delimiter in line 1")),
        ("m.json", "", ("unreadable", "error", "not a readable JSON file: Expecting value in line 1")),
        ("m.json", "[" * 100_000, ("unreadable", "error", "not a readable JSON file: ")),
        ("m.json", b"\xff\xfe{", ("unreadable", "error", "not a readable JSON file: ")),
    ],
)
def test_json_documents(check, name, content, said):
    """Each document, and each line of JSON Lines, keeps to the channel's jsonSchema."""
    found = check({name: content}, {"jsonSchema": METRICS})
    assert [one[:2] for one in found[:1]] == ([said[:2]] if said else [])
    assert not said or found[0][2].startswith(said[2])


def test_json_without_a_schema(check):
    """Without a schema NaN is a warning, for some readers take it. Lines of JSON pass in a .json file."""
    assert check({"a.json": '{"a": 1}\n{"a": 2}\n'}) == []
    assert check({"a.json": "[NaN]"}) == [("json", "warning", "it holds NaN, which is no JSON")]
    assert [one[:2] for one in check({"a.json": "{'a': 1}"})] == [("unreadable", "error")]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"type": 12}, "at $.type, 12 is not valid under any of the given schemas"),
        ({"properties": {"a": {"$ref": "https://example.com/a.json"}}}, "it refers to 'https://example.com/a.json'"),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "it refers to '#/$defs/a', which isn't in it"),
        ({"items": [{"pattern": "(["}]}, "at $.items"),
        ({"pattern": "(["}, "at $.pattern, '([' is not a 'regex'"),
    ],
)
def test_what_is_no_json_schema(rules, said):
    """A jsonSchema that can't be kept to is refused when it is read; nothing is fetched for it."""
    with pytest.raises(ValidationError, match="this is no JSON Schema: ") as caught:
        TableSchema.model_validate({"jsonSchema": rules})
    assert said in str(caught.value)


def test_a_json_schema_in_circles(check):
    """A jsonSchema that leads in circles is a finding, not an endless look; one that is a tree is kept to."""
    ((kind, severity, message),) = check({"m.json": "{}"}, {"jsonSchema": {"$ref": "#"}})
    assert (kind, severity, message[:36]) == ("not_checked", "error", "it can't be held to its jsonSchema: ")
    tree = {"type": "object", "additionalProperties": {"$ref": "#"}}
    assert check({"m.json": '{"a": {"b": {}}}'}, {"jsonSchema": tree}) == []


def test_members(check):
    """Each pattern of `members` matches a file of every archive; a name that leads outside is an error by itself."""
    asked = {"members": ["model.json", "code/*.py"]}
    assert check({"model.tar.gz": archive("model.json", "code/inference.py", "more")}, asked) == []
    assert check({"model.tar.gz": archive("./model.json")}, asked) == [
        ("missing_member", "error", "there is no 'code/*.py' in it; its contract asks for one")
    ]
    for name in ("../x", "/etc/x", "a/../../x"):
        ((kind, severity, message),) = check({"model.tar.gz": archive(name)})
        assert (kind, severity) == ("unsafe_member", "error")
        assert message.startswith(f"its member '{name}' would be written outside")


@pytest.mark.parametrize("said", ["path", "linkpath"])
def test_members_with_a_nul_in_their_names(check, said):
    """A name with a NUL in it, or a link to one, is an error: no file can be called so."""
    member, raw = tarfile.TarInfo("odd"), io.BytesIO()
    member.type, member.pax_headers = tarfile.SYMTYPE, {said: "a\0b"}
    with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
    ((kind, severity, message),) = check({"model.tar.gz": raw.getvalue()})
    assert (kind, severity) == ("unsafe_member", "error")
    assert "has a NUL in its name" in message


def test_members_before_they_are_packed(check):
    """Where there is no archive, as in a training job's /opt/ml/model, the files are what would be its members."""
    assert check({"model.json": "{}"}, {"members": ["model.json"]}) == []
    assert [one[0] for one in check({}, {"members": ["weights.bin"]})] == ["missing_member"]


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"no archive", archive("x" * 50)[:40]], ids=["two", "text", "cut"])
def test_archives_that_cannot_be_read(check, content):
    """An archive that is cut off, or none, is an error that says so."""
    ((kind, severity, message),) = check({"model.tar.gz": content})
    assert (kind, severity) == ("unreadable", "error")
    assert message.startswith("not a readable tar archive: ")


def test_pipes_are_not_waited_for(check, tmp_path):
    """A pipe called like an artifact is named, not opened."""
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data/m.json")
    assert [one[0] for one in check({})] == ["special_file"]


TRAIN = {"train/a.csv": "id,x,late\n1,2,0\n", "val/a.csv": "id,x,late\n1,2,0\n"}


def test_splits_that_agree(check):
    """Splits with the same columns are well, declared or not."""
    assert check(TRAIN) == []
    assert check({}, {"splits": ["train", "val"]}) == []


def test_splits_that_do_not(check):
    """A column that one split lacks is a warning where folders are only called like splits, an error where declared."""
    said = "column 'late' is missing in split 'test'; in split 'train' it is there"
    assert check({**TRAIN, "test/a.csv": "id,x\n1,2\n"}) == [("splits_disagree", "warning", said)]
    assert check({}, {"splits": ["train", "test"]}) == [("splits_disagree", "error", said)]
    assert check({}, {"splits": ["train", "holdout"]}) == [
        ("missing", "error", "split 'holdout' isn't there, or holds no table")
    ]


def test_reports_without_values(check):
    """A validator without values says where and what was asked for, and nothing that was in the data."""
    found = check({"m.json": json.dumps({"auc": "secret"})}, {"jsonSchema": METRICS}, values=False)
    assert [one[0] for one in found] == ["json"]
    assert "secret" not in found[0][2]
