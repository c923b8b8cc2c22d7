"""A YAML or JSON file becomes a plain tree with the line of every node, or an error that names file and line."""

import json
import os
import re
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cursus_sandbox.documents.reading import read_tree
from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.values import text


@pytest.fixture
def tree(tmp_path):
    """Read text or bytes as a file of that name."""

    def tree_of(content, name="dag.yaml"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return read_tree(file)

    return tree_of


@pytest.fixture
def refused(tree):
    """Read text or bytes as a file of that name; the line and words of what is wrong with it."""

    def problem_of(content, name="dag.yaml"):
        try:
            found = tree(content, name).problems
        except DocumentError as error:
            found = error.problems
        assert len(found) == 1, found
        assert found[0].file.name == name
        return found[0].line, f"{found[0].what} {found[0].hint}"

    return problem_of


def test_every_node_has_the_line_it_begins_on(tree):
    """A tree knows the line of each key and list element, and of what isn't written the nearest around it."""
    read = tree("# first\nsteps:\n  a:\n    inputs: {x: 1}\n  b:\n    - one\n\n    - two\n")

    assert read.content == {"steps": {"a": {"inputs": {"x": 1}}, "b": ["one", "two"]}}
    assert {place: read.line(place) for place in [("steps",), ("steps", "a", "inputs", "x"), ("steps", "b", 1)]} == {
        ("steps",): 2,
        ("steps", "a", "inputs", "x"): 4,
        ("steps", "b", 1): 8,
    }
    assert read.line(("steps", "a", "env", "NAME")) == 3


def test_json_has_lines_too(tree):
    """A JSON document's nodes have lines as a YAML document's have."""
    read = tree('{\n  "dag": {\n    "nodes": ["a",\n\t"b"]\n  }\n}', "x.dag.json")
    assert [read.line(("dag", "nodes", index)) for index in range(2)] == [3, 4]


def test_duplicate_keys_are_all_named(tree):
    """A key that is written twice is a problem that names both lines, and reading goes on to the next one."""
    read = tree("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(one.line, one.what) for one in read.problems] == [
        (4, "'c' is written twice; it stands in line 3 already"),
        (5, "'a' is written twice; it stands in line 1 already"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        pytest.param("a: 1\n---\nb: 2\n", 2, "several documents", id="several documents"),
        pytest.param("a: !!python/object:os.system x\n", 1, "!!python/object:os.system is not allowed", id="tag"),
        pytest.param("a: !mine {b: 1}\n", 1, "!mine is not allowed", id="own tag"),
        pytest.param("a: *b\n", 1, "alias", id="alias to nothing"),
        pytest.param("a: &b [*b]\n", 1, "alias *b points at nothing that is complete", id="alias within itself"),
        pytest.param("a: 1\n\nb: x\0y\n", 3, "NUL", id="NUL"),
        pytest.param(b"a: 1\nb: \xe9\n", 2, "not UTF-8 (byte 0xe9)", id="latin 1"),
        pytest.param("a: 1\n".encode("utf-16"), 1, "not UTF-8", id="UTF-16"),
        pytest.param("a: 1\n".encode("utf-16-le"), 1, "saved as UTF-8", id="UTF-16 without a mark"),
        pytest.param("a: 1\nb: \x07\n", 2, "control character '\\x07'", id="control character"),
        pytest.param("a: 1\nb: [1\n", 3, "not YAML", id="open bracket"),
        pytest.param("a:\n\tb: 1\n", 2, "not with tabs", id="tab"),
        pytest.param("a: 1\nno: 2\n", 2, "YAML reads this one as false", id="key no"),
        pytest.param("~: 2\n", 1, "YAML reads this one as null", id="key null"),
        pytest.param("? [a, b]\n: 1\n", 1, "a key is text, not a list", id="list as key"),
        pytest.param("a: &x {b: 1}\n*x : 1\n", 2, "a key is text, not a mapping", id="alias as key"),
        pytest.param("a: 1\n<<: 5\n", 2, "merges mappings", id="merge of a number"),
        pytest.param("a: 010\n", 1, "'010' in quotes", id="octal"),
        pytest.param("a: 0x1F\n", 1, "'0x1F' in quotes", id="hexadecimal"),
        pytest.param("a: 0b11\n", 1, "'0b11' in quotes", id="binary"),
        pytest.param("a: 12:30:45\n", 1, "'12:30:45' in quotes", id="sexagesimal"),
        pytest.param("a: 1:30.5\n", 1, "'1:30.5' in quotes", id="sexagesimal fraction"),
        pytest.param("a: 1_000\n", 1, "'1_000' in quotes", id="underscore"),
        pytest.param("a: " + "9" * 5000, 1, "a number of 5000 digits", id="5000 digits"),
    ],
)
def test_yaml_that_is_no_plain_document(refused, content, line, words):
    """What isn't one plain, unambiguous YAML document is refused with its line."""
    found, said = refused(content)
    assert (found, words in said) == (line, True), said


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        pytest.param('{"a": 1,\n "b": }', 2, "not JSON: expecting value, column 7", id="syntax"),
        pytest.param('{"a": 1}\n{"b": 2}', 2, "not JSON: extra data", id="several documents"),
        pytest.param('{"a":\n "x\ty"}', 2, "invalid control character", id="tab inside a string"),
        pytest.param("{'a': 1}", 1, "not JSON", id="YAML in a JSON file"),
        pytest.param('{"a": 1,\n"a": 2}', 2, "'a' is written twice; it stands in line 1 already", id="duplicate key"),
        pytest.param('{"a": 1,\n"\\u0061": 2}', 2, "'a' is written twice", id="duplicate key, escaped"),
        pytest.param('{"a":\nNaN}', 2, "NaN is no JSON value", id="NaN"),
        pytest.param('{"a":\n-Infinity}', 2, "-Infinity is no JSON value", id="infinity"),
        pytest.param('{"a":\n' + "9" * 5000 + "}", 2, "a number of 5000 digits", id="5000 digits"),
        pytest.param('{"a": 010}', 1, "not JSON", id="octal"),
        pytest.param(b'{"a": "\xff"}', 1, "not UTF-8", id="not UTF-8"),
    ],
)
def test_json_that_is_no_plain_document(refused, content, line, words):
    """What isn't JSON, or is JSON only by Python's grace, is refused with its line."""
    found, said = refused(content, "dag.json")
    assert (found, words in said) == (line, True), said


