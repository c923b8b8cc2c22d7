"""Inputs that are files, folders and patterns of this machine."""

import os

import pytest
from small_pipeline import said, succeeded

from cursus_sandbox import DocumentError

READS = "say(str([name for name in tree(IN / 'rows') if (IN / 'rows' / name).is_file()]))"


@pytest.fixture
def reader(small):
    """A step that says which files it finds, and some files."""
    for name in ("2024-01.csv", "2024-02.csv", "old/2023.csv", "old/deep/2022.csv", ".hidden.csv", "odd[1].csv"):
        small.write(f"data/{name}", "a\n1\n")
    small.step("first", READS, inputs={"rows": {"required": True}})
    return small


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("data/2024-01.csv", ["2024-01.csv"]),
        ("data/old", ["2023.csv", "deep/2022.csv"]),
        ("data/2024-*.csv", ["2024-01.csv", "2024-02.csv"]),
        ("data/*/20??.csv", ["old/2023.csv"]),
        ("data/**/202[23].csv", ["old/2023.csv", "old/deep/2022.csv"]),
        ("data/ol*", ["old/2023.csv", "old/deep/2022.csv"]),
        ("data/*.csv", ["2024-01.csv", "2024-02.csv", "odd[1].csv"]),
        ("data/odd[1].csv", ["odd[1].csv"]),
    ],
)
def test_what_a_step_finds(reader, written, found):
    """A file, a folder, or what a pattern matches, below its first part with a wildcard; as in a shell."""
    reader.steps["first"]["inputs"] = {"rows": written}
    result = succeeded(reader.run())
    assert said(result.step_results["first"]) == str(found)
    assert (reader.folder / "data/old/2023.csv").read_text() == "a\n1\n"


def test_a_pattern_from_outside(reader):
    """An option binds a pattern, too; what it brings can be written to and the source stays as it is."""
    reader.step(
        "first", "(IN / 'rows' / '2024-01.csv').write_text('gone')\n" + READS, inputs={"rows": {"required": True}}
    )
    succeeded(reader.run(inputs={"first:rows": str(reader.folder / "data/2024-*")}))
    assert (reader.folder / "data/2024-01.csv").read_text() == "a\n1\n"


def test_links_in_a_folder_that_is_matched(reader):
    """What a link in it leads to is there; a link to the folder it lies in is left out."""
    elsewhere = reader.write("elsewhere/x.csv", "a\n1\n")
    (reader.folder / "data/old/link.csv").symlink_to(elsewhere)
    (reader.folder / "data/old/up").symlink_to("..")
    reader.steps["first"]["inputs"] = {"rows": "data/ol*"}
    result = succeeded(reader.run())
    assert said(result.step_results["first"]) == "['old/2023.csv', 'old/deep/2022.csv', 'old/link.csv']"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            "data/2024-*.parquet",
            r"dag.json:\d+: input 'rows' of step 'first' is \S+/data/2024-\*.parquet, and nothing there matches",
        ),
        ("data/2024-0*.cvs", r"nothing there matches\n  Did you mean '2024-0\d.csv'\?"),
        ("dtaa/*.csv", r"There is no folder \S+/dtaa. Did you mean 'data'\?"),
        ("empty/*", r"empty is empty\."),
        ("pipe*", r"is \S+/pipe, which is no file or folder\n  Sockets, pipes and devices can't be read"),
    ],
)
def test_a_pattern_that_matches_nothing(reader, written, problem):
    """It is wrong, where it is written, before anything is started; a near name is shown."""
    (reader.folder / "empty").mkdir()
    os.mkfifo(reader.folder / "pipe")
    reader.steps["first"]["inputs"] = {"rows": written}
    with pytest.raises(DocumentError, match=problem):
        reader.run()
    assert not reader.workspace.exists()