@pytest.mark.parametrize("name", ["dag.yaml", "dag.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
def test_deep_nesting_is_refused_at_once(refused, name, content):
    """A hundred thousand brackets neither crash nor take long."""
    started = time.monotonic()
    assert re.search("not JSON|nested deeper than 64 levels", refused(content, name)[1])
    assert time.monotonic() - started < 2


def test_a_hundred_levels_of_json_are_too_deep(refused):
    """JSON that Python would still read is bounded like YAML, and its line is known."""
    assert refused("[\n" * 100 + "]" * 100, "dag.json")[0] == 65


def test_billion_laughs_is_refused_at_once(refused):
    """Aliases that unfold to a thousand million nodes are refused before they do."""
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    assert "unfolds to more than 500,000 nodes" in refused("\n".join(lines))[1]
    assert time.monotonic() - started < 2


def test_merging_bomb_is_refused_at_once(refused):
    """Merge keys that unfold without end are refused as aliases are."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: v}}" for n in range(1, 10)]
    started = time.monotonic()
    assert "unfolds to more than" in refused("\n".join(lines))[1]
    assert time.monotonic() - started < 2


def test_aliases_and_merge_keys_are_read(tree):
    """An alias repeats its anchor; what is written wins over what is merged, and an earlier merge over a later."""
    read = tree("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 0}\nd: *a\ne: {'<<': 1}\nf: <<\n")
    assert read.content["c"] == {"x": 0, "y": 1, "z": 2}
    assert read.content["d"] == read.content["a"]
    assert (read.content["e"], read.content["f"]) == ({"<<": 1}, "<<")
    assert not read.problems


def test_scalars(tree):
    """YAML's scalars are what YAML 1.1 and 1.2 agree on; dates and versions stay text."""
    read = tree("[null, ~, true, yes, off, 1, -2, 0, 1.5, .5, 1e3, .inf, 2024-01-01, 1.2.3, 'no', \"010\", +7, ! x]")
    assert read.content == [
        *(None, None, True, True, False, 1, -2, 0, 1.5, 0.5, "1e3", float("inf")),
        *("2024-01-01", "1.2.3", "no", "010", 7, "x"),
    ]
    assert not read.problems


def test_a_number_key_is_text_as_written(tree):
    """A number as a key is the text that stands there."""
    assert tree("1: a\n1.10: b\n").content == {"1": "a", "1.10": "b"}


@pytest.mark.parametrize("name", ["dag.yaml", "dag.json"])
def test_byte_order_mark_is_no_content(tree, name):
    """A UTF-8 byte order mark is skipped."""
    assert tree(b'\xef\xbb\xbf{"a": 1}', name).content == {"a": 1}


@pytest.mark.parametrize("name", ["dag.yaml", "dag.json"])
@pytest.mark.parametrize("content", ["", "  \n\n"])
def test_an_empty_file_is_nothing(tree, name, content):
    """An empty file has no content, and that is no error yet."""
    assert tree(content, name).content is None


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1e5, "b": 1E400, "c": -0, "d": -0.0, "e": 12345678901234567890123, "f": 0.1e-2}',
        r'{"a": "\u00e9\ud83d\ude00", "b": "\\/ \/ \\\\/ \" \\\"", "c": "\t\b\f\n\r", "\\": ""}',
        '{"a": "\x7f\u0085\u2028\ufeff\ufffe é 😀", "b": "# no: comment", "c": "- &a *b !c"}',
        json.dumps({"k" * 3000: [[], {}, [{}], None, True, False, ""]}),
        '\t[\t1\t,\r\n\t{"":\t{"":""}}]\t',
        '"only text"',
        "5",
        '"\\ud800"',
    ],
)
def test_json_values_are_jsons(tree, content):
    """The values of a JSON document are exactly those that json reads."""
    read = tree(content, "dag.json")
    assert repr(read.content) == repr(json.loads(content))
    assert not read.problems


texts = st.text(max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(texts, inside, max_size=4),
    max_leaves=20,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values, ascii_only=st.booleans(), indent=st.sampled_from([None, 0, 2, "\t"]))
def test_any_json_is_read_as_json_reads_it(tree, value, ascii_only, indent):
    """However a value is written as JSON, the same value is read."""
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    read = tree(written, "dag.json").content
    assert read == value
    assert repr(read) == repr(json.loads(written))


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("60000", "dag.yaml", "60000"),
        ("0.5", "dag.yaml", "0.5"),
        ("60000", "dag.json", "60000"),
        ("0.5", "dag.json", "0.5"),
        ("1.10", "dag.yaml", "1.10 is read as 1.1"),
        ("1.10", "dag.json", "1.10 is read as 1.1"),
        ("1e5", "dag.json", "1e5 is read as 100000.0"),
        ("+7", "dag.yaml", "+7 is read as 7"),
        ("no", "dag.yaml", "read as false; put it in quotes"),
        ("true", "dag.json", "read as true; put it in quotes"),
        ("~", "dag.yaml", 'write "" for empty text'),
        ("[1]", "dag.json", "not a list"),
        ("{}", "dag.json", "not a mapping"),
        (r'"a\u0000b"', "dag.json", "NUL"),
        (r'"\ud800"', "dag.json", "half a character"),
    ],
)
def test_text_is_what_was_written(tree, content, name, expected):
    """Where text is meant a number counts as it was written, and what can't be told apart is refused."""
    value = tree(f'{{"a": {content}}}', name).content["a"]
    try:
        assert text(value) == expected
    except ValueError as error:
        assert expected in str(error)  # noqa: PT017 -- either is an answer


def test_what_is_no_file_is_refused(tmp_path):
    """A folder, a pipe, a socket, a link to nothing and nothing at all are refused at once, by name."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(tmp_path, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/socket.yaml")  # a socket's path has at most 107 bytes
        os.close(here)
        said = {}
        for name in ("pipe", "folder", "link", "socket", "nothing", "fodler"):
            with pytest.raises(DocumentError) as caught:
                read_tree(tmp_path / f"{name}.yaml")
            said[name] = str(caught.value).partition("yaml: ")[2]

    assert said == {
        "pipe": "the document is no regular file",
        "folder": "the document is a folder",
        "link": "the document does not exist",
        "socket": "the document is no regular file",
        "nothing": "the document does not exist",
        "fodler": f"the document does not exist\n  Did you mean '{tmp_path}/folder.yaml'?",
    }


def test_an_unreadable_file_is_refused(public_folder, without_privileges):
    """A file that may not be read is refused with the system's reason."""
    file = public_folder / "dag.yaml"
    file.touch(mode=0)
    with without_privileges(), pytest.raises(DocumentError, match=r"can't be read: Permission denied"):
        read_tree(file)


def test_a_file_that_fails_to_read_is_refused(tmp_path):
    """A file that gives an error instead of its content is refused with the system's reason."""
    (tmp_path / "dag.yaml").symlink_to("/proc/self/mem")
    with pytest.raises(DocumentError, match=r"dag\.yaml: the document can't be read: Input/output error"):
        read_tree(tmp_path / "dag.yaml")


def test_a_name_too_long_is_refused(tmp_path):
    """A name that no file can have is refused, not a crash."""
    with pytest.raises(DocumentError, match="File name too long"):
        read_tree(tmp_path / ("x" * 300))


def test_a_huge_file_is_refused_unread(tmp_path):
    """A file of many megabytes is refused by its size."""
    file = tmp_path / "dag.yaml"
    with file.open("wb") as opened:
        opened.truncate(11 * 1024 * 1024)
    with pytest.raises(DocumentError, match="larger than 10 MB"):
        read_tree(file)
